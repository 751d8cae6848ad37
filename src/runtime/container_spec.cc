#include "runtime/container_spec.h"

#include "absl/strings/numbers.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/containers.h"
#include "kubelet/api/pod.h"
#include "kubelet/runtime/config.h"

namespace kubelet::runtime {
namespace {

using std::chrono::seconds;

std::string Value(const StringMap& map, const char* key) {
  auto it = map.find(key);
  return it == map.end() ? std::string() : it->second;
}

std::optional<int64_t> Number(const StringMap& map, const char* key) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(Value(map, key), &number)) return std::nullopt;
  return number;
}

}  // namespace

ContainerSpecPtr FindContainerSpec(const api::PodPtr& pod, const std::string& name) {
  for (const auto* list : {&pod->spec().containers(), &pod->spec().init_containers()}) {
    for (const auto& spec : *list) {
      if (spec.name() == name) return ContainerSpecPtr(pod, &spec);
    }
  }
  for (const auto& spec : pod->spec().ephemeral_containers()) {
    if (spec.ephemeral_container_common().name() == name) {
      return std::make_shared<const api::core::Container>(api::AsContainer(spec));
    }
  }
  return nullptr;
}

LostSpec RestoreSpec(const ContainerStatus& status) {
  auto pod = std::make_shared<api::core::Pod>();
  auto* meta = pod->mutable_metadata();
  meta->set_name(Value(status.labels, kPodNameLabel));
  meta->set_namespace_(Value(status.labels, kPodNamespaceLabel));
  meta->set_uid(Value(status.labels, kPodUidLabel));
  if (auto grace = Number(status.annotations, kPodDeletionGraceAnnotation)) {
    meta->set_deletion_grace_period_seconds(*grace);
  }
  if (auto grace = Number(status.annotations, kPodTerminationGraceAnnotation)) {
    pod->mutable_spec()->set_termination_grace_period_seconds(*grace);
  }
  auto container = std::make_shared<api::core::Container>();
  container->set_name(status.name);
  if (std::string hook = Value(status.annotations, kPreStopAnnotation); !hook.empty()) {
    auto* pre_stop = container->mutable_lifecycle()->mutable_pre_stop();
    if (!api::DecodeJson(hook, *pre_stop).ok()) container->clear_lifecycle();
  }
  if (std::string ports = Value(status.annotations, kPortsAnnotation); !ports.empty()) {
    api::core::Container only;
    if (api::DecodeJson("{\"ports\":" + ports + "}", only).ok()) *container->mutable_ports() = only.ports();
  }
  return {pod, container};
}

seconds GraceFor(const api::core::Pod& pod, const api::core::Container* container, KillReason reason) {
  if (pod.metadata().has_deletion_grace_period_seconds()) {
    return seconds(pod.metadata().deletion_grace_period_seconds());
  }
  if (!pod.spec().has_termination_grace_period_seconds()) return seconds(2);
  if (container != nullptr) {
    const auto& liveness = container->liveness_probe();
    const auto& startup = container->startup_probe();
    if (reason == KillReason::kLivenessProbe && liveness.has_termination_grace_period_seconds()) {
      return seconds(liveness.termination_grace_period_seconds());
    }
    if (reason == KillReason::kStartupProbe && startup.has_termination_grace_period_seconds()) {
      return seconds(startup.termination_grace_period_seconds());
    }
  }
  return seconds(pod.spec().termination_grace_period_seconds());
}

}  // namespace kubelet::runtime
