// Pure generation of sandbox and container configurations from a pod. Same input, same output.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/api/pod.h"
#include "kubelet/api/types.h"
#include "kubelet/runtime/environment.h"
#include "kubelet/runtime/model.h"
#include "kubelet/runtime/ports.h"
#include "kubelet/runtime/swap.h"

namespace kubelet::runtime {

// Labels and annotations that identify pods and containers to the runtime; shared with every other kubelet
// (pkg/kubelet/types, pkg/kubelet/kuberuntime/labels.go).
inline constexpr char kPodNameLabel[] = "io.kubernetes.pod.name";
inline constexpr char kPodNamespaceLabel[] = "io.kubernetes.pod.namespace";
inline constexpr char kPodUidLabel[] = "io.kubernetes.pod.uid";
inline constexpr char kContainerNameLabel[] = "io.kubernetes.container.name";
inline constexpr char kHashAnnotation[] = "io.kubernetes.container.hash";
inline constexpr char kRestartCountAnnotation[] = "io.kubernetes.container.restartCount";
inline constexpr char kTerminationPathAnnotation[] = "io.kubernetes.container.terminationMessagePath";
inline constexpr char kTerminationPolicyAnnotation[] = "io.kubernetes.container.terminationMessagePolicy";
inline constexpr char kPodDeletionGraceAnnotation[] = "io.kubernetes.pod.deletionGracePeriod";
inline constexpr char kPodTerminationGraceAnnotation[] = "io.kubernetes.pod.terminationGracePeriod";
inline constexpr char kPreStopAnnotation[] = "io.kubernetes.container.preStopHandler";
inline constexpr char kPortsAnnotation[] = "io.kubernetes.container.ports";
// Ours: marks a sandbox that this kubelet made and the manifest it was made from (api::kManifestAnnotation; the uid,
// when the manifest gives it), so that a static pod of another kubelet's uid can be told from an edited manifest.
inline constexpr const char* kOwnSandboxAnnotation = api::kManifestAnnotation;
// Ours, on sandboxes of static pods: api::ResizeShape, so that a manifest whose CPU or memory was edited, also while no
// kubelet ran, is known as a resize of the pod that runs.
inline constexpr char kShapeAnnotation[] = "kubelet.cpp/shape";

struct DnsConfig {
  std::vector<std::string> servers, searches, options;
};

// What generation needs to know of the node.
struct NodeContext {
  std::string node_name;
  std::vector<std::string> host_ips;
  std::vector<std::string> cluster_dns;
  std::string cluster_domain;
  DnsConfig host_dns;               // parsed resolvConf of the host
  bool container_stop_signals = false;  // gate ContainerStopSignals: lifecycle.stopSignal counts
  bool no_resolv_conf = false;      // resolvConf is empty: pods of policy Default ask the node itself
  bool seccomp_default = false;
  std::string seccomp_root;         // <root>/seccomp
  std::string pod_logs_dir;         // /var/log/pods
  bool cpu_cfs_quota = true;
  int64_t cpu_cfs_quota_period_us = 100'000;
  int64_t memory_capacity = 0;      // bytes, for the OOM score
  bool cgroup_v2 = false;
  bool single_process_oom_kill = false;
  SwapContext swap;
  std::vector<std::string> hugepage_sizes;  // as CRI names them: 2MB, 1GB
  bool selinux = false;                     // enabled in the kernel
  std::vector<std::string> masked_paths;    // of this machine, besides the usual ones
  std::vector<RuntimeHandler> handlers;     // as the runtime last told; empty before, or when it is too old to tell
  // Feature gates.
  bool env_files = true, hostname_override = true;
};

// DNS of a pod by its dnsPolicy and dnsConfig, limits applied (3 servers, 32 searches of 253 characters each and 2048
// together). `events` gets a warning for what had to be dropped (DNSConfigForming), and a pair, the node's and the
// pod's, where cluster DNS is asked for and not configured (MissingClusterDNS). May be null.
DnsConfig MakeDnsConfig(const api::core::Pod& pod, const NodeContext& node, std::vector<PodEvent>* events);

// What is wrong with the node's resolver configuration as a base for pods; nullopt: nothing (CheckLimitsForResolvConf).
std::optional<std::string> CheckResolvConf(const std::string& path, const DnsConfig& dns,
                                           const std::string& cluster_domain);

// The pod's name inside, and the domain it lies in when it has a subdomain.
struct HostName {
  std::string name, domain;
};
HostName PodHostName(const api::core::Pod& pod, const NodeContext& node);
// What the kernel is told. FailedPrecondition when setHostnameAsFQDN gives more than 64 characters.
absl::StatusOr<std::string> KernelHostName(const api::core::Pod& pod, const NodeContext& node);

// At most one address per family, the family of the node's first address first (sortPodIPs).
std::vector<std::string> InFamilyOrder(const std::vector<std::string>& ips, const std::vector<std::string>& node_ips);

// `<podLogsDir>/<namespace>_<name>_<uid>`.
std::string PodLogDirectory(const api::core::Pod& pod, const std::string& pod_logs_dir);
// `/var/log/containers` link name, at most 255 characters.
std::string LegacyLogLink(const api::core::Pod& pod, const std::string& container, const std::string& id);

absl::StatusOr<SandboxConfig> MakeSandboxConfig(const api::core::Pod& pod, uint32_t attempt,
                                                const std::string& cgroup_parent, const NodeContext& node,
                                                const VolumePaths& volumes = {});

// An image volume: the image it was found to be, and as the pod names it.
struct ImageMount {
  std::string image, reference;
};
using ImageMounts = std::map<std::string, ImageMount>;  // by volume

// What is known only when a container starts.
struct ContainerInputs {
  uint32_t attempt = 0;
  std::string image_ref;
  std::optional<int64_t> image_uid;
  std::string image_username;
  std::vector<std::string> pod_ips;
  EnvInputs env;                                    // objects that the environment names
  VolumePaths volume_paths;
  ImageMounts image_mounts;
  std::map<int, std::string> sub_paths;             // index of the mount -> host path
  UserNamespace user_namespace;
  std::string runtime_handler;
  std::string etc_hosts_path;                       // empty: do not mount
  std::string termination_log_path;                 // host path, empty: do not mount
  int64_t oom_score_adj = 0;
  DeviceGrant devices;
};

// FailedPrecondition (CreateContainerConfigError) names the field that cannot be served.
absl::StatusOr<ContainerConfig> MakeContainerConfig(const api::core::Pod& pod,
                                                    const api::core::Container& container,
                                                    const ContainerInputs& inputs, const NodeContext& node);

// The relative sub path of each mount that has one, by its index; `$(VAR)` of subPathExpr out of `env`.
// FailedPrecondition for a variable without a value and for paths that lead out of the volume.
absl::StatusOr<std::map<int, std::string>> SubPaths(const api::core::Container& container, const EnvList& env);

// Fields of the pod that are set and that this version does not act on, such as `spec.containers[0].livenessProbe`. The
// pod runs without them and its owner is told. (What a pod cannot safely run without makes its configuration fail.)
std::vector<std::string> NotBuiltYet(const api::core::Pod& pod);

// `$(VAR)` with `$$` as escape; unknown references stay as they are (third_party/forked/golang/expansion).
std::string Expand(const std::string& text, const std::map<std::string, std::string>& env);
// The same, `value` asked for each reference.
std::string ExpandWith(const std::string& text, const std::function<std::string(const std::string&)>& value);

// Content of the managed /etc/hosts file. A pod with a subdomain is there by its full name, too.
std::string MakeEtcHosts(const api::core::Pod& pod, const std::vector<std::string>& pod_ips,
                         const std::string& host_file, const NodeContext& node);

// The handler's features. Unknown handlers have none; FailedPrecondition names one that the runtime does not list.
absl::Status CheckUserNamespaces(const NodeContext& node, const std::string& handler);
bool SupportsRecursiveReadOnly(const NodeContext& node, const std::string& handler);

// CPU shares for a request in milli-CPU (2..262144), CFS quota in microseconds for a limit (0: none).
int64_t MilliCpuToShares(int64_t milli);
int64_t MilliCpuToQuota(int64_t milli, int64_t period_us);

}  // namespace kubelet::runtime
