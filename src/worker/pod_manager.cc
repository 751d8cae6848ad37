#include "kubelet/worker/pod_manager.h"

#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/runtime/actions.h"
#include "kubelet/runtime/config.h"

namespace kubelet::worker {

using runtime::ObservedPod;

bool IsSameManifest(const api::core::Pod& pod, const ObservedPod& running) {
  if (pod.metadata().name() != running.name || pod.metadata().namespace_() != running.namespace_) return false;
  const runtime::Sandbox* sandbox = running.ReadySandbox();
  if (sandbox == nullptr) return false;
  auto own = sandbox->annotations.find(podstore::kManifestAnnotation);
  if (own != sandbox->annotations.end()) return own->second == pod.metadata().uid();
  auto source = sandbox->annotations.find(api::kConfigSource);
  if (source == sandbox->annotations.end() || source->second != api::Annotation(pod, api::kConfigSource)) return false;
  for (const auto& container : pod.spec().containers()) {
    const runtime::ContainerStatus* status = running.Newest(container.name());
    if (status == nullptr || runtime::DefinitionChanged(container, *status)) return false;
  }
  return std::all_of(running.containers.begin(), running.containers.end(), [&](const auto& status) {
    auto named = [&](const auto& c) { return c.name() == status.name; };
    return std::any_of(pod.spec().containers().begin(), pod.spec().containers().end(), named) ||
           std::any_of(pod.spec().init_containers().begin(), pod.spec().init_containers().end(), named);
  });
}

void PodManager::OnSnapshot(const std::string& source, const std::vector<api::PodPtr>& pods, bool complete) {
  auto changes = deps_.store.Apply(source, pods, complete);
  for (const auto& conflict : changes.conflicts) LOG_ERROR("Pod refused", "err", conflict);
  for (const auto& pod : changes.removed) {
    LOG_INFO("Pod removed", "pod", api::PodKey(*pod), "podUID", pod->metadata().uid(), "source", source);
    deps_.workers.Stop(pod->metadata().uid(), "removed from source " + source);
  }
  for (const auto& pod : changes.added) {
    LOG_INFO("Pod added", "pod", api::PodKey(*pod), "podUID", pod->metadata().uid(), "source", source);
    std::string fields;
    for (const auto& field : runtime::NotBuiltYet(*pod)) fields += (fields.empty() ? "" : ", ") + field;
    if (fields.empty() || !deps_.on_event) continue;
    runtime::PodEvent event;
    event.warning = true;
    event.reason = "NotBuiltYet";
    event.message = "the pod runs without what these fields ask for: " + fields;
    deps_.on_event(*pod, event);
  }
  for (const auto& pod : changes.updated) {
    LOG_INFO("Pod updated", "pod", api::PodKey(*pod), "podUID", pod->metadata().uid(), "source", source);
    if (synced_) deps_.workers.SetWanted(pod);
  }
  Reconcile();
}

void PodManager::OnSynced() {
  synced_ = true;
  Reconcile();
}

void PodManager::OnObserved(const std::string& uid) {
  if (deps_.workers.Has(uid)) {
    deps_.workers.Wake(uid);
    return;
  }
  auto all = deps_.observed();
  if (std::none_of(all.begin(), all.end(), [&](const auto& pod) { return pod->uid == uid; })) {
    deps_.workers.Unreserve(uid);
  }
  Reconcile();
}

void PodManager::OnWorkerFinished(const std::string& uid) {
  if (deps_.store.Wanted(uid)) LOG_INFO("Pod is wanted again and starts anew", "podUID", uid);
  Reconcile();
}

void PodManager::Reconcile() {
  if (!synced_) return;
  // Adoption first: it decides who is an orphan.
  for (const auto& pod : deps_.store.All()) {
    if (!deps_.workers.Has(pod->metadata().uid())) MaybeAdopt(pod);
  }
  for (const auto& running : deps_.observed()) JudgeRunning(*running);
  // What runs comes first: of two wanted pods of one name it goes on, and the other waits for it.
  for (const auto& running : deps_.observed()) {
    auto pod = deps_.store.Get(running->uid);
    if (pod && !deps_.workers.Has(running->uid)) deps_.workers.SetWanted(pod);
  }
  for (const auto& pod : deps_.store.All()) {
    if (!deps_.workers.Has(pod->metadata().uid())) deps_.workers.SetWanted(pod);
  }
}

void PodManager::JudgeRunning(const ObservedPod& running) {
  if (deps_.workers.Has(running.uid) || deps_.store.Wanted(running.uid)) return;
  std::string source = "api";
  if (!running.sandboxes.empty()) {
    const auto& annotations = running.sandboxes.front().annotations;
    auto it = annotations.find(api::kConfigSource);
    if (it != annotations.end()) source = it->second;
  }
  if (deps_.store.Complete(source)) {
    // A name it holds in reserve stays its own until it has ended.
    deps_.workers.StopUnknown(running.uid, running.name, running.namespace_);
  } else {
    deps_.workers.Reserve(running.uid, running.name + "_" + running.namespace_);
  }
}

api::PodPtr PodManager::MaybeAdopt(const api::PodPtr& pod) {
  if (!api::IsStatic(*pod)) return nullptr;
  for (const auto& running : deps_.observed()) {
    if (running->uid == pod->metadata().uid()) return nullptr;
    if (deps_.store.Wanted(running->uid) || deps_.workers.Has(running->uid)) continue;
    if (!IsSameManifest(*pod, *running)) continue;
    LOG_INFO("Adopting running static pod under its own uid", "pod", api::PodKey(*pod), "podUID", running->uid,
             "manifestUID", pod->metadata().uid());
    return deps_.store.Adopt(pod->metadata().uid(), running->uid);
  }
  return nullptr;
}

}  // namespace kubelet::worker
