#include "kubelet/runtime/pinning.h"

#include <set>

#include "kubelet/base/log.h"

namespace kubelet::runtime {

using base::Task;

void Pin(const Pins& pins, LinuxResources& resources) {
  if (!pins.cpus.empty()) resources.cpuset_cpus = pins.cpus;
  if (!pins.mems.empty()) resources.cpuset_mems = pins.mems;
  // Where quotas are not set at all none is to be taken away.
  if (pins.no_cpu_quota && resources.cpu_period != 0) resources.cpu_quota = -1;
}

PinUpdater::PinUpdater(Deps deps, base::Nanos audit)
    : deps_(std::move(deps)),
      audit_(audit > base::Nanos(0) ? audit : base::Nanos(std::chrono::seconds(10))),
      wake_(deps_.executor, deps_.clock),
      scope_(deps_.executor) {}

void PinUpdater::Start() { scope_.Spawn("cpusets", Run()); }

void PinUpdater::Created(const ContainerId& id, const std::string& cpus) {
  told_[id] = cpus;
  // The pool may have changed since its configuration was made.
  Look();
}

Task<void> PinUpdater::Run() {
  for (;;) {
    co_await UpdateAll();
    co_await wake_.Wait(deps_.clock.Mono() + audit_);
  }
}

std::vector<PinUpdater::Behind> PinUpdater::FindBehind() {
  std::vector<Behind> out;
  std::set<ContainerId> there;
  for (const auto& pod : deps_.observed()) {
    for (const auto& status : pod->containers) {
      there.insert(status.id);
      bool lives =
          status.state == ContainerState::kRunning || status.state == ContainerState::kCreated;
      if (!lives) continue;
      std::string cpus = deps_.pinning.Of(pod->uid, status.name).cpus;
      auto told = told_.find(status.id);
      if (cpus.empty() || (told != told_.end() && told->second == cpus)) continue;
      out.push_back({status.id, pod->uid, status.name});
    }
  }
  // What was just created may not have been seen yet; then it is told once more.
  std::erase_if(told_, [&](const auto& item) { return !there.contains(item.first); });
  return out;
}

Task<void> PinUpdater::UpdateAll() {
  std::vector<Behind> behind = FindBehind();
  for (const auto& container : behind) {
    // While others were told it may have changed.
    LinuxResources resources;
    resources.cpuset_cpus = deps_.pinning.Of(container.uid, container.name).cpus;
    std::string cpus = resources.cpuset_cpus;
    auto status =
        co_await deps_.runtime.UpdateContainerResources(container.id, std::move(resources));
    if (status.ok()) {
      told_[container.id] = cpus;
      LOG_V(2, "Container has other CPUs", "podUID", container.uid, "container", container.name,
            "containerID", container.id.str(), "cpus", cpus);
    } else if (!absl::IsNotFound(status)) {
      LOG_WARNING("Cannot change the CPUs of a container; will retry", "podUID", container.uid,
                  "container", container.name, "containerID", container.id.str(), "cpus", cpus,
                  "err", status);
    }
  }
}

}  // namespace kubelet::runtime
