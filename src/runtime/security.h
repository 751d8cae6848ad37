// Security context of pod and container merged into runtime terms (pkg/securitycontext, 1.36).
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kubelet/api/types.h"
#include "kubelet/runtime/config.h"

namespace kubelet::runtime {

Namespaces PodNamespaces(const api::core::Pod& pod);
SELinux MakeSELinux(const api::core::SELinuxOptions& options);
// fsGroup and supplementalGroups of the pod, and the groups that its volumes bring along.
std::vector<int64_t> SupplementalGroups(const api::core::Pod& pod, const VolumePaths& volumes);
// FailedPrecondition for a policy that is none.
absl::StatusOr<SupplementalGroupsPolicy> GroupsPolicy(const api::core::Pod& pod);
// `net/ipv4/x` and `net.ipv4.x` are one sysctl.
std::string DottedSysctl(std::string name);

// Fills every security field of `config`; FailedPrecondition when runAsNonRoot cannot be kept.
absl::Status ApplySecurity(const api::core::Pod& pod, const api::core::Container& container,
                           const ContainerInputs& inputs, const NodeContext& node, ContainerConfig& config);

}  // namespace kubelet::runtime
