// What a container runtime is asked for and what it reports, in our own words: CRI messages stay in the cri room.
// Plain values; field meanings follow CRI runtime.v1 of Kubernetes 1.36.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kubelet/base/ids.h"
#include "kubelet/base/time.h"

namespace kubelet::runtime {

using SandboxId = base::StringId<struct SandboxIdTag>;
using ContainerId = base::StringId<struct ContainerIdTag>;
using StringMap = std::map<std::string, std::string>;

// --- what is asked for -------------------------------------------------------------------------------------

enum class NamespaceMode { kPod, kContainer, kNode, kTarget };

// `length` ids from `container_id` on are those from `host_id` on outside.
struct IdMapping {
  uint32_t host_id = 0, container_id = 0, length = 0;
  bool operator==(const IdMapping&) const = default;
};

// kNode: the host's. kPod: one of its own; users and groups are mapped alike, in mounts too.
struct UserNamespace {
  NamespaceMode mode = NamespaceMode::kNode;
  std::vector<IdMapping> ids;
};

struct Namespaces {
  NamespaceMode network = NamespaceMode::kPod;
  NamespaceMode pid = NamespaceMode::kContainer;
  NamespaceMode ipc = NamespaceMode::kPod;
  UserNamespace user;
  std::string target_id;  // container whose PID namespace is joined, with kTarget
};

enum class ProfileKind { kRuntimeDefault, kUnconfined, kLocalhost };
struct SecurityProfile {
  ProfileKind kind = ProfileKind::kUnconfined;
  std::string localhost_ref;  // path (seccomp) or profile name (AppArmor), with kLocalhost
};

struct SELinux {
  std::string user, role, type, level;
};

enum class Protocol { kTcp, kUdp, kSctp };
struct PortMapping {
  Protocol protocol = Protocol::kTcp;
  int32_t container_port = 0;
  int32_t host_port = 0;
  std::string host_ip;
};

enum class MountPropagation { kPrivate, kHostToContainer, kBidirectional };
struct Mount {
  std::string container_path;
  std::string host_path;
  bool read_only = false;
  bool selinux_relabel = false;
  MountPropagation propagation = MountPropagation::kPrivate;
  bool recursive_read_only = false;
  std::string image;           // set for an image volume instead of host_path: what the runtime resolved
  std::string user_specified_image;  // as written in the pod, with `image`
  std::string image_sub_path;
};

struct Device {
  std::string container_path, host_path, permissions;
};

// Zero means "not set", as in CRI.
struct LinuxResources {
  int64_t cpu_period = 0;
  int64_t cpu_quota = 0;
  int64_t cpu_shares = 0;
  int64_t memory_limit_bytes = 0;
  int64_t memory_swap_limit_bytes = 0;
  int64_t oom_score_adj = 0;
  std::string cpuset_cpus, cpuset_mems;
  std::vector<std::pair<std::string, uint64_t>> hugepage_limits;  // page size such as 2MB, bytes
  StringMap unified;
  bool operator==(const LinuxResources&) const = default;
};

enum class SupplementalGroupsPolicy { kMerge, kStrict };

struct SandboxConfig {
  std::string name, namespace_, uid;
  uint32_t attempt = 0;
  std::string hostname;
  std::string log_directory;
  std::vector<std::string> dns_servers, dns_searches, dns_options;
  std::vector<PortMapping> port_mappings;
  StringMap labels, annotations;
  std::string cgroup_parent;
  StringMap sysctls;
  Namespaces namespaces;
  std::optional<int64_t> run_as_user, run_as_group;
  std::vector<int64_t> supplemental_groups;
  SupplementalGroupsPolicy supplemental_groups_policy = SupplementalGroupsPolicy::kMerge;
  std::optional<SELinux> selinux;
  bool privileged = false;
  bool read_only_rootfs = false;
  SecurityProfile seccomp{ProfileKind::kRuntimeDefault, ""};
  LinuxResources resources, overhead;  // sums over the pod, for the runtime's information
  std::string runtime_handler;
};

struct ContainerConfig {
  std::string name;
  uint32_t attempt = 0;
  std::string image;               // what to run: the reference the runtime resolved
  std::string user_specified_image;  // as written in the pod
  StringMap image_annotations;
  std::vector<std::string> command, args;
  std::string working_dir;
  std::vector<std::pair<std::string, std::string>> envs;
  std::vector<Mount> mounts;
  std::vector<Device> devices;
  std::vector<std::string> cdi_devices;
  StringMap labels, annotations;
  std::string log_path;  // relative to the sandbox's log directory
  bool stdin_open = false, stdin_once = false, tty = false;
  LinuxResources resources;

