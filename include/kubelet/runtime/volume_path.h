// A volume of a pod as its containers get it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace kubelet::runtime {

struct VolumePath {
  std::string host_path;
  bool selinux_relabel = false;  // the kubelet's to label
  // Whoever uses it has to be in this group, whatever the pod says (PersistentVolume annotation
  // pv.beta.kubernetes.io/gid).
  std::optional<int64_t> group;
};
using VolumePaths = std::map<std::string, VolumePath>;  // by volume name

}  // namespace kubelet::runtime
