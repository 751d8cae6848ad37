#include "kubelet/resource/topology.h"

#include <algorithm>

#include "absl/strings/cord.h"

namespace kubelet::resource {
namespace {

constexpr char kReasonPayload[] = "kubelet.cpp/reason";

}  // namespace

std::vector<int> NumaMask::Nodes() const {
  std::vector<int> nodes;
  for (uint64_t rest = bits_; rest != 0; rest &= rest - 1) nodes.push_back(std::countr_zero(rest));
  return nodes;
}

bool NumaMask::IsNarrowerThan(NumaMask other) const {
  if (Count() != other.Count()) return Count() < other.Count();
  return bits_ < other.bits_;
}

std::vector<NumaMask> Subsets(const std::vector<int>& nodes) {
  std::vector<NumaMask> masks;
  for (uint64_t chosen = 1; chosen < uint64_t{1} << nodes.size(); ++chosen) {
    NumaMask mask;
    for (int index : NumaMask::FromBits(chosen).Nodes()) mask.Add(nodes[index]);
    masks.push_back(mask);
  }
  std::sort(masks.begin(), masks.end(), [](NumaMask a, NumaMask b) {
    return a.Count() != b.Count() ? a.Count() < b.Count() : a.Nodes() < b.Nodes();
  });
  return masks;
}

absl::Status TypedRefusal(const std::string& reason, const std::string& message) {
  absl::Status status = absl::FailedPreconditionError(message);
  status.SetPayload(kReasonPayload, absl::Cord(reason));
  return status;
}

std::optional<std::string> ReasonOfRefusal(const absl::Status& status) {
  auto payload = status.GetPayload(kReasonPayload);
  if (!payload) return std::nullopt;
  return std::string(*payload);
}

}  // namespace kubelet::resource
