// What this machine is: names, addresses, resources, the state of its runtime. Filled once at the
// start, and by the runtime watch.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kubelet/admission/sysctls.h"
#include "kubelet/base/metrics.h"
#include "kubelet/config/config.h"
#include "kubelet/node/node_status.h"
#include "kubelet/os/cgroup.h"
#include "kubelet/os/machine.h"
#include "kubelet/runtime/config.h"
#include "kubelet/runtime/model.h"

namespace kubelet::app {

struct Node {
  std::string name;
  os::Machine machine;
  std::shared_ptr<const os::CgroupHierarchy> hierarchy;
  runtime::NodeContext context;
  runtime::CgroupDriver cgroup_driver = runtime::CgroupDriver::kCgroupfs;
  std::string runtime_name;  // prefix of container ids, empty until the runtime has answered
  std::string runtime_version;
  std::vector<runtime::RuntimeHandler> handlers;
  bool supplemental_groups_policy = false;
  std::optional<base::MonoTime> runtime_answered;  // last answer to Status
  // What the runtime says of itself and its network when they are not ready, for the node's
  // condition.
  std::string runtime_trouble, network_trouble;
  // What this machine's own look found, for the Node object; `context.host_ips` is what pods are
  // told, which the Node object decides once it is known.
  absl::StatusOr<std::vector<std::string>> addresses =
      absl::UnavailableError("the node's addresses were not looked up yet");
  // They were found, or waited for long enough.
  bool addresses_known = false;
  std::optional<int64_t> root_fs_bytes;  // as the node's status last had it
  bool apparmor = false;                 // the kernel enforces profiles
  std::map<std::string, node::DeviceCounts> devices;  // resources of device plugins
  bool device_checkpoint = false;        // devices were given here before this start
  admission::SysctlAllowlist sysctls;
  bool network_ready = false;
  absl::Status runtime_health =
      absl::UnavailableError("the container runtime has not answered yet");
};

// Looks at the machine. FailedPrecondition: the configuration refuses it (cgroup v1, swap).
absl::Status InspectMachine(const config::LoadedConfig& config, Node& node);

// Whether what the node's name resolves to counts: no address was given by --node-ip.
bool NameMatters(const config::LoadedConfig& config);
// Whether this node's addresses are a cloud provider's to say, so that ours are but a guess.
bool ProviderSaysAddresses(const config::LoadedConfig& config);
// Addresses of this node by --node-ip, name and routes, now. Looks the name up when it matters
// unless `quick`, which may take as long as the resolver does. `last`: what was found before. Codes
// as os::ChooseNodeAddresses.
absl::StatusOr<std::vector<std::string>> NodeAddresses(const config::LoadedConfig& config,
                                                       const std::string& node_name, bool quick,
                                                       const std::vector<std::string>& last = {});

// process_* and build metrics.
void AddProcessMetrics(base::Registry& metrics, const std::string& node_name);

// Tells the service manager, when there is one ($NOTIFY_SOCKET), for example `READY=1`.
void NotifyServiceManager(const std::string& state);

}  // namespace kubelet::app
