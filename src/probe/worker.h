// What ProbeManager keeps per pod, container and probe.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>

#include "kubelet/base/clock.h"
#include "kubelet/base/metrics.h"
#include "kubelet/probe/probe_manager.h"
#include "probe/machine.h"

namespace kubelet::probe {

// The probe of this type that a container asks for; nullptr: none.
const api::core::Probe* ProbeOf(const api::core::Container& container, ProbeType type);
MachineSpec MachineSpecOf(const api::core::Probe& probe);

struct ProbeManager::Worker {
  Worker(std::string u, std::string c, ProbeType type, MachineSpec spec)
      : uid(std::move(u)), container(std::move(c)), machine(type, spec) {}
  std::string uid, container;
  Machine machine;
  base::Clock::TimerId timer{};
  bool in_flight = false;
  base::MonoTime sent{};
  // Series are made when they get their first value, and dropped with the pod.
  std::array<base::Counter*, 3> results{};  // successful, failed, unknown
  base::Histogram* seconds = nullptr;
};

struct ProbeManager::Container {
  runtime::ContainerId id;  // the instance that the verdicts are about
  bool running = false;
  std::array<WorkerPtr, 3> workers;  // by ProbeType; null: no such probe
  std::string message;               // of the last failed liveness or startup probe
  Worker* Get(ProbeType type) const { return workers[static_cast<size_t>(type)].get(); }
  bool started() const {
    auto* startup = Get(ProbeType::kStartup);
    return startup == nullptr || startup->machine.verdict() == true;
  }
  bool ready() const {
    auto* readiness = Get(ProbeType::kReadiness);
    return readiness == nullptr || readiness->machine.verdict() == true;
  }
};

struct ProbeManager::Entry {
  api::PodPtr pod;
  runtime::ObservedPodPtr observed;
  bool stopping = false;  // liveness and startup are over
  std::map<std::string, Container> containers;
};

struct ProbeManager::Metrics {
  explicit Metrics(base::Registry& registry);
  void Count(const api::core::Pod& pod, Worker& worker, const Outcome& outcome, base::Nanos took);
  void Detach(const api::core::Pod& pod, const Worker& worker);
  base::Family<base::Counter>& total;
  base::Family<base::Histogram>& seconds;
};

}  // namespace kubelet::probe
