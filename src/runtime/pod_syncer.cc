#include "kubelet/runtime/pod_syncer.h"

#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "runtime/image_volumes.h"
#include "runtime/container_stopper.h"
#include "runtime/sync_pass.h"

namespace kubelet::runtime {

using base::Message;
using base::MonoTime;
using base::Nanos;
using base::Task;

namespace {

// Events about a pod wait while its worker acts, also when the worker is cancelled in between.
struct Held {
  Held(PodObserver& o, std::string u) : observer(o), uid(std::move(u)) { observer.Hold(uid, true); }
  ~Held() { observer.Hold(uid, false); }
  PodObserver& observer;
  std::string uid;
};

// `new sandbox, kill a, start b c: no sandbox is ready`
std::string TextOf(const PodActions& actions) {
  std::string out;
  auto names = [&out](const char* verb, const auto& list, auto name) {
    if (list.empty()) return;
    out += out.empty() ? verb : std::string(", ") + verb;
    for (const auto& item : list) out += " " + name(item);
  };
  if (actions.terminal) out = "over";
  if (actions.kill_pod) out = "kill everything";
  if (actions.create_sandbox) out += out.empty() ? "new sandbox" : ", new sandbox";
  names("remove", actions.reset, [](const ContainerToReset& c) { return c.name; });
  names("kill", actions.kill, [](const ContainerToKill& c) { return c.name; });
  names("start", actions.start, [](const ContainerToStart& c) { return c.spec->name(); });
  if (out.empty()) return "nothing";
  return actions.reason.empty() ? out : out + ": " + actions.reason;
}

}  // namespace

PodSyncer::PodSyncer(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(options),
      crash_backoff_(options.backoff_initial, options.backoff_max),
      retry_backoff_(options.retry_initial, options.retry_max),
      starts_(deps_.executor, deps_.clock, options.start_parallelism) {
  image_volumes_ = std::make_unique<ImageVolumes>(deps_.images, deps_.on_event, deps_.metrics);
  HookRunner::Deps hook_deps{deps_.clock, deps_.runtime, deps_.hook_http, deps_.node, deps_.on_event, deps_.metrics};
  hooks_ = std::make_unique<HookRunner>(std::move(hook_deps));
  ContainerStopper::Deps stop_deps{deps_.executor, deps_.clock, deps_.runtime, *hooks_, deps_.on_event};
  stopper_ = std::make_unique<ContainerStopper>(std::move(stop_deps));
  if (deps_.actuations != nullptr) {
    Resizer::Deps resize{deps_.runtime, deps_.cgroups, *deps_.actuations, deps_.node, deps_.clock, deps_.metrics,
                          deps_.pinning};
    resizer_ = std::make_unique<Resizer>(std::move(resize), deps_.resize);
  }
  if (deps_.metrics == nullptr) return;
  auto& m = *deps_.metrics;
  started_pods_ = &m.AddCounter("kubelet_started_pods_total", "Cumulative number of pods started");
  started_pods_errors_ =
      &m.AddCounter("kubelet_started_pods_errors_total", "Cumulative number of errors when starting pods");
  started_user_pods_ = &m.AddCounter("kubelet_started_user_namespaced_pods_total",
                                     "Cumulative number of pods with user namespaces started");
  started_user_pods_errors_ = &m.AddCounter("kubelet_started_user_namespaced_pods_errors_total",
                                            "Cumulative number of errors when starting pods with user namespaces");
  started_containers_ = &m.AddCounter("kubelet_started_containers_total", "Cumulative number of containers started",
                                      {"container_type"});
  started_containers_errors_ = &m.AddCounter("kubelet_started_containers_errors_total",
                                             "Cumulative number of errors when starting containers",
                                             {"code", "container_type"});
  restarts_ = &m.AddCounter("kubelet_container_restarts_total", "Containers started again after an exit");
  run_sandbox_seconds_ = &m.AddHistogram("kubelet_run_podsandbox_duration_seconds",
                                         "Duration in seconds of the run_podsandbox operations.",
                                         base::DefaultBuckets(), {"runtime_handler"});
  run_sandbox_errors_ =
      &m.AddCounter("kubelet_run_podsandbox_errors_total",
                    "Cumulative number of the run_podsandbox operation errors.", {"runtime_handler"});
}

PodSyncer::~PodSyncer() = default;

void PodSyncer::Step(Progress& progress, std::string text) {
  if (progress.step == text) return;
  progress.step = std::move(text);
  progress.since = deps_.clock.Now();
  LOG_V(2, "Step", "pod", progress.pod, "step", progress.step);
}

void PodSyncer::Event(const api::core::Pod& pod, bool warning, std::string reason, std::string message,
                      std::string container) {
  if (!deps_.on_event) return;
  PodEvent event;
  event.warning = warning;
  event.reason = std::move(reason);
  event.message = std::move(message);
  event.container = std::move(container);
  deps_.on_event(pod, event);
}

void PodSyncer::Fail(Pass& pass, absl::Status status, const std::string& what) {
  Nanos delay = retry_backoff_.Next(pass.pod->metadata().uid(), deps_.clock.Mono());
  pass.result.status = base::Annotate(status, what);
  pass.result.retry_at = deps_.clock.Mono() + delay;
  pass.stop = true;
  LOG_ERROR("Cannot sync pod; will retry", "pod", api::PodKey(*pass.pod), "podUID", pass.pod->metadata().uid(),
            "after", base::GoDuration(delay), "err", pass.result.status);
}

Task<absl::StatusOr<ObservedPodPtr>> PodSyncer::Look(std::string uid) {
  if (deps_.observer.Known(uid)) {
    auto known = deps_.observer.Get(uid);
    if (known) co_return known;
    auto nothing = std::make_shared<ObservedPod>();
    nothing->uid = uid;
    co_return ObservedPodPtr(nothing);
  }
  co_return co_await deps_.observer.Refresh(uid);
}

Task<SyncResult> PodSyncer::Sync(api::PodPtr pod, std::shared_ptr<Progress> progress, std::function<bool()> wanted) {
  Pass pass;
  pass.pod = pod;
  pass.progress = progress;
  pass.wanted = std::move(wanted);
  const std::string uid = pod->metadata().uid();
  auto observed = co_await Look(uid);
  if (!observed.ok()) {
    Fail(pass, observed.status(), "cannot ask the runtime about the pod");
    co_return pass.result;
  }
  pass.observed = *observed;
  Held held(deps_.observer, uid);
  PodActions actions = ComputePodActions(*pod, *pass.observed, Know(*pod, *pass.observed));
  LOG_V(4, "Pod was compared with the runtime", "pod", progress->pod, "wants", TextOf(actions));
  if (actions.terminal) {
    // Whoever ends the pod stops what is left of it, with a grace period that can still become shorter.
    retry_backoff_.Reset(uid);
    Step(*progress, "ended: " + actions.reason);
    pass.result.terminal = true;
    co_return pass.result;
  }
  if (actions.kill_pod) {
    // What is stopped here only to go on in a new sandbox has not ended by itself, whatever its exit code.
    if (actions.create_sandbox) MarkStopped(*pass.observed);
    Step(*progress, "stopping its old containers: " + actions.reason);
    auto killed = co_await StopAll(pass.observed, pod, GraceFor(*pod, nullptr, KillReason::kOther));
    if (!killed.ok()) Fail(pass, killed, "cannot stop the old containers");
    pass.acted = true;
  }
  if (!pass.Done() && actions.create_sandbox) {
    co_await StartSandbox(pass, actions);
    if (!pass.Done()) {
      actions = ComputePodActions(*pod, *pass.observed, Know(*pod, *pass.observed));
      // Made and unusable all the same (no IP): another one at once would be no better.
      if (actions.create_sandbox) {
        Fail(pass, absl::UnavailableError(actions.reason), "the new sandbox");
        blocked_[uid + "/"] = {*pass.result.retry_at, pass.result.status, {}};
      }
    }
  }
  if (!pass.Done() && !actions.reset.empty()) co_await ResetContainers(pass, actions.reset);
  if (!pass.Done() && !actions.kill.empty()) co_await KillContainers(pass, actions.kill);
  if (!pass.Done() && actions.reset.empty()) co_await ResizeInPlace(pass, actions);
  if (!pass.Done() && !actions.start.empty()) co_await StartContainers(pass, actions);
  if (pass.held) pass.held->Release();
  if (pass.acted) {
    auto after = co_await deps_.observer.Refresh(uid);
    if (after.ok()) {
      co_await RemoveDead(*after);
      ForgetStopped(**after);
      if (!pass.Done() && !pass.result.retry_at && !ComputePodActions(*pod, **after, Know(*pod, **after)).Nothing()) {
        pass.result.retry_at = deps_.clock.Mono();
      }
    }
  }
  if (pass.result.status.ok()) {
    retry_backoff_.Reset(uid);
    if (pass.result.waiting.empty()) Step(*progress, "running");
  } else if (pass.started_own_users && started_user_pods_errors_ != nullptr) {
    // Runtimes often notice only when they make a container that they cannot map its users.
    started_user_pods_errors_->Only().Add();
  }
  co_return pass.result;
}

const PodSyncer::Blocked* PodSyncer::BlockedNow(const std::string& key) const {
  auto it = blocked_.find(key);
  return it != blocked_.end() && deps_.clock.Mono() < it->second.until ? &it->second : nullptr;
}

void PodSyncer::MarkStopped(const ObservedPod& observed) {
  for (const auto& container : observed.containers) {
    if (container.state == ContainerState::kRunning) stopped_[observed.uid][container.id] = StoppedFor::kRestart;
  }
}

void PodSyncer::ForgetStopped(const ObservedPod& observed) {
  auto it = stopped_.find(observed.uid);
  if (it == stopped_.end()) return;
  std::erase_if(it->second, [&](const auto& entry) { return !observed.sandbox_of.contains(entry.first); });
  if (it->second.empty()) stopped_.erase(it);
}

Knowledge PodSyncer::Know(const api::core::Pod& pod, const ObservedPod& observed) const {
  Knowledge known;
  auto stopped = stopped_.find(observed.uid);
  if (stopped != stopped_.end()) known.stopped = stopped->second;
  if (resizer_) known.resized = resizer_->Compute(pod, observed).restart;
  if (deps_.health == nullptr) return known;
  for (const auto* specs : {&pod.spec().containers(), &pod.spec().init_containers()}) {
    for (const auto& spec : *specs) {
      const ContainerStatus* status = observed.Newest(spec.name());
      if (status == nullptr || status->state != ContainerState::kRunning) continue;
      known.health[status->id] = deps_.health->Of(pod, spec, *status);
    }
  }
  return known;
}

// A start that hangs (network plugin, image unpacking) gives its place to others after a while.
Task<void> PodSyncer::TakeTurn(Pass& pass) {
  Step(*pass.progress, "waiting for its turn to start");
  auto permit = co_await starts_.Acquire();
  pass.held = std::make_shared<base::Semaphore::Permit>(std::move(permit));
  deps_.clock.After(options_.slow_start, [weak = std::weak_ptr(pass.held)] {
    if (auto held = weak.lock()) held->Release();
  });
}

Task<void> PodSyncer::StartSandbox(Pass& pass, const PodActions& actions) {
  const auto& pod = pass.pod;
  const std::string uid = pod->metadata().uid();
  if (const Blocked* blocked = BlockedNow(uid + "/")) {
    pass.result.status = blocked->status;
    pass.result.retry_at = blocked->until;
    pass.stop = true;
    co_return;
  }
  if (!pod->spec().host_network() && deps_.network_ready && !deps_.network_ready()) {
    Event(*pod, true, "NetworkNotReady", "network is not ready: container runtime network not ready");
    pass.result.status = absl::FailedPreconditionError("network is not ready: container runtime network not ready");
    pass.result.retry_at = deps_.clock.Mono() + std::chrono::seconds(1);
    Step(*pass.progress, "waiting for the runtime's network");
    pass.stop = true;
    co_return;
  }
  co_await TakeTurn(pass);
  if (pass.Done()) co_return;
  bool ready = co_await Prepare(pass);
  if (!ready) co_return;
  auto config = SandboxFor(pass, actions.sandbox_attempt);
  if (!config.ok()) {
    Event(*pod, true, "FailedCreatePodSandBox", "Failed to create pod sandbox: " + Message(config.status()));
    Fail(pass, config.status(), "sandbox");
    co_return;
  }
  pass.sandbox = *config;
  TellDnsTroubles(*pod);
  if (actions.sandbox_attempt > 0) {
    Event(*pod, false, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
  }
  Step(*pass.progress, "creating its sandbox (attempt " + std::to_string(actions.sandbox_attempt) + ")");
  MonoTime started = deps_.clock.Mono();
  bool own_users = pass.user_namespace.mode == NamespaceMode::kPod;
  if (started_pods_ != nullptr) started_pods_->Only().Add();
  if (started_user_pods_ != nullptr && own_users) started_user_pods_->Only().Add();
  pass.started_own_users = own_users;
  auto id = co_await deps_.runtime.RunPodSandbox(pass.sandbox);
  pass.acted = true;
  if (run_sandbox_seconds_ != nullptr) {
    run_sandbox_seconds_->With({pass.runtime_handler}).Observe(std::chrono::duration<double>(deps_.clock.Mono() - started).count());
  }
  if (!id.ok()) {
    if (run_sandbox_errors_ != nullptr) run_sandbox_errors_->With({pass.runtime_handler}).Add();
    if (started_pods_errors_ != nullptr) started_pods_errors_->Only().Add();
    Event(*pod, true, "FailedCreatePodSandBox", "Failed to create pod sandbox: " + Message(id.status()));
    Fail(pass, id.status(), "cannot create the sandbox");
    blocked_[uid + "/"] = {*pass.result.retry_at, pass.result.status, {}};
    co_return;
  }
  auto observed = co_await deps_.observer.Refresh(uid);
  if (!observed.ok()) {
    Fail(pass, observed.status(), "cannot ask the runtime about the new sandbox");
    co_return;
  }
  pass.observed = *observed;
}

}  // namespace kubelet::runtime