  std::vector<std::string> add_capabilities, drop_capabilities;
  bool privileged = false;
  Namespaces namespaces;
  std::optional<SELinux> selinux;
  std::optional<int64_t> run_as_user, run_as_group;
  std::string run_as_username;
  bool read_only_rootfs = false;
  std::vector<int64_t> supplemental_groups;
  SupplementalGroupsPolicy supplemental_groups_policy = SupplementalGroupsPolicy::kMerge;
  bool no_new_privs = false;
  std::vector<std::string> masked_paths, readonly_paths;
  SecurityProfile seccomp;
  std::optional<SecurityProfile> apparmor;  // nobody asked: the runtime's own choice
  std::string stop_signal;  // SIGTERM and the like; empty leaves the image's
};

// --- what is reported --------------------------------------------------------------------------------------

enum class SandboxState { kReady, kNotReady };
enum class ContainerState { kCreated, kRunning, kExited, kUnknown };

struct Sandbox {  // from a list
  SandboxId id;
  std::string name, namespace_, uid;
  uint32_t attempt = 0;
  SandboxState state = SandboxState::kNotReady;
  base::WallTime created_at;
  StringMap labels, annotations;
};

struct SandboxStatus {
  Sandbox sandbox;
  std::string ip;
  std::vector<std::string> additional_ips;
  NamespaceMode network = NamespaceMode::kPod;
};

struct Container {  // from a list
  ContainerId id;
  SandboxId sandbox_id;
  std::string name;
  uint32_t attempt = 0;
  std::string image, image_ref;
  ContainerState state = ContainerState::kUnknown;
  base::WallTime created_at;
  StringMap labels, annotations;
};

struct ContainerUser {
  int64_t uid = 0, gid = 0;
  std::vector<int64_t> supplemental_groups;
};

struct MountStatus {
  std::string container_path, host_path;
  bool read_only = false, recursive_read_only = false;
  std::string image;  // of an image volume
};

struct ContainerStatus {
  ContainerId id;
  std::string name;
  uint32_t attempt = 0;
  ContainerState state = ContainerState::kUnknown;
  base::WallTime created_at, started_at, finished_at;  // epoch zero when it has not happened
  int32_t exit_code = 0;
  std::string image, image_ref, image_id;
  std::string reason, message;
  StringMap labels, annotations;
  std::string log_path;  // absolute
  std::vector<MountStatus> mounts;
  std::optional<LinuxResources> resources;
  std::optional<ContainerUser> user;
  std::string stop_signal;
};

enum class RuntimeEventKind { kCreated, kStarted, kStopped, kDeleted };
// A hint that something changed; the payload of the runtime is not trusted beyond naming the pod.
struct RuntimeEvent {
  RuntimeEventKind kind = RuntimeEventKind::kCreated;
  std::string container_id;
  std::string pod_uid, pod_name, pod_namespace;
};

struct RuntimeVersion {
  std::string runtime_name, runtime_version, api_version;
};

struct RuntimeCondition {
  std::string type;  // RuntimeReady, NetworkReady
  bool status = false;
  std::string reason, message;
};
struct RuntimeHandler {
  std::string name;
  bool recursive_read_only_mounts = false, user_namespaces = false;
};
struct RuntimeStatus {
  std::vector<RuntimeCondition> conditions;
  std::vector<RuntimeHandler> handlers;
  bool supplemental_groups_policy = false;
};

enum class CgroupDriver { kCgroupfs, kSystemd };

// How an image is named to the runtime.
struct ImageSpec {
  ImageSpec() = default;
  ImageSpec(std::string name) : image(std::move(name)) {}
  std::string image;
  StringMap annotations;        // of the pod
  std::string runtime_handler;  // only with the gate RuntimeClassInImageCriApi
};

struct Image {
  std::string id;
  std::vector<std::string> repo_tags, repo_digests;
  uint64_t size_bytes = 0;
  std::optional<int64_t> uid;
  std::string username;
  bool pinned = false;
};

struct AuthConfig {
  std::string username, password, auth, server_address, identity_token, registry_token;
};

struct FilesystemUsage {
  base::WallTime timestamp;
  std::string mountpoint;
  uint64_t used_bytes = 0, inodes_used = 0;
};

struct ExecResult {
  std::string stdout_data, stderr_data;
  int32_t exit_code = 0;
};

}  // namespace kubelet::runtime
