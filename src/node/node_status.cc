#include "kubelet/node/node_status.h"

#include <algorithm>

#include "kubelet/api/codec.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "node/parts.h"

namespace kubelet::node {
namespace {

constexpr char kProvidedNodeIp[] = "alpha.kubernetes.io/provided-node-ip";
constexpr char kAttachDetach[] = "volumes.kubernetes.io/controller-managed-attach-detach";
constexpr char kOsLabel[] = "kubernetes.io/os";
constexpr char kArchLabel[] = "kubernetes.io/arch";
constexpr char kOs[] = "linux";
constexpr size_t kMaxImageNames = 5;

// Go's name of the architecture this program was built for.
#if defined(__x86_64__)
constexpr char kArch[] = "amd64";
#elif defined(__aarch64__)
constexpr char kArch[] = "arm64";
#elif defined(__arm__)
constexpr char kArch[] = "arm";
#elif defined(__i386__)
constexpr char kArch[] = "386";
#elif defined(__s390x__)
constexpr char kArch[] = "s390x";
#elif defined(__powerpc64__)
constexpr char kArch[] = "ppc64le";
#elif defined(__riscv)
constexpr char kArch[] = "riscv64";
#else
#error "name this architecture"
#endif

bool IsUnspecified(const std::string& ip) {
  return ip.find_first_not_of("0.:") == std::string::npos;
}

std::string Join(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : ",") + part;
  return out;
}

void AddAddress(core::NodeStatus& status, const std::string& type, const std::string& address) {
  auto* added = status.add_addresses();
  added->set_type(type);
  added->set_address(address);
}

// An external cloud provider is told which address we were given, and has the last word: what it
// wrote stays.
void SetAddresses(core::Node& node, const NodeFacts& facts, const NodeOptions& options) {
  bool specified = !options.node_ips.empty() && !IsUnspecified(options.node_ips[0]);
  if (specified && !facts.addresses.ok()) {
    LOG_ERROR("The addresses of the node stay as they are", "err",
              base::Message(facts.addresses.status()));
    return;
  }
  auto& annotations = *node.mutable_metadata()->mutable_annotations();
  if (options.external_cloud_provider && specified) {
    annotations[kProvidedNodeIp] = Join(*facts.addresses);
  } else {
    annotations.erase(kProvidedNodeIp);
  }
  auto& status = *node.mutable_status();
  if (options.external_cloud_provider) {
    if (status.addresses_size() > 0) return;
    if (options.node_ips.empty()) {
      AddAddress(status, "Hostname", options.hostname);
      return;
    }
  }
  if (!facts.addresses.ok() || facts.addresses->empty()) {
    LOG_V(2, "The addresses of the node stay as they are", "err",
          base::Message(facts.addresses.status()));
    return;
  }
  status.clear_addresses();
  for (const auto& ip : *facts.addresses) AddAddress(status, "InternalIP", ip);
  AddAddress(status, "Hostname", options.hostname);
}

void SetNodeInfo(core::NodeSystemInfo& info, const NodeFacts& facts, const NodeOptions& options,
                 std::vector<NodeEvent>& events) {
  const os::Machine& machine = facts.machine;
  if (!info.boot_id().empty() && info.boot_id() != machine.boot_id) {
    events.push_back({true, "Rebooted",
                      "Node " + options.name + " has been rebooted, boot id: " + machine.boot_id});
  }
  info.set_machine_id(machine.machine_id);
  info.set_system_uuid(machine.system_uuid);
  info.set_boot_id(machine.boot_id);
  info.set_kernel_version(machine.kernel_version);
  info.set_os_image(machine.os_image);
  if (!facts.runtime_name.empty()) {
    std::string version = facts.runtime_version.empty() ? "Unknown" : facts.runtime_version;
    info.set_container_runtime_version(facts.runtime_name + "://" + version);
  }
  info.set_kubelet_version(options.kubelet_version);
  info.set_kube_proxy_version("");
  info.set_operating_system(kOs);
  info.set_architecture(kArch);
  info.clear_swap();
  if (machine.swap_bytes > 0) info.mutable_swap()->set_capacity(machine.swap_bytes);
}

void SetImages(core::NodeStatus& status, const std::vector<NodeImage>& images, int max) {
  std::vector<const NodeImage*> order;
  for (const auto& image : images) order.push_back(&image);
  std::sort(order.begin(), order.end(), [](const NodeImage* a, const NodeImage* b) {
    return a->size_bytes != b->size_bytes ? a->size_bytes > b->size_bytes : a->id > b->id;
  });
  if (max >= 0 && order.size() > static_cast<size_t>(max)) order.resize(static_cast<size_t>(max));
  status.clear_images();
  for (const NodeImage* image : order) {
    auto* out = status.add_images();
    out->set_size_bytes(image->size_bytes);
    for (const auto* names : {&image->repo_digests, &image->repo_tags}) {
      for (const auto& name : *names) {
        if (static_cast<size_t>(out->names_size()) < kMaxImageNames) out->add_names(name);
      }
    }
  }
}

void SetRuntime(core::NodeStatus& status, const NodeFacts& facts) {
  if (facts.handlers) {
    status.clear_runtime_handlers();
    for (const auto& handler : *facts.handlers) {
      auto* out = status.add_runtime_handlers();
      out->set_name(handler.name);
      out->mutable_features()->set_recursive_read_only_mounts(handler.recursive_read_only_mounts);
      out->mutable_features()->set_user_namespaces(handler.user_namespaces);
    }
  }
  if (facts.supplemental_groups_policy)
    status.mutable_features()->set_supplemental_groups_policy(*facts.supplemental_groups_policy);
}

void SetDeclaredFeatures(core::NodeStatus& status, const NodeOptions& options) {
  if (!options.declared_features) return;
  auto features = *options.declared_features;
  std::sort(features.begin(), features.end());
  status.mutable_declared_features()->Assign(features.begin(), features.end());
}

core::NodeStatus WithoutHeartbeat(core::NodeStatus status) {
  for (auto& condition : *status.mutable_conditions()) condition.clear_last_heartbeat_time();
  return status;
}

template <typename Map>
bool SameMap(const Map& a, const Map& b) {
  if (a.size() != b.size()) return false;
  return std::all_of(a.begin(), a.end(), [&b](const auto& entry) {
    auto it = b.find(entry.first);
    return it != b.end() && it->second == entry.second;
  });
}

}  // namespace

