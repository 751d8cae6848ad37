#include "kubelet/probe/probe_manager.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <random>

#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "probe/worker.h"

namespace kubelet::probe {

using std::chrono::seconds;

namespace {

constexpr ProbeType kTypes[] = {ProbeType::kStartup, ProbeType::kReadiness, ProbeType::kLiveness};
bool AnyProbe(const api::core::Container& c) {
  return c.has_startup_probe() || c.has_readiness_probe() || c.has_liveness_probe();
}

// Of regular containers and sidecars.
template <typename F>
void ForEachProbed(const api::core::Pod& pod, F f) {
  for (const auto& c : pod.spec().containers()) {
    if (AnyProbe(c)) f(c);
  }
  for (const auto& c : pod.spec().init_containers()) {
    if (AnyProbe(c) && api::IsRestartableInit(c)) f(c);
  }
}

std::function<double()> OwnRandom() {
  auto engine = std::make_shared<std::minstd_rand>(std::random_device{}());
  return [engine] { return std::uniform_real_distribution<double>(0, 1)(*engine); };
}

}  // namespace

ProbeManager::ProbeManager(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(options),
      begun_(deps_.clock.Now()),
      begun_mono_(deps_.clock.Mono()),
      self_(std::make_shared<ProbeManager*>(this)),
      scope_(deps_.executor) {
  if (!deps_.random) deps_.random = OwnRandom();
  if (deps_.metrics != nullptr) metrics_ = std::make_unique<Metrics>(*deps_.metrics);
}

ProbeManager::~ProbeManager() {
  for (auto& [uid, entry] : pods_) {
    for (auto& [name, container] : entry->containers) Halt(container, true);
  }
}

size_t ProbeManager::workers() const {
  size_t n = 0;
  for (const auto& [uid, entry] : pods_) {
    for (const auto& [name, c] : entry->containers) {
      n += static_cast<size_t>(std::count_if(c.workers.begin(), c.workers.end(),
                                             [](const auto& w) { return w != nullptr; }));
    }
  }
  return n;
}

ProbeManager::Container* ProbeManager::FindContainer(const std::string& uid,
                                                     const std::string& name) {
  auto pod = pods_.find(uid);
  if (pod == pods_.end()) return nullptr;
  auto container = pod->second->containers.find(name);
  return container == pod->second->containers.end() ? nullptr : &container->second;
}

// --- following the pods
// ------------------------------------------------------------------------------------

void ProbeManager::Sync(const api::PodPtr& pod, const runtime::ObservedPodPtr& observed) {
  const std::string& uid = pod->metadata().uid();
  bool any = false;
  ForEachProbed(*pod, [&](const auto&) { any = true; });
  if (!any) return;
  auto& entry = pods_[uid];
  if (!entry) entry = std::make_unique<Entry>();
  entry->pod = pod;
  if (observed && observed->provisional) return;
  entry->observed = observed;
  ForEachProbed(*pod, [&](const auto& spec) { Follow(*entry, spec); });
  if (pod->metadata().has_deletion_timestamp()) StopLivenessAndStartup(uid);
}

void ProbeManager::Follow(Entry& entry, const api::core::Container& spec) {
  Container& container = entry.containers[spec.name()];
  for (ProbeType type : kTypes) {
    const auto* probe = ProbeOf(spec, type);
    auto& worker = container.workers[static_cast<size_t>(type)];
    if (probe != nullptr && !worker) {
      worker = std::make_shared<Worker>(entry.pod->metadata().uid(), spec.name(), type,
                                        MachineSpecOf(*probe));
    }
  }
  const auto* status = entry.observed ? entry.observed->Newest(spec.name()) : nullptr;
  bool runs = status != nullptr && status->state == runtime::ContainerState::kRunning;
  if (runs && status->id != container.id) {
    Begin(entry, container, spec, *status);
  } else if (!runs && container.running) {
    container.running = false;
    Halt(container, true);
    SaveSoon();
  }
}

void ProbeManager::Begin(Entry& entry, Container& container, const api::core::Container& spec,
                         const runtime::ContainerStatus& status) {
  auto before = ShownBefore(*entry.pod, status);
  restored_.erase(status.id.str());
  container.id = status.id;
  container.running = true;
  container.message.clear();
  base::MonoTime now = deps_.clock.Mono();
  base::Nanos runs_for =
      std::max<base::Nanos>(deps_.clock.Now() - status.started_at, base::Nanos(0));
  Machine::Instance instance;
  instance.started = now - runs_for;
  instance.adopted = RanBefore(status);
  for (ProbeType type : kTypes) {
    const auto& worker = container.workers[static_cast<size_t>(type)];
    if (!worker) continue;
    instance.verdict.reset();
    // Not started before means that its startup probe is still to decide.
    if (before && type == ProbeType::kStartup && before->started) instance.verdict = true;
    if (before && type == ProbeType::kReadiness) instance.verdict = before->ready;
    worker->machine.Begin(instance, now, deps_.random());
    if (entry.stopping && type != ProbeType::kReadiness) worker->machine.End();
    if (type == ProbeType::kStartup)
      instance.gated = worker->machine.verdict() != true && !entry.stopping;
    Arm(worker);
  }
  LOG_V(4, "Probing container", "pod", api::PodKey(*entry.pod), "container", spec.name(), "id",
        status.id.str());
  SaveSoon();
}

// The startup probe stands in the way no longer.
void ProbeManager::Open(Container& container) {
  for (ProbeType type : {ProbeType::kReadiness, ProbeType::kLiveness}) {
    const auto& worker = container.workers[static_cast<size_t>(type)];
    if (!worker) continue;
    worker->machine.Open(deps_.clock.Mono(), deps_.random());
    Arm(worker);
  }
}

void ProbeManager::StopLivenessAndStartup(const std::string& uid) {
  auto it = pods_.find(uid);
  if (it == pods_.end() || it->second->stopping) return;
  it->second->stopping = true;
  for (auto& [name, container] : it->second->containers) {
    // One that has not started yet counts as started from now on, and its readiness is looked at.
    if (container.running && !container.started()) Open(container);
    Halt(container, false);
  }
}

void ProbeManager::Remove(const std::string& uid) {
  auto it = pods_.find(uid);
  if (it == pods_.end()) return;
  for (auto& [name, container] : it->second->containers) {
    Halt(container, true);
    for (const auto& worker : container.workers) {
      if (worker && metrics_) metrics_->Detach(*it->second->pod, *worker);
    }
  }
  pods_.erase(it);
  SaveSoon();
}

// --- making probes
// -----------------------------------------------------------------------------------------

void ProbeManager::Halt(Container& container, bool all) {
  for (const auto& worker : container.workers) {
    if (!worker || (!all && worker->machine.type() == ProbeType::kReadiness)) continue;
    worker->machine.End();
    deps_.clock.Cancel(worker->timer);
  }
}

void ProbeManager::Arm(const WorkerPtr& worker) {
  deps_.clock.Cancel(worker->timer);
  if (worker->in_flight || !worker->machine.due()) return;
  base::MonoTime due = *worker->machine.due();
  base::Nanos over{0};
  if (options_.slot > base::Nanos(0)) over = due.time_since_epoch() % options_.slot;
  if (over > base::Nanos(0)) due += options_.slot - over;
  worker->timer = deps_.clock.Schedule(due, [this, weak = std::weak_ptr<Worker>(worker)] {
    if (auto w = weak.lock()) Queue(w);
  });
}

void ProbeManager::Queue(const WorkerPtr& worker) {
  queue_.push_back(worker);
  if (std::exchange(draining_, true)) return;
  boost::asio::post(deps_.executor, [weak = std::weak_ptr<ProbeManager*>(self_)] {
    if (auto self = weak.lock()) (*self)->Drain();
  });
}

void ProbeManager::Drain() {
  for (int i = 0; i < options_.starts_per_turn && !queue_.empty(); ++i) {
    auto worker = queue_.front().lock();
    queue_.pop_front();
    if (worker) Start(worker);
  }
  draining_ = !queue_.empty();
  if (!draining_) return;
  boost::asio::post(deps_.executor, [weak = std::weak_ptr<ProbeManager*>(self_)] {
    if (auto self = weak.lock()) (*self)->Drain();
  });
}

std::string ProbeManager::PodIp(const Entry& entry) const {
  auto host = deps_.host_ips ? deps_.host_ips() : std::vector<std::string>();
  if (entry.pod->spec().host_network()) return host.empty() ? "" : host.front();
  const auto& ips = entry.observed->ips;
  auto v6 = [](const std::string& ip) { return ip.find(':') != std::string::npos; };
  for (const auto& ip : ips) {
    if (host.empty() || v6(ip) == v6(host.front())) return ip;
  }
  return ips.empty() ? "" : ips.front();
}

void ProbeManager::Start(const WorkerPtr& worker) {
  base::MonoTime now = deps_.clock.Mono();
  auto due = worker->machine.due();
  auto* container = FindContainer(worker->uid, worker->container);
  if (!due || *due > now || worker->in_flight || container == nullptr) return;
  const Entry& entry = *pods_.at(worker->uid);
  worker->machine.Sent(now);
  const api::core::Container* spec = nullptr;
  ForEachProbed(*entry.pod, [&](const auto& c) {
    if (c.name() == worker->container) spec = &c;
  });
  const auto* probe = spec == nullptr ? nullptr : ProbeOf(*spec, worker->machine.type());
  std::string ip = PodIp(entry);
  // Without an address there is nothing that could be asked; it comes with the next look at the
  // pod.
  if (probe == nullptr || (ip.empty() && !probe->handler().has_exec())) return Arm(worker);
  worker->sent = now;
  auto action = ResolveAction(*probe, *spec, ip, container->id);
  if (!action.ok())
    return Take(worker, container->id, {Result::kUnknown, base::Message(action.status())});
  worker->in_flight = true;
  scope_.Spawn("probe", RunOne(self_, &deps_.prober, worker, container->id, *std::move(action),
                               seconds(probe->timeout_seconds())));
}

base::Task<void> ProbeManager::RunOne(std::weak_ptr<ProbeManager*> self, Prober* prober,
                                      WorkerPtr worker, runtime::ContainerId id, Action action,
                                      seconds timeout) {
  auto outcome = co_await prober->Run(std::move(action), timeout);
  auto manager = self.lock();
  if (!manager) co_return;
  worker->in_flight = false;
  (*manager)->Take(worker, id, outcome);
}

void ProbeManager::Take(const WorkerPtr& worker, const runtime::ContainerId& id,
                        const Outcome& outcome) {
  auto* container = FindContainer(worker->uid, worker->container);
  if (container == nullptr ||
      container->workers[static_cast<size_t>(worker->machine.type())] != worker)
    return;
  auto type = worker->machine.type();
  const Entry& entry = *pods_.at(worker->uid);
  bool stopped = entry.stopping && type != ProbeType::kReadiness;
  // Of an instance that is gone, or of a probe that is not asked for any more, nothing is told.
  if (container->id != id || !container->running || stopped) return Arm(worker);
  Report(entry, *worker, outcome);
  bool changed = false;
  if (outcome.result != Result::kUnknown) {
    bool success = outcome.result != Result::kFailure;
    changed = worker->machine.Took(success);
    if (!success && type != ProbeType::kReadiness) container->message = outcome.message;
    if (changed && success && type == ProbeType::kStartup) Open(*container);
  }
  Arm(worker);
  if (!changed) return;
  LOG_V(2, "Probe verdict", "pod", api::PodKey(*entry.pod), "container", worker->container, "probe",
        ProbeTypeName(type), "success", worker->machine.verdict() == true);
  SaveSoon();
  const std::string uid = worker->uid;
  deps_.on_change(uid);
}

void ProbeManager::Report(const Entry& entry, Worker& worker, const Outcome& outcome) {
  if (metrics_) metrics_->Count(*entry.pod, worker, outcome, deps_.clock.Mono() - worker.sent);
  runtime::PodEvent event;
  event.warning = true;
  event.reason = "Unhealthy";
  event.container = worker.container;
  std::string name = ProbeTypeName(worker.machine.type());
  switch (outcome.result) {
    case Result::kSuccess:
      return;
    case Result::kWarning:
      event.reason = "ProbeWarning";
      event.message = name + " probe warning: " + outcome.message;
      break;
    case Result::kFailure:
      event.message = name + " probe failed: " + outcome.message;
      break;
    case Result::kUnknown:
      event.message = name + " probe errored and resulted in unknown state: " + outcome.message;
      break;
  }
  if (deps_.on_event) deps_.on_event(*entry.pod, event);
}

}  // namespace kubelet::probe
