// Pods: admission, what an update may change, graceful deletion (pkg/registry/core/pod/strategy.go,
// pkg/apis/core/validation, apiserver pkg/registry/rest/delete.go of 1.36).
#include <algorithm>

#include "fakes/api_errors.h"
#include "fakes/api_strategy.h"
#include "k8s/core/v1/service.pb.h"
#include "kubelet/api/defaults.h"
#include "kubelet/api/pod.h"
#include "kubelet/api/resources.h"
#include "kubelet/api/time.h"
#include "kubelet/api/validation.h"
#include "kubelet/base/status.h"

namespace kubelet::fakes {
namespace {

namespace core = api::core;

const ApiKind& Pods() {
  static const ApiKind& kind = *FindApiKind("", "v1", "pods");
  return kind;
}

constexpr char kTokenPath[] = "/var/run/secrets/kubernetes.io/serviceaccount";

core::Volume TokenVolume(const std::string& name) {
  core::Volume volume;
  volume.set_name(name);
  auto& projected = *volume.mutable_volume_source()->mutable_projected();
  projected.set_default_mode(0644);
  auto& token = *projected.add_sources()->mutable_service_account_token();
  token.set_path("token");
  token.set_expiration_seconds(3607);
  auto& map = *projected.add_sources()->mutable_config_map();
  map.mutable_local_object_reference()->set_name("kube-root-ca.crt");
  auto& item = *map.add_items();
  item.set_key("ca.crt");
  item.set_path("ca.crt");
  auto& file = *projected.add_sources()->mutable_downward_api()->add_items();
  file.set_path("namespace");
  file.mutable_field_ref()->set_api_version("v1");
  file.mutable_field_ref()->set_field_path("metadata.namespace");
  return volume;
}

template <typename Containers>
bool MountToken(Containers& containers, const std::string& volume) {
  bool mounted = false;
  for (auto& container : containers) {
    const auto& mounts = container.volume_mounts();
    if (std::any_of(mounts.begin(), mounts.end(),
                    [](const auto& mount) { return mount.mount_path() == kTokenPath; }))
      continue;
    auto& mount = *container.add_volume_mounts();
    mount.set_name(volume);
    mount.set_read_only(true);
    mount.set_mount_path(kTokenPath);
    mounted = true;
  }
  return mounted;
}

absl::Status AdmitServiceAccount(const ApiStore& store, core::Pod& pod, const std::string& suffix) {
  auto& spec = *pod.mutable_spec();
  if (spec.service_account_name().empty()) spec.set_service_account_name("default");
  spec.set_service_account(spec.service_account_name());
  const std::string& ns = pod.metadata().namespace_();
  const ApiKind& accounts = *FindApiKind("", "v1", "serviceaccounts");
  ObjectPtr found = store.Get(accounts, ns, spec.service_account_name());
  if (found == nullptr)
    return ApiForbidden(Pods(), pod.metadata().name(),
                        "error looking up service account " + ns + "/" +
                            spec.service_account_name() + ": serviceaccount \"" +
                            spec.service_account_name() + "\" not found");
  const auto& account = static_cast<const core::ServiceAccount&>(*found);
  bool automount = spec.has_automount_service_account_token()
                       ? spec.automount_service_account_token()
                       : !account.has_automount_service_account_token() ||
                             account.automount_service_account_token();
  if (automount) {
    std::string volume = "kube-api-access-" + suffix;
    bool mounted = MountToken(*spec.mutable_containers(), volume);
    mounted = MountToken(*spec.mutable_init_containers(), volume) || mounted;
    if (mounted) *spec.add_volumes() = TokenVolume(volume);
  }
  if (spec.image_pull_secrets_size() == 0)
    *spec.mutable_image_pull_secrets() = account.image_pull_secrets();
  return absl::OkStatus();
}

absl::Status AdmitPriority(core::Pod& pod) {
  auto& spec = *pod.mutable_spec();
  int32_t priority = 0;
  if (spec.priority_class_name() == "system-node-critical") {
    priority = 2000001000;
  } else if (spec.priority_class_name() == "system-cluster-critical") {
    priority = 2000000000;
  } else if (!spec.priority_class_name().empty()) {
    return ApiForbidden(Pods(), pod.metadata().name(),
                        "no PriorityClass with name " + spec.priority_class_name() + " was found");
  }
  if (spec.has_priority() && spec.priority() != priority)
    return ApiForbidden(Pods(), pod.metadata().name(),
                        "the integer value of priority (" + std::to_string(spec.priority()) +
                            ") must not be provided in pod spec; priority admission controller "
                            "computed " +
                            std::to_string(priority) + " from the given PriorityClass name");
  spec.set_priority(priority);
  if (!spec.has_preemption_policy()) spec.set_preemption_policy("PreemptLowerPriority");
  return absl::OkStatus();
}

// Admission plugin DefaultTolerationSeconds.
void AdmitTolerations(core::Pod& pod) {
  for (const char* key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    const auto& all = pod.spec().tolerations();
    bool there = std::any_of(all.begin(), all.end(), [key](const core::Toleration& t) {
      return (t.key() == key || t.key().empty()) &&
             (t.effect() == "NoExecute" || t.effect().empty());
    });
    if (there) continue;
    auto& toleration = *pod.mutable_spec()->add_tolerations();
    toleration.set_key(key);
    toleration.set_operator_("Exists");
    toleration.set_effect("NoExecute");
    toleration.set_toleration_seconds(300);
  }
}

absl::Status ValidationError(const core::Pod& pod, const std::vector<api::FieldError>& errors) {
  if (errors.empty()) return absl::OkStatus();
  std::vector<std::string> problems;
  for (const auto& error : errors) problems.push_back(error.ToString());
  return ApiInvalid(Pods(), pod.metadata().name(), problems);
}

// The spec without what an update of the pod itself may change.
core::PodSpec FixedPart(const core::PodSpec& spec) {
  core::PodSpec fixed = spec;
  for (auto& container : *fixed.mutable_containers()) container.clear_image();
  for (auto& container : *fixed.mutable_init_containers()) container.clear_image();
  fixed.clear_active_deadline_seconds();
  fixed.clear_scheduling_gates();
  fixed.clear_tolerations();
  return fixed;
}

bool StillThere(const core::Toleration& old_one, const core::PodSpec& spec) {
  return std::any_of(spec.tolerations().begin(), spec.tolerations().end(),
                     [&](const auto& toleration) { return SameObject(toleration, old_one); });
}

absl::Status CheckSpecUpdate(const core::Pod& current, const core::Pod& next) {
  const std::string& name = current.metadata().name();
  for (const auto& toleration : current.spec().tolerations()) {
    if (!StillThere(toleration, next.spec()))
      return ApiInvalid(Pods(), name,
                        "spec.tolerations: Forbidden: existing toleration can not be modified "
                        "except its tolerationSeconds");
  }
  core::PodSpec old_spec = FixedPart(current.spec());
  core::PodSpec spec = FixedPart(next.spec());
  if (current.spec().termination_grace_period_seconds() < 0 &&
      spec.termination_grace_period_seconds() == 1)
    spec.set_termination_grace_period_seconds(old_spec.termination_grace_period_seconds());
  if (SameObject(old_spec, spec)) return absl::OkStatus();
  return ApiInvalid(Pods(), name,
                    "spec: Forbidden: pod updates may not change fields other than "
                    "`spec.containers[*].image`,`spec.initContainers[*].image`,"
                    "`spec.activeDeadlineSeconds`,`spec.terminationGracePeriodSeconds`,"
                    "`spec.tolerations` (only additions to existing tolerations)");
}

absl::Status CheckMirror(const core::Pod& current, const core::Pod& next) {
  const auto& before = current.metadata().annotations();
  const auto& after = next.metadata().annotations();
  auto old_one = before.find(api::kConfigMirror);
  auto new_one = after.find(api::kConfigMirror);
  bool was = old_one != before.end();
  bool is = new_one != after.end();
  if (was == is && (!was || old_one->second == new_one->second)) return absl::OkStatus();
  return ApiInvalid(
      Pods(), current.metadata().name(),
      std::string("metadata.annotations[") + api::kConfigMirror + "]: Forbidden: may not " +
          (was ? "remove or update mirror pod annotation" : "add mirror pod annotation"));
}

// A container that ended for good stays ended.
absl::Status CheckTransitions(const core::Pod& current, const core::Pod& next) {
  const std::string& policy = current.spec().restart_policy();
  if (policy == "Always" || policy.empty()) return absl::OkStatus();
  const auto& before = current.status().container_statuses();
  for (int i = 0; i < before.size(); ++i) {
    if (!before[i].state().has_terminated()) continue;
    if (before[i].state().terminated().exit_code() != 0 && policy == "OnFailure") continue;
    for (const auto& status : next.status().container_statuses()) {
      if (status.name() == before[i].name() && !status.state().has_terminated())
        return ApiInvalid(
            Pods(), current.metadata().name(),
            "status.containerStatuses[" + std::to_string(i) +
                "].state: Forbidden: may not be transitioned to non-terminated state");
    }
  }
  return absl::OkStatus();
}

absl::Status PreparePodStatus(const core::Pod& current, core::Pod& next) {
  *next.mutable_spec() = current.spec();
  *next.mutable_metadata()->mutable_owner_references() = current.metadata().owner_references();
  if (next.status().qos_class().empty())
    next.mutable_status()->set_qos_class(current.status().qos_class());
  if (next.status().qos_class() != current.status().qos_class())
    return ApiInvalid(Pods(), current.metadata().name(),
                      "status.qosClass: Invalid value: \"" + next.status().qos_class() +
                          "\": field is immutable");
  return CheckTransitions(current, next);
}

template <typename Containers>
void TakeResources(const Containers& wanted, Containers& containers) {
  for (auto& container : containers)
    for (const auto& change : wanted)
      if (change.name() == container.name()) *container.mutable_resources() = change.resources();
}

// ValidatePodResize, as far as a kubelet can tell.
absl::Status PreparePodResize(const core::Pod& current, core::Pod& next) {
  const std::string& name = current.metadata().name();
  if (api::IsMirror(current))
    return ApiInvalid(Pods(), name, "Forbidden: static pods cannot be resized");
  core::PodSpec wanted = next.spec();
  *next.mutable_spec() = current.spec();
  TakeResources(wanted.containers(), *next.mutable_spec()->mutable_containers());
  TakeResources(wanted.init_containers(), *next.mutable_spec()->mutable_init_containers());
  if (wanted.has_resources()) *next.mutable_spec()->mutable_resources() = wanted.resources();
  std::string problem = api::ResizeProblem(current, next);
  return problem.empty() ? absl::OkStatus() : ApiInvalid(Pods(), name, "spec: " + problem);
}

}  // namespace

absl::Status PreparePodCreate(const ApiStore& store, core::Pod& pod, const std::string& suffix) {
  api::ApplyPodDefaults(pod);
  pod.mutable_metadata()->set_generation(1);
  if (!api::IsMirror(pod)) {
    RETURN_IF_ERROR(AdmitServiceAccount(store, pod, suffix));
  } else if (!pod.spec().service_account_name().empty()) {
    return ApiForbidden(Pods(), pod.metadata().name(),
                        "a mirror pod may not reference service accounts");
  }
  RETURN_IF_ERROR(AdmitPriority(pod));
  AdmitTolerations(pod);
  auto& status = *pod.mutable_status();
  status.Clear();
  status.set_phase("Pending");
  status.set_qos_class(api::QosName(api::ComputeQos(pod)));
  return ValidationError(pod, api::ValidatePodCreate(pod));
}

absl::Status PreparePodUpdate(const std::string& subresource, const core::Pod& current,
                              core::Pod& next) {
  RETURN_IF_ERROR(CheckMirror(current, next));
  if (subresource == "status") return PreparePodStatus(current, next);
  CopyField(current, next, "status");
  if (subresource == "ephemeralcontainers") {
    auto wanted = next.spec().ephemeral_containers();
    *next.mutable_spec() = current.spec();
    *next.mutable_spec()->mutable_ephemeral_containers() = wanted;
    api::ApplyPodDefaults(next);
  } else if (subresource == "resize") {
    RETURN_IF_ERROR(PreparePodResize(current, next));
  } else {
    api::ApplyPodDefaults(next);
    RETURN_IF_ERROR(CheckSpecUpdate(current, next));
  }
  if (!SameObject(current.spec(), next.spec()))
    next.mutable_metadata()->set_generation(current.metadata().generation() + 1);
  return absl::OkStatus();
}

PodDeletion BeginPodDeletion(base::WallTime now, std::optional<int64_t> grace, core::Pod& pod) {
  auto& meta = *pod.mutable_metadata();
  if (grace && *grace < 0) grace = 1;
  if (meta.has_deletion_timestamp()) {
    int64_t had = meta.deletion_grace_period_seconds();
    if (had == 0) return PodDeletion::kNow;
    if (!grace || *grace >= had) return PodDeletion::kPending;
    // The time may only move back, and not into the past.
    api::meta::Time when = meta.deletion_timestamp();
    when.set_seconds(when.seconds() - had + *grace);
    api::meta::Time today = api::ToTime(now);
    int64_t period = *grace;
    if (when.seconds() < today.seconds()) {
      when = today;
      if (period != 0) period = 1;
    }
    *meta.mutable_deletion_timestamp() = when;
    meta.set_deletion_grace_period_seconds(period);
    return period == 0 ? PodDeletion::kNow : PodDeletion::kGraceful;
  }
  int64_t period = grace.value_or(pod.spec().termination_grace_period_seconds());
  const std::string& phase = pod.status().phase();
  if (pod.spec().node_name().empty() || phase == "Failed" || phase == "Succeeded") period = 0;
  if (period < 0) period = 1;
  *meta.mutable_deletion_timestamp() = api::ToTime(now + std::chrono::seconds(period));
  meta.set_deletion_grace_period_seconds(period);
  if (meta.generation() > 0) meta.set_generation(meta.generation() + 1);
  return period == 0 ? PodDeletion::kNow : PodDeletion::kGraceful;
}

}  // namespace kubelet::fakes