ComputedNode ComputeNode(const core::Node& previous, const NodeFacts& facts,
                         const NodeOptions& options, base::WallTime now) {
  ComputedNode out{previous, {}};
  core::Node& node = out.node;
  auto& labels = *node.mutable_metadata()->mutable_labels();
  labels[kOsLabel] = kOs;
  labels[kArchLabel] = kArch;
  auto& status = *node.mutable_status();
  SetAddresses(node, facts, options);
  SetResources(status, facts, options);
  SetNodeInfo(*status.mutable_node_info(), facts, options, out.events);
  status.mutable_daemon_endpoints()->mutable_kubelet_endpoint()->set_port(options.kubelet_port);
  if (facts.images) SetImages(status, *facts.images, options.max_images);
  SetRuntime(status, facts);
  SetConditions(status, facts, options, now, out.events);
  if (facts.volumes_in_use) {
    status.mutable_volumes_in_use()->Assign(facts.volumes_in_use->begin(),
                                            facts.volumes_in_use->end());
  }
  SetDeclaredFeatures(status, options);
  return out;
}

core::NodeStatus ComputeStatus(const core::Node& previous, const NodeFacts& facts,
                               const NodeOptions& options, base::WallTime now) {
  return ComputeNode(previous, facts, options, now).node.status();
}

ComputedNode MakeInitialNode(const NodeFacts& facts, const NodeOptions& options,
                             base::WallTime now) {
  core::Node node;
  auto& meta = *node.mutable_metadata();
  meta.set_name(options.name);
  auto& labels = *meta.mutable_labels();
  labels["kubernetes.io/hostname"] = options.hostname;
  labels["beta.kubernetes.io/os"] = kOs;
  labels["beta.kubernetes.io/arch"] = kArch;
  for (const auto& [key, value] : options.labels) labels[key] = value;
  if (options.controller_attach_detach) (*meta.mutable_annotations())[kAttachDetach] = "true";
  auto& spec = *node.mutable_spec();
  for (const auto& taint : options.taints) *spec.add_taints() = taint;
  if (options.external_cloud_provider) {
    auto* taint = spec.add_taints();
    taint->set_key("node.cloudprovider.kubernetes.io/uninitialized");
    taint->set_value("true");
    taint->set_effect("NoSchedule");
  }
  if (!options.provider_id.empty()) spec.set_provider_id(options.provider_id);
  return ComputeNode(node, facts, options, now);
}

void ReconcileExisting(const core::Node& initial, const NodeOptions& options,
                       core::Node& existing) {
  static const char* const kDefaultLabels[] = {
      "kubernetes.io/hostname",
      "topology.kubernetes.io/zone",
      "topology.kubernetes.io/region",
      "failure-domain.beta.kubernetes.io/zone",
      "failure-domain.beta.kubernetes.io/region",
      "node.kubernetes.io/instance-type",
      "beta.kubernetes.io/instance-type",
      kOsLabel,
      kArchLabel,
      "beta.kubernetes.io/os",
      "beta.kubernetes.io/arch",
  };
  auto& labels = *existing.mutable_metadata()->mutable_labels();
  for (const char* key : kDefaultLabels) {
    auto wanted = initial.metadata().labels().find(key);
    if (wanted == initial.metadata().labels().end()) continue;
    labels[key] = wanted->second;
    if (wanted->second.empty()) labels.erase(key);
  }
  auto& annotations = *existing.mutable_metadata()->mutable_annotations();
  annotations.erase(kAttachDetach);
  if (options.controller_attach_detach) annotations[kAttachDetach] = "true";

  auto& status = *existing.mutable_status();
  std::vector<std::string> gone;
  for (auto& [name, value] : *status.mutable_capacity()) {
    if (IsHugePages(name) && initial.status().capacity().count(name) == 0) gone.push_back(name);
    if (options.reset_extended_resources && IsExtendedResource(name)) value.set_string("0");
  }
  for (const auto& name : gone) {
    status.mutable_capacity()->erase(name);
    status.mutable_allocatable()->erase(name);
  }
}

bool NodeChanged(const core::Node& before, const core::Node& after) {
  return !SameMap(before.metadata().labels(), after.metadata().labels()) ||
         !SameMap(before.metadata().annotations(), after.metadata().annotations()) ||
         api::EncodeJson(WithoutHeartbeat(before.status())) !=
             api::EncodeJson(WithoutHeartbeat(after.status()));
}

}  // namespace kubelet::node
