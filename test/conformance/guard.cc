#include "conformance/guard.h"

#include <string>

namespace kubelet::conformance {

absl::Status CheckUnused(const std::vector<runtime::Sandbox>& found) {
  constexpr size_t kNamed = 3;
  if (found.empty()) return absl::OkStatus();
  std::string names;
  for (size_t i = 0; i < found.size() && i < kNamed; ++i)
    names += (i == 0 ? "" : ", ") + found[i].namespace_ + "/" + found[i].name;
  if (found.size() > kNamed) names += " and " + std::to_string(found.size() - kNamed) + " more";
  return absl::FailedPreconditionError(
      "the container runtime is in use: it has the pods " + names +
      ", which the kubelet under test would end. Give the run a runtime of its own, test the "
      "kubelet "
      "of this node with --kubeconfig, or let it end them with --end-other-pods");
}

}  // namespace kubelet::conformance
