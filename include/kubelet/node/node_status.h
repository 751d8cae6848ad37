// What the Node object of this machine says: pure functions from facts and options to the object.
//
//   facts (machine, runtime, pressures) + options + the last known Node -> the Node to be sent
//
// They own the fields a kubelet owns and leave everything else of the object as it is: foreign
// labels, taints, conditions, extended resources, volumesAttached. Thread safe, nothing blocks.
// Facts of Kubernetes 1.36: pkg/kubelet/nodestatus/setters.go, kubelet_node_status.go,
// pkg/kubelet/cm.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "k8s/core/v1/node.pb.h"
#include "kubelet/api/types.h"
#include "kubelet/base/time.h"
#include "kubelet/os/machine.h"

namespace kubelet::node {

namespace core = api::core;

// From flags and KubeletConfiguration; config has checked them (allowed label keys, families of
// --node-ip, quantities). enforceNodeAllocatable does not change what the object says.
struct NodeOptions {
  std::string name;                   // of the object
  std::string hostname;               // --hostname-override or the kernel's; label and address
  std::vector<std::string> node_ips;  // --node-ip, at most two
  bool external_cloud_provider = false;
  std::string provider_id;
  std::map<std::string, std::string> labels;  // --node-labels
  std::vector<core::Taint> taints;            // registerWithTaints
  bool controller_attach_detach = true;       // enableControllerAttachDetach
  int max_pods = 110;
  int pods_per_core = 0;  // 0: only max_pods counts
  // Quantities by resource; cpu, memory, ephemeral-storage count here.
  std::map<std::string, std::string> kube_reserved, system_reserved;
  int reserved_cpus = 0;  // size of reservedSystemCPUs; replaces cpu of both when not 0
  std::map<std::string, std::string> eviction_hard;  // by signal: `100Mi`, `10%`
  bool allocatable_ignore_eviction = false;
  bool local_storage_isolation = true;  // localStorageCapacityIsolation
  int max_images = 50;                  // nodeStatusMaxImages, -1: all
  int kubelet_port = 10250;
  std::string kubelet_version;
  // status.declaredFeatures, whatever order; nullopt: gate NodeDeclaredFeatures is off.
  std::optional<std::vector<std::string>> declared_features;
  // Zero the extended resources of a node that is there already: until a device plugin has
  // registered, its devices do not exist. False when a device checkpoint was found.
  bool reset_extended_resources = true;
};

struct RuntimeHandler {
  std::string name;  // empty: the default handler
  bool recursive_read_only_mounts = false, user_namespaces = false;
};
struct NodeImage {
  std::string id;
  std::vector<std::string> repo_digests, repo_tags;
  int64_t size_bytes = 0;
};

struct DeviceCounts {
  int64_t capacity = 0, allocatable = 0;
};

// What is so at present. What is unknown (nullopt, error, empty) leaves the field as it was; that
// differs from upstream for images and handlers, which it drops whenever the runtime is not there.
struct NodeFacts {
  os::Machine machine;
  std::optional<int64_t> root_fs_bytes;  // os::FilesystemBytes of the root directory
  // os::ChooseNodeAddresses.
  absl::StatusOr<std::vector<std::string>> addresses =
      absl::UnavailableError("the node's addresses were not looked up yet");
  std::string runtime_name, runtime_version;  // `containerd`, `1.7.24`; empty: did not answer yet
  std::optional<std::vector<RuntimeHandler>> handlers;
  std::optional<bool> supplemental_groups_policy;
  std::optional<std::vector<NodeImage>> images;            // any order
  std::optional<std::vector<std::string>> volumes_in_use;  // nullopt: not reconciled yet
  // What keeps the node from being ready, in upstream's order: runtime (kRuntimeDown,
  // kRuntimeUnchecked, `PLEG is not healthy: ...`, NotReadyText), network, storage.
  std::vector<std::string> errors;
  bool shutting_down = false;
  std::string warning;  // of a ready or not ready node: `<message>. WARNING: <warning>`
  bool memory_pressure = false, disk_pressure = false, pid_pressure = false;
  // Resources of device plugins; those that are gone with zeros. Others' extended resources stay.
  std::map<std::string, DeviceCounts> devices;
};

inline constexpr char kRuntimeDown[] = "container runtime is down";
inline constexpr char kRuntimeUnchecked[] =
    "container runtime status check may not have completed yet";
// `container runtime network not ready: NetworkReady=false reason:R message:M`; `type` is
// RuntimeReady or NetworkReady.
std::string NotReadyText(const std::string& type, const std::string& reason,
                         const std::string& message);

// Becomes an Event of the Node.
struct NodeEvent {
  bool warning = false;
  std::string reason, message;
};

struct ComputedNode {
  core::Node node;
  std::vector<NodeEvent> events;  // of the transitions between `previous` and `node`
};
// The node that is to be registered: name, labels, annotation, taints, provider id, whole status.
ComputedNode MakeInitialNode(const NodeFacts& facts, const NodeOptions& options,
                             base::WallTime now);
// `previous` with the status brought up to date, heartbeat times included, the labels of OS and
// architecture, and the annotation alpha.kubernetes.io/provided-node-ip.
ComputedNode ComputeNode(const core::Node& previous, const NodeFacts& facts,
                         const NodeOptions& options, base::WallTime now);
core::NodeStatus ComputeStatus(const core::Node& previous, const NodeFacts& facts,
                               const NodeOptions& options, base::WallTime now);
// What an object that was there before us must have of `initial`: default labels, the attach-detach
// annotation; extended resources zeroed, huge pages that are no more removed.
void ReconcileExisting(const core::Node& initial, const NodeOptions& options, core::Node& existing);
// The addresses that pods are told of the node, at most one a family: those of type InternalIP go
// before those of type ExternalIP, the first decides which family is the primary one. Empty: the
// object has none (yet), such as before a cloud provider has seen it. pkg/util/node GetNodeHostIPs.
std::vector<std::string> HostIps(const core::Node& node);
// Anything differs but heartbeat times: labels, annotations, status.
bool NodeChanged(const core::Node& before, const core::Node& after);

// status.allocatable as ComputeNode would have it, from capacity and devices of `previous`.
google::protobuf::Map<std::string, api::resource::Quantity> ComputeAllocatable(
    const core::NodeStatus& previous, const NodeFacts& facts, const NodeOptions& options);

// kubeReserved + systemReserved + hard eviction, of cpu, memory and ephemeral-storage; what is zero
// is left out. In the resource's own units as a quantity's text.
std::map<std::string, std::string> AllocatableReservation(const NodeFacts& facts,
                                                          const NodeOptions& options);
// InvalidArgument when more is reserved than there is: the kubelet must not start.
absl::Status ValidateReservation(const NodeFacts& facts, const NodeOptions& options);

}  // namespace kubelet::node
