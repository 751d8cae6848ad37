// Which sysctls a pod may set: the safe ones and those of allowedUnsafeSysctls.
//
// Facts: pkg/kubelet/sysctl, component-helpers/node/util/sysctl, Kubernetes 1.36. Pure; thread
// safe.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::admission {

class SysctlAllowlist {
 public:
  // Allows nothing.
  SysctlAllowlist() = default;
  // `unsafe`: names or prefixes such as `net.core.*`, with dots or slashes. Safe ones that this
  // kernel (uname -r) has in no namespace are left out. InvalidArgument for one that is not known
  // to be namespaced: the kubelet must not start.
  static absl::StatusOr<SysctlAllowlist> Make(const std::vector<std::string>& unsafe,
                                              const std::string& kernel_version);

  // Why the sysctl is forbidden, in upstream's words; nullopt: it is not.
  std::optional<std::string> Forbids(const std::string& name, bool host_network,
                                     bool host_ipc) const;

 private:
  enum class Namespace { kIpc, kNet };
  static std::optional<Namespace> NamespaceOf(const std::string& name);
  std::map<std::string, Namespace> names_, prefixes_;
};

// `net/ipv4/conf/eno2.100/rp_filter` -> `net.ipv4.conf.eno2/100.rp_filter`; a name whose first
// separator is a dot stays as it is.
std::string NormalizedSysctl(std::string name);

}  // namespace kubelet::admission
