// Pleg: what is known of one pod, and the asking for it.
#include <algorithm>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/pleg/pleg.h"
#include "kubelet/runtime/config.h"

namespace kubelet::pleg {

using base::MonoTime;
using base::Task;
using runtime::ObservedPod;
using runtime::ObservedPodPtr;

namespace {

template <typename T>
bool Newer(const T& a, const T& b) {
  return a.attempt != b.attempt ? a.attempt > b.attempt : a.created_at > b.created_at;
}

// What the rest of the kubelet reacts to.
bool SameForReaders(const ObservedPod& a, const ObservedPod& b) {
  auto same_sandbox = [](const runtime::Sandbox& x, const runtime::Sandbox& y) {
    return x.id == y.id && x.state == y.state;
  };
  auto same_container = [](const runtime::ContainerStatus& x, const runtime::ContainerStatus& y) {
    return x.id == y.id && x.state == y.state && x.exit_code == y.exit_code && x.reason == y.reason;
  };
  return a.ips == b.ips &&
         std::equal(a.sandboxes.begin(), a.sandboxes.end(), b.sandboxes.begin(), b.sandboxes.end(), same_sandbox) &&
         std::equal(a.containers.begin(), a.containers.end(), b.containers.begin(), b.containers.end(),
                    same_container);
}

}  // namespace

ObservedPodPtr Pleg::Provisional(const std::string& uid, const Lists& lists, MonoTime asked) {
  auto pod = std::make_shared<ObservedPod>();
  pod->uid = uid;
  pod->provisional = true;
  pod->observed_at = asked;
  pod->sandboxes = lists.sandboxes;
  std::sort(pod->sandboxes.begin(), pod->sandboxes.end(), Newer<runtime::Sandbox>);
  for (const auto& container : lists.containers) {
    runtime::ContainerStatus status;
    status.id = container.id;
    status.name = container.name;
    status.attempt = container.attempt;
    status.state = container.state;
    status.created_at = container.created_at;
    status.labels = container.labels;
    status.annotations = container.annotations;
    pod->sandbox_of[container.id] = container.sandbox_id;
    pod->containers.push_back(std::move(status));
  }
  std::sort(pod->containers.begin(), pod->containers.end(), Newer<runtime::ContainerStatus>);
  if (!pod->sandboxes.empty()) {
    pod->name = pod->sandboxes.front().name;
    pod->namespace_ = pod->sandboxes.front().namespace_;
  } else if (!pod->containers.empty()) {
    pod->name = pod->containers.front().labels[runtime::kPodNameLabel];
    pod->namespace_ = pod->containers.front().labels[runtime::kPodNamespaceLabel];
  }
  return pod;
}

Task<void> Pleg::InspectWhileDirty(std::string uid) {
  while (pods_[uid].dirty && !pods_[uid].held) {
    auto permit = std::make_shared<base::Semaphore::Permit>(co_await inspections_.Acquire());
    // An inspection that hangs waits on its own, not in the others' way.
    auto timer = deps_.clock.After(options_.slow_inspect, [weak = std::weak_ptr(permit)] {
      if (auto held = weak.lock()) held->Release();
    });
    auto result = co_await TimedInspect(uid);
    deps_.clock.Cancel(timer);
    permit->Release();
    if (result.ok()) continue;
    pods_[uid].dirty = true;
    if (pods_[uid].held) continue;
    inspected_.Notify();
    co_await base::SleepFor(deps_.clock, options_.relist_period);
  }
  pods_[uid].inspecting = false;
  inspected_.Notify();
  ForgetIfGone(uid);
}

Task<absl::StatusOr<ObservedPodPtr>> Pleg::Refresh(std::string uid) {
  auto result = co_await TimedInspect(uid);
  // What was not learnt is still to be learnt, also when nobody asks again.
  if (!result.ok()) MarkDirty(uid);
  co_return result;
}

Task<absl::StatusOr<ObservedPodPtr>> Pleg::TimedInspect(std::string uid) {
  MonoTime asked = deps_.clock.Mono();
  auto result = co_await Inspect(std::move(uid));
  std::chrono::duration<double> took = deps_.clock.Mono() - asked;
  if (pod_seconds_ != nullptr) pod_seconds_->Observe(took.count());
  co_return result;
}

Task<absl::StatusOr<ObservedPodPtr>> Pleg::Inspect(std::string uid) {
  MonoTime asked = deps_.clock.Mono();
  EntryOf(uid).dirty = false;
  pods_[uid].asked = asked;
  const uint64_t distrusted = pods_[uid].distrusted;
  auto fail = [&](const absl::Status& status) {
    pods_[uid].error = "cannot inspect: " + base::Message(status);
    LOG_ERROR("Cannot inspect pod", "podUID", uid, "err", status);
    return status;
  };
  auto sandboxes = co_await deps_.runtime.ListPodSandbox(uid);
  if (!sandboxes.ok()) co_return fail(sandboxes.status());
  auto containers = co_await deps_.runtime.ListContainers(uid);
  if (!containers.ok()) co_return fail(containers.status());

  auto pod = std::make_shared<ObservedPod>();
  pod->uid = uid;
  pod->observed_at = asked;
  pod->sandboxes = std::move(*sandboxes);
  std::sort(pod->sandboxes.begin(), pod->sandboxes.end(), Newer<runtime::Sandbox>);
  ObservedPodPtr known = pods_[uid].provisional ? nullptr : Get(uid);
  if (!pod->sandboxes.empty()) {
    pod->name = pod->sandboxes.front().name;
    pod->namespace_ = pod->sandboxes.front().namespace_;
  } else if (!containers->empty()) {
    pod->name = containers->front().labels[runtime::kPodNameLabel];
    pod->namespace_ = containers->front().labels[runtime::kPodNamespaceLabel];
  }
  if (const runtime::Sandbox* ready = pod->ReadySandbox(); ready != nullptr) {
    const runtime::Sandbox* before = known ? known->ReadySandbox() : nullptr;
    if (before != nullptr && before->id == ready->id &&
        (known->network == runtime::NamespaceMode::kNode || !known->ips.empty())) {
      pod->ips = known->ips;
      pod->network = known->network;
    } else {
      auto status = co_await deps_.runtime.PodSandboxStatus(ready->id);
      if (status.ok()) {
        if (!status->ip.empty()) pod->ips.push_back(status->ip);
        pod->ips.insert(pod->ips.end(), status->additional_ips.begin(), status->additional_ips.end());
        pod->network = status->network;
      } else if (!absl::IsNotFound(status.status())) {
        co_return fail(status.status());
      }
    }
  }
  for (const auto& container : *containers) {
    pod->sandbox_of[container.id] = container.sandbox_id;
    const runtime::ContainerStatus* before = nullptr;
    if (known) {
      for (const auto& c : known->containers) {
        if (c.id == container.id && c.state == container.state) before = &c;
      }
    }
    bool anew = distrusted != pods_[uid].trusted && container.state == runtime::ContainerState::kRunning;
    if (anew) before = nullptr;
    if (before != nullptr) {
      pod->containers.push_back(*before);
      continue;
    }
    auto status = co_await deps_.runtime.GetContainerStatus(container.id);
    if (status.ok()) {
      pod->containers.push_back(std::move(*status));
    } else if (!absl::IsNotFound(status.status())) {
      co_return fail(status.status());
    }
  }
  std::sort(pod->containers.begin(), pod->containers.end(), Newer<runtime::ContainerStatus>);
  pods_[uid].error.clear();
  pods_[uid].trusted = distrusted;
  ObservedPodPtr result = pod;
  Publish(uid, result);
  co_return result;
}

void Pleg::Publish(const std::string& uid, ObservedPodPtr pod) {
  auto& entry = pods_[uid];
  if (entry.pod && entry.pod->observed_at > pod->observed_at) return;
  bool gone = pod->sandboxes.empty() && pod->containers.empty();
  bool changed = entry.pod ? entry.provisional || !SameForReaders(*entry.pod, *pod) : !gone;
  entry.pod = gone ? nullptr : pod;
  entry.provisional = false;
  ForgetIfGone(uid);
  if (!changed || !synced_ || !deps_.on_change) return;
  // This very answer makes the pod known to those who are told.
  bool inspecting = std::exchange(pods_[uid].inspecting, false);
  ForgetIfGone(uid);
  deps_.on_change(uid);
  if (inspecting) pods_[uid].inspecting = true;
}

}  // namespace kubelet::pleg
