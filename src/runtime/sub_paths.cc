// Sub paths of volume mounts, with the variables of subPathExpr.
#include <set>

#include "kubelet/runtime/config.h"

namespace kubelet::runtime {
namespace {

bool HasBackstep(const std::string& path) {
  return ("/" + path + "/").find("/../") != std::string::npos;
}

absl::StatusOr<std::string> ExpandAll(const std::string& text,
                                      const std::map<std::string, std::string>& env) {
  std::set<std::string> missing;
  std::string expanded = ExpandWith(text, [&](const std::string& name) {
    auto it = env.find(name);
    if (it != env.end() && !it->second.empty()) return it->second;
    missing.insert(name);
    return std::string();
  });
  if (missing.empty()) return expanded;
  std::string names;
  for (const auto& name : missing) names += (names.empty() ? "" : ", ") + name;
  return absl::FailedPreconditionError("missing value for " + names);
}

}  // namespace

absl::StatusOr<std::map<int, std::string>> SubPaths(const api::core::Container& container,
                                                    const EnvList& env) {
  std::map<int, std::string> out;
  const std::map<std::string, std::string> values(env.begin(), env.end());
  for (int i = 0; i < container.volume_mounts_size(); ++i) {
    const auto& mount = container.volume_mounts(i);
    std::string path = mount.sub_path();
    if (!mount.sub_path_expr().empty()) {
      auto expanded = ExpandAll(mount.sub_path_expr(), values);
      if (!expanded.ok()) return expanded.status();
      path = *std::move(expanded);
    }
    if (path.empty()) continue;
    if (path[0] == '/') {
      return absl::FailedPreconditionError("error SubPath `" + path +
                                           "` must not be an absolute path");
    }
    if (HasBackstep(path)) {
      return absl::FailedPreconditionError("unable to provision SubPath `" + path +
                                           "`: must not contain '..'");
    }
    out[i] = std::move(path);
  }
  return out;
}

}  // namespace kubelet::runtime
