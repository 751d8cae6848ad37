// What probes have found out, for others to ask, and over a restart of the kubelet.
#include <sstream>

#include "kubelet/api/pod.h"
#include "kubelet/probe/probe_manager.h"
#include "probe/worker.h"

namespace kubelet::probe {

using std::chrono::seconds;

namespace {

// A container that started so shortly before this kubelet may not have been seen by the one before
// (pkg/kubelet/prober kubeletRestartGracePeriod).
constexpr auto kSeenBefore = seconds(10);
constexpr char kTextHead[] = "probe results 1";
// What was restored of containers that do not show up is kept for so long.
constexpr auto kRestoredKept = std::chrono::minutes(5);

}  // namespace

bool ProbeManager::RanBefore(const runtime::ContainerStatus& status) const {
  return status.started_at != base::WallTime() && status.started_at < begun_;
}

// nullopt: it began with this kubelet, or nobody knows.
std::optional<ProbeManager::Shown> ProbeManager::ShownBefore(
    const api::core::Pod& pod, const runtime::ContainerStatus& status) const {
  if (!RanBefore(status)) return std::nullopt;
  const std::string ending = "://" + status.id.str();
  for (const auto* all :
       {&pod.status().container_statuses(), &pod.status().init_container_statuses()}) {
    for (const auto& s : *all) {
      const std::string& id = s.container_id();
      bool same = id.size() > ending.size() &&
                  id.compare(id.size() - ending.size(), ending.size(), ending) == 0;
      if (same) return Shown{s.started(), s.ready()};
    }
  }
  auto it = restored_.find(status.id.str());
  if (it != restored_.end()) return it->second;
  if (api::IsStatic(pod) && status.started_at < begun_ - kSeenBefore) return Shown{true, true};
  return std::nullopt;
}

runtime::ContainerHealth ProbeManager::Of(const api::core::Pod& pod,
                                          const api::core::Container& container,
                                          const runtime::ContainerStatus& status) const {
  runtime::ContainerHealth health;
  auto entry = pods_.find(pod.metadata().uid());
  if (entry != pods_.end()) {
    const auto& containers = entry->second->containers;
    auto it = containers.find(container.name());
    if (it != containers.end() && it->second.id == status.id) {
      const Container& known = it->second;
      bool stopping = entry->second->stopping;
      auto failed = [&](ProbeType type) {
        auto* worker = known.Get(type);
        return worker != nullptr && !stopping && worker->machine.verdict() == false;
      };
      health.started = stopping || known.started();
      health.ready = health.started && known.ready();
      health.liveness_failed = failed(ProbeType::kLiveness);
      health.startup_failed = failed(ProbeType::kStartup);
      if (health.liveness_failed || health.startup_failed) health.message = known.message;
      return health;
    }
  }
  auto shown = ShownBefore(pod, status).value_or(Shown{});
  health.started = !container.has_startup_probe() || shown.started;
  health.ready = health.started && (!container.has_readiness_probe() || shown.ready);
  return health;
}

void ProbeManager::Restore(const std::string& text) {
  std::istringstream in(text);
  std::string line, id, flags;
  if (!std::getline(in, line) || line != kTextHead) return;
  while (in >> id >> flags) {
    if (flags.size() == 2) restored_[id] = {flags[0] == 's', flags[1] == 'r'};
  }
}

std::string ProbeManager::Text() const {
  std::string out = std::string(kTextHead) + "\n";
  auto add = [&](const std::string& id, bool started, bool ready) {
    out += id + " " + (started ? "s" : "-") + (ready ? "r" : "-") + "\n";
  };
  for (const auto& [uid, entry] : pods_) {
    if (!api::IsStatic(*entry->pod)) continue;  // the server knows
    for (const auto& [name, c] : entry->containers) {
      if (c.running) add(c.id.str(), c.started(), c.ready());
    }
  }
  for (const auto& [id, shown] : restored_) add(id, shown.started, shown.ready);
  return out;
}

void ProbeManager::SaveSoon() {
  if (!deps_.save || save_scheduled_) return;
  save_scheduled_ = true;
  base::MonoTime when = deps_.clock.Mono() + options_.save_after;
  if (saved_) when = std::max(when, *saved_ + options_.save_pause);
  deps_.clock.Schedule(when, [weak = std::weak_ptr<ProbeManager*>(self_)] {
    auto self = weak.lock();
    if (!self) return;
    ProbeManager& manager = **self;
    manager.save_scheduled_ = false;
    manager.saved_ = manager.deps_.clock.Mono();
    if (*manager.saved_ - manager.begun_mono_ > kRestoredKept) manager.restored_.clear();
    auto text = manager.Text();
    if (text != manager.kept_) manager.deps_.save(manager.kept_ = std::move(text));
  });
}

}  // namespace kubelet::probe
