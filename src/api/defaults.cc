#include "kubelet/api/defaults.h"

#include <cstdint>

#include "api/defaults_image.h"
#include "api/pod_resources.h"

namespace kubelet::api {
namespace {

// A string field that is empty, or an int field that is zero, takes the default. Fields with
// presence are told apart by has_x() and not by value.
#define DEFAULT_IF_EMPTY(message, field, value) \
  if ((message).field().empty()) (message).set_##field(value)
#define DEFAULT_IF_ZERO(message, field, value) \
  if ((message).field() == 0) (message).set_##field(value)
#define DEFAULT_IF_ABSENT(message, field, value) \
  if (!(message).has_##field()) (message).set_##field(value)

constexpr int32_t kFileMode = 0644;
constexpr int64_t kTokenSeconds = 3600;
constexpr int64_t kTerminationGraceSeconds = 30;

// Kubernetes keeps no resource finer than a thousandth.
void RoundUpToMilli(ResourceMap& map) {
  for (auto& [name, message] : map) {
    Quantity quantity = Quantity::From(message);
    int64_t milli = quantity.MilliValue();
    if (milli == INT64_MAX || milli == INT64_MIN) continue;
    Quantity rounded = Quantity::FromMilli(milli);
    if (!(rounded == quantity)) message = rounded.ToMessage();
  }
}

void RequestsFromLimits(core::ResourceRequirements& resources) {
  ResourceMap& requests = *resources.mutable_requests();
  for (const auto& [name, limit] : resources.limits()) {
    if (!requests.contains(name)) requests[name] = limit;
  }
}

void DefaultHttpGet(core::HTTPGetAction& get) {
  DEFAULT_IF_EMPTY(get, path, "/");
  DEFAULT_IF_EMPTY(get, scheme, "HTTP");
}

void DefaultProbe(core::Probe& probe) {
  DEFAULT_IF_ZERO(probe, timeout_seconds, 1);
  DEFAULT_IF_ZERO(probe, period_seconds, 10);
  DEFAULT_IF_ZERO(probe, success_threshold, 1);
  DEFAULT_IF_ZERO(probe, failure_threshold, 3);
  if (!probe.has_handler()) return;
  core::ProbeHandler& handler = *probe.mutable_handler();
  if (handler.has_http_get()) DefaultHttpGet(*handler.mutable_http_get());
  if (handler.has_grpc()) DEFAULT_IF_ABSENT(*handler.mutable_grpc(), service, "");
}

void DefaultHook(core::LifecycleHandler& hook) {
  if (hook.has_http_get()) DefaultHttpGet(*hook.mutable_http_get());
}

void DefaultFieldRef(core::ObjectFieldSelector& ref) { DEFAULT_IF_EMPTY(ref, api_version, "v1"); }

void DefaultEnv(core::EnvVar& env) {
  if (!env.has_value_from()) return;
  core::EnvVarSource& from = *env.mutable_value_from();
  if (from.has_field_ref()) DefaultFieldRef(*from.mutable_field_ref());
  if (from.has_file_key_ref()) DEFAULT_IF_ABSENT(*from.mutable_file_key_ref(), optional, false);
}

// Regular, init and ephemeral containers have the same fields in two types.
template <typename Container>
void DefaultContainer(Container& container) {
  DEFAULT_IF_EMPTY(container, image_pull_policy, PullPolicyByTag(container.image()));
  DEFAULT_IF_EMPTY(container, termination_message_path, "/dev/termination-log");
  DEFAULT_IF_EMPTY(container, termination_message_policy, "File");
  for (auto& port : *container.mutable_ports()) DEFAULT_IF_EMPTY(port, protocol, "TCP");
  for (auto& env : *container.mutable_env()) DefaultEnv(env);
  if (container.has_resources()) {
    RoundUpToMilli(*container.mutable_resources()->mutable_limits());
    RoundUpToMilli(*container.mutable_resources()->mutable_requests());
  }
  if (container.has_liveness_probe()) DefaultProbe(*container.mutable_liveness_probe());
  if (container.has_readiness_probe()) DefaultProbe(*container.mutable_readiness_probe());
  if (container.has_startup_probe()) DefaultProbe(*container.mutable_startup_probe());
  if (!container.has_lifecycle()) return;
  core::Lifecycle& lifecycle = *container.mutable_lifecycle();
  if (lifecycle.has_post_start()) DefaultHook(*lifecycle.mutable_post_start());
  if (lifecycle.has_pre_stop()) DefaultHook(*lifecycle.mutable_pre_stop());
}

void DefaultDownwardItems(google::protobuf::RepeatedPtrField<core::DownwardAPIVolumeFile>& items) {
  for (auto& item : items) {
    if (item.has_field_ref()) DefaultFieldRef(*item.mutable_field_ref());
  }
}

void DefaultProjected(core::ProjectedVolumeSource& projected) {
  DEFAULT_IF_ABSENT(projected, default_mode, kFileMode);
  for (auto& source : *projected.mutable_sources()) {
    if (source.has_downward_api()) {
      DefaultDownwardItems(*source.mutable_downward_api()->mutable_items());
    }
    if (source.has_service_account_token()) {
      DEFAULT_IF_ABSENT(*source.mutable_service_account_token(), expiration_seconds, kTokenSeconds);
    }
  }
}

void DefaultClaim(core::EphemeralVolumeSource& ephemeral) {
  if (!ephemeral.has_volume_claim_template()) return;
  core::PersistentVolumeClaimSpec& spec =
      *ephemeral.mutable_volume_claim_template()->mutable_spec();
  DEFAULT_IF_ABSENT(spec, volume_mode, "Filesystem");
  if (!spec.has_resources()) return;
  RoundUpToMilli(*spec.mutable_resources()->mutable_limits());
  RoundUpToMilli(*spec.mutable_resources()->mutable_requests());
}

// Storage systems that left the tree; their manifests still decode.
void DefaultRemoteVolume(core::VolumeSource& source) {
  if (source.has_iscsi()) DEFAULT_IF_EMPTY(*source.mutable_iscsi(), iscsi_interface, "default");
  if (source.has_rbd()) {
    DEFAULT_IF_EMPTY(*source.mutable_rbd(), pool, "rbd");
    DEFAULT_IF_EMPTY(*source.mutable_rbd(), user, "admin");
    DEFAULT_IF_EMPTY(*source.mutable_rbd(), keyring, "/etc/ceph/keyring");
  }
  if (source.has_azure_disk()) {
    DEFAULT_IF_ABSENT(*source.mutable_azure_disk(), caching_mode, "ReadWrite");
    DEFAULT_IF_ABSENT(*source.mutable_azure_disk(), fs_type, "ext4");
    DEFAULT_IF_ABSENT(*source.mutable_azure_disk(), read_only, false);
    DEFAULT_IF_ABSENT(*source.mutable_azure_disk(), kind, "Shared");
  }
  if (source.has_scale_io()) {
    DEFAULT_IF_EMPTY(*source.mutable_scale_io(), storage_mode, "ThinProvisioned");
    DEFAULT_IF_EMPTY(*source.mutable_scale_io(), fs_type, "xfs");
  }
}

bool HasSource(const core::VolumeSource& source) {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  source.GetReflection()->ListFields(source, &fields);
  return !fields.empty();
}

void DefaultVolume(core::Volume& volume) {
  core::VolumeSource& source = *volume.mutable_volume_source();
  if (!HasSource(source)) source.mutable_empty_dir();
  if (source.has_image()) {
    core::ImageVolumeSource& image = *source.mutable_image();
    DEFAULT_IF_EMPTY(image, pull_policy, PullPolicyByTag(image.reference()));
  }
  if (source.has_host_path()) DEFAULT_IF_ABSENT(*source.mutable_host_path(), type, "");
  if (source.has_secret()) DEFAULT_IF_ABSENT(*source.mutable_secret(), default_mode, kFileMode);
  if (source.has_config_map()) {
    DEFAULT_IF_ABSENT(*source.mutable_config_map(), default_mode, kFileMode);
  }
  if (source.has_downward_api()) {
    DEFAULT_IF_ABSENT(*source.mutable_downward_api(), default_mode, kFileMode);
    DefaultDownwardItems(*source.mutable_downward_api()->mutable_items());
  }
  if (source.has_projected()) DefaultProjected(*source.mutable_projected());
  if (source.has_ephemeral()) DefaultClaim(*source.mutable_ephemeral());
  DefaultRemoteVolume(source);
}

// Limits of huge pages that only containers name become the pod's, unless the pod requests them
// itself.
void DefaultPodHugePageLimits(core::PodSpec& spec) {
  core::ResourceRequirements& pod = *spec.mutable_resources();
  if (pod.limits().empty() && pod.requests().empty()) return;
  for (const auto& [name, sum] : AggregateContainers(spec, ResourceSide::kLimits)) {
    if (!IsHugePages(name) || pod.requests().contains(name) || pod.limits().contains(name))
      continue;
    (*pod.mutable_limits())[name] = sum.ToMessage();
  }
}

// What the containers request together, else the pod's own limit.
void DefaultPodRequests(core::PodSpec& spec) {
  core::ResourceRequirements& pod = *spec.mutable_resources();
  if (pod.limits().empty()) return;
  ResourceMap& requests = *pod.mutable_requests();
  for (const auto& [name, sum] : AggregateContainers(spec, ResourceSide::kRequests)) {
    if (!IsPodLevelResource(name) || !IsOvercommitAllowed(name) || requests.contains(name))
      continue;
    requests[name] = sum.ToMessage();
  }
  for (const auto& [name, limit] : pod.limits()) {
    if (IsPodLevelResource(name) && !requests.contains(name)) requests[name] = limit;
  }
}

void DefaultResources(core::PodSpec& spec) {
  for (auto* containers : {spec.mutable_containers(), spec.mutable_init_containers()}) {
    for (core::Container& container : *containers) {
      if (container.has_resources()) RequestsFromLimits(*container.mutable_resources());
    }
  }
  if (!spec.has_resources()) return;
  DefaultPodHugePageLimits(spec);
  DefaultPodRequests(spec);
}

void DefaultHostPorts(core::PodSpec& spec) {
  for (auto* containers : {spec.mutable_containers(), spec.mutable_init_containers()}) {
    for (core::Container& container : *containers) {
      for (auto& port : *container.mutable_ports()) {
        DEFAULT_IF_ZERO(port, host_port, port.container_port());
      }
    }
  }
}

}  // namespace

void ApplyPodDefaults(core::Pod& pod) {
  core::PodSpec& spec = *pod.mutable_spec();
  DefaultResources(spec);
  DEFAULT_IF_ABSENT(spec, enable_service_links, true);
  if (spec.host_network()) DefaultHostPorts(spec);
  DEFAULT_IF_EMPTY(spec, dns_policy, "ClusterFirst");
  DEFAULT_IF_EMPTY(spec, restart_policy, "Always");
  if (!spec.has_security_context()) spec.mutable_security_context();
  DEFAULT_IF_ABSENT(spec, termination_grace_period_seconds, kTerminationGraceSeconds);
  DEFAULT_IF_EMPTY(spec, scheduler_name, "default-scheduler");
  for (auto& volume : *spec.mutable_volumes()) DefaultVolume(volume);
  for (auto& container : *spec.mutable_init_containers()) DefaultContainer(container);
  for (auto& container : *spec.mutable_containers()) DefaultContainer(container);
  for (auto& container : *spec.mutable_ephemeral_containers()) {
    DefaultContainer(*container.mutable_ephemeral_container_common());
  }
  RoundUpToMilli(*spec.mutable_overhead());
  if (spec.has_resources()) {
    RoundUpToMilli(*spec.mutable_resources()->mutable_limits());
    RoundUpToMilli(*spec.mutable_resources()->mutable_requests());
  }
}

}  // namespace kubelet::api
