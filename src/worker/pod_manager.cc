#include "kubelet/worker/pod_manager.h"

#include <algorithm>
#include <set>
#include <utility>

#include "kubelet/api/pod.h"
#include "kubelet/api/resources.h"
#include "kubelet/base/log.h"
#include "kubelet/runtime/actions.h"
#include "kubelet/runtime/config.h"

namespace kubelet::worker {

using runtime::ObservedPod;

namespace {

// pkg/kubelet/preemption
constexpr char kPreempting[] = "Preempting";
constexpr char kPreemptingMessage[] = "Preempted in order to admit critical pod";
constexpr char kPreemptingCondition[] = "Pod was preempted by Kubelet to accommodate a critical pod.";

}  // namespace

bool IsSameManifest(const api::core::Pod& pod, const ObservedPod& running) {
  if (pod.metadata().name() != running.name || pod.metadata().namespace_() != running.namespace_) return false;
  const runtime::Sandbox* sandbox = running.ReadySandbox();
  if (sandbox == nullptr) return false;
  auto own = sandbox->annotations.find(api::kManifestAnnotation);
  if (own != sandbox->annotations.end()) {
    const std::string manifest = api::Annotation(pod, api::kManifestAnnotation);
    if (own->second == pod.metadata().uid() || own->second == manifest) return true;
    // A uid that a manifest gives is its author's word: another one is another pod.
    if (manifest.empty() || own->second == sandbox->uid) return false;
    auto shape = sandbox->annotations.find(runtime::kShapeAnnotation);
    return shape != sandbox->annotations.end() && shape->second == api::ResizeShape(pod);
  }
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

namespace {

// The running pod is our own, made from another manifest, or from this one after it had been edited before.
bool IsEditedManifest(const api::core::Pod& pod, const runtime::StringMap& sandbox) {
  auto own = sandbox.find(api::kManifestAnnotation);
  auto hash = sandbox.find(api::kConfigHash);
  std::string manifest = api::Annotation(pod, api::kManifestAnnotation);
  if (manifest.empty()) manifest = pod.metadata().uid();
  bool before = hash != sandbox.end() && hash->second == api::Annotation(pod, api::kConfigHash);
  return own != sandbox.end() && (own->second != manifest || before);
}

}  // namespace

PodManager::PodManager(Deps deps) : deps_(std::move(deps)) {
  if (deps_.metrics == nullptr) return;
  ephemeral_ = &deps_.metrics->AddGauge("kubelet_managed_ephemeral_containers",
                                        "Current number of ephemeral containers in pods managed by this kubelet.");
  rejections_ = &deps_.metrics->AddCounter("kubelet_admission_rejections_total",
                                           "Cumulative number pod admission rejections by the Kubelet.", {"reason"});
  preemptions_ = &deps_.metrics->AddCounter(
      "kubelet_preemptions", "Cumulative number of pod preemptions by preemption resource", {"preemption_signal"});
}

podstore::Changes PodManager::OnSnapshot(const std::string& source, const std::vector<api::PodPtr>& pods,
                                         bool complete) {
  bool spoken = deps_.store.Complete(source);
  auto changes = deps_.store.Apply(source, pods, complete);
  Announce(changes, source);
  for (const auto& pod : changes.removed) deps_.workers.Stop(pod->metadata().uid(), "removed from source " + source);
  for (const auto* pods : {&changes.updated, &changes.added}) {
    for (const auto& pod : *pods) {
      if (deps_.workers.Has(pod->metadata().uid())) deps_.workers.SetWanted(pod);
    }
  }
  for (const auto& pod : changes.reconciled) deps_.workers.SetReported(pod);
  CountEphemeral();
  bool orphans = spoken != deps_.store.Complete(source);
  if (!changes.added.empty() || !changes.removed.empty() || orphans) Reconcile();
  return changes;
}

void PodManager::CountEphemeral() {
  if (ephemeral_ == nullptr) return;
  int count = 0;
  for (const auto& pod : deps_.store.All()) count += pod->spec().ephemeral_containers_size();
  ephemeral_->Only().Set(count);
}

void PodManager::Announce(const podstore::Changes& changes, const std::string& source) {
  auto log = [&](const char* what, const api::PodPtr& pod) {
    LOG_INFO(what, "pod", api::PodKey(*pod), "podUID", pod->metadata().uid(), "source", source);
  };
  for (const auto& conflict : changes.conflicts) LOG_ERROR("Pod refused", "err", conflict);
  for (const auto& pod : changes.removed) log("Pod removed", pod);
  for (const auto& pod : changes.updated) log("Pod updated", pod);
  for (const auto& pod : changes.added) {
    log("Pod added", pod);
    std::string fields;
    for (const auto& field : runtime::NotBuiltYet(*pod)) fields += (fields.empty() ? "" : ", ") + field;
    if (fields.empty() || !deps_.on_event) continue;
    runtime::PodEvent event;
    event.warning = true;
    event.reason = "NotBuiltYet";
    event.message = "the pod runs without what these fields ask for: " + fields;
    deps_.on_event(*pod, event);
  }
}

void PodManager::OnSynced() {
  synced_ = true;
  Reconcile();
}

void PodManager::OnObserved(const std::string& uid) {
  auto all = deps_.observed();
  auto seen = std::find_if(all.begin(), all.end(), [&](const auto& pod) { return pod->uid == uid; });
  if (deps_.workers.Has(uid)) {
    bool runs = seen != all.end() && ((*seen)->AnyRunning() || (*seen)->ReadySandbox() != nullptr);
    if (runs && deps_.workers.AtRest(uid)) {
      deps_.workers.StopStray(uid);
    } else {
      deps_.workers.Wake(uid);
    }
    return;
  }
  if (seen == all.end()) deps_.workers.Unreserve(uid);
  Reconcile();
}

void PodManager::OnWorkerForgotten(const std::string& uid) {
  if (auto pod = deps_.store.Get(uid)) {
    LOG_INFO("Pod is wanted again and starts anew", "pod", api::PodKey(*pod), "podUID", uid);
  }
  Reconcile();
}

void PodManager::Reconcile() {
  if (!synced_) return;
  std::vector<api::PodPtr> waiting;
  for (const auto& pod : deps_.store.All()) {
    if (!deps_.workers.Has(pod->metadata().uid())) waiting.push_back(pod);
  }
  // Adoption first: it decides who is an orphan.
  for (auto& pod : waiting) {
    if (auto adopted = MaybeAdopt(pod)) pod = adopted;
  }
  auto observed = deps_.observed();
  std::set<std::string> running;
  for (const auto& pod : observed) {
    running.insert(pod->uid);
    JudgeRunning(*pod);
  }
  // What runs comes first: of two wanted pods of one name it goes on, and the other waits for it.
  std::stable_sort(waiting.begin(), waiting.end(), [&](const auto& a, const auto& b) {
    auto rank = [&](const api::core::Pod& pod) {
      return std::make_pair(!running.contains(pod.metadata().uid()), pod.metadata().creation_timestamp().seconds());
    };
    return rank(*a) < rank(*b);
  });
  auto is_new = [&](const auto& pod) { return !running.contains(pod->metadata().uid()); };
  auto first_new = std::find_if(waiting.begin(), waiting.end(), is_new);
  std::for_each(waiting.begin(), first_new, [this](const auto& pod) { TakeOn(pod, true); });
  JudgeEarly();
  std::for_each(first_new, waiting.end(), [this](const auto& pod) { TakeOn(pod, false); });
}

// What is deleted or over needs no admission: it is not going to start.
void PodManager::TakeOn(const api::PodPtr& pod, bool admitted_before) {
  const std::string& phase = pod->status().phase();
  bool over = pod->metadata().has_deletion_timestamp() || phase == "Succeeded" || phase == "Failed";
  bool judged = !over && !admitted_before && deps_.admit;
  Judgement judgement;
  if (judged) judgement = deps_.admit(*pod);
  if (judgement.later) return;
  if (judgement.rejection) {
    Reject(pod, *judgement.rejection);
    return;
  }
  if (!over && deps_.on_admitted) deps_.on_admitted(pod);
  if (judged && !deps_.store.AllComplete()) early_.insert(pod->metadata().uid());
  for (const auto& uid : judgement.preempt) Preempt(uid, judgement.preempt_for, *pod);
  judgement.after.insert(judgement.preempt.begin(), judgement.preempt.end());
  deps_.workers.SetWanted(pod, std::move(judgement.after));
}

// Critical pods that were let in before every source had spoken may have taken the place of pods that were here
// already; those go now, as they would have gone then.
void PodManager::JudgeEarly() {
  if (!deps_.store.AllComplete()) return;
  for (const auto& uid : std::exchange(early_, {})) {
    auto pod = deps_.store.Get(uid);
    auto view = deps_.workers.View(uid);
    if (!pod || !view || view->over()) continue;
    auto judgement = deps_.admit(*pod);
    for (const auto& victim : judgement.preempt) Preempt(victim, judgement.preempt_for, *pod);
  }
}

void PodManager::Reject(const api::PodPtr& pod, const Rejection& rejection) {
  LOG_INFO("Pod admission denied", "pod", api::PodKey(*pod), "podUID", pod->metadata().uid(), "reason", rejection.reason,
           "message", rejection.message);
  if (rejections_ != nullptr) {
    rejections_->With({rejection.metric.empty() ? rejection.reason : rejection.metric}).Add();
  }
  if (deps_.on_event) {
    runtime::PodEvent event;
    event.warning = true;
    event.reason = rejection.reason;
    event.message = rejection.message;
    deps_.on_event(*pod, event);
  }
  deps_.workers.Reject(pod, rejection.reason, rejection.message);
}

void PodManager::Preempt(const std::string& uid, const std::string& resource, const api::core::Pod& preemptor) {
  auto victim = deps_.workers.View(uid);
  if (!victim || !victim->pod) return;
  LOG_INFO("Preempting pod to free up resources", "pod", api::PodKey(*victim->pod), "podUID", uid, "resource", resource,
           "requestingPod", api::PodKey(preemptor));
  if (preemptions_ != nullptr) preemptions_->With({resource}).Add();
  runtime::PodEvent event;
  event.warning = true;
  event.reason = kPreempting;
  event.message = kPreemptingMessage;
  if (deps_.on_event) deps_.on_event(*victim->pod, event);
  Verdict verdict{kPreempting, kPreemptingMessage};
  verdict.disruption = kPreemptingCondition;
  verdict.by_node = true;
  deps_.workers.End(uid, std::move(verdict));
}

void PodManager::JudgeRunning(const ObservedPod& running) {
  if (deps_.workers.Has(running.uid) || deps_.store.Wanted(running.uid)) return;
  std::string source;
  if (!running.sandboxes.empty()) {
    const auto& annotations = running.sandboxes.front().annotations;
    auto it = annotations.find(api::kConfigSource);
    if (it != annotations.end()) source = it->second;
  }
  // Pods of the API server may overlap with others of their name.
  bool exclusive = source != "api";
  if (deps_.store.Complete(source.empty() ? "api" : source)) {
    // A name it holds in reserve stays its own until it has ended.
    deps_.workers.StopUnknown(running.uid, running.name, running.namespace_, exclusive);
  } else if (exclusive) {
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
    bool resized = IsEditedManifest(*pod, running->ReadySandbox()->annotations);
    return deps_.store.Adopt(pod->metadata().uid(), running->uid, resized);
  }
  return nullptr;
}

}  // namespace kubelet::worker
