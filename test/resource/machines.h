// Machines as the kernel would describe them.
#pragma once

#include <functional>
#include <string>

#include "catch.h"
#include "kubelet/os/cpu_topology.h"
#include "kubelet/resource/cpu_set.h"
#include "kubelet/resource/topology.h"

namespace kubelet::test {

// `place` says of each CPU where it lies; `cpu` is filled in.
inline os::CpuTopology MachineOf(int cpus, const std::function<os::CpuPlace(int)>& place) {
  os::CpuTopology machine;
  for (int cpu = 0; cpu < cpus; ++cpu) {
    machine.cpus.push_back(place(cpu));
    machine.cpus.back().cpu = cpu;
    int node = machine.cpus.back().numa;
    while (static_cast<int>(machine.nodes.size()) <= node)
      machine.nodes.push_back({static_cast<int>(machine.nodes.size()), int64_t{4} << 30, {}, {}});
  }
  return machine;
}

// 4 cores of 2 threads: 0 and 4, 1 and 5 ...
inline os::CpuTopology OneSocket() {
  return MachineOf(8, [](int cpu) { return os::CpuPlace{0, cpu % 4, 0, 0, 0}; });
}
// 3 cores each; even CPUs are on the first.
inline os::CpuTopology TwoSockets() {
  return MachineOf(12, [](int cpu) { return os::CpuPlace{0, cpu % 6, cpu % 2, cpu % 2, cpu % 2}; });
}
// 2 nodes in each socket, 10 cores in each node; threads are 40 apart.
inline os::CpuTopology FourNodes() {
  return MachineOf(80, [](int cpu) {
    int core = cpu % 40;
    return os::CpuPlace{0, core, core / 20, core / 10, core / 20};
  });
}

// To all containers of the pod in turn, as admission does; the first refusal ends it.
template <typename Manager>
absl::Status GiveAll(Manager& manager, const api::core::Pod& pod,
                     const resource::TopologyHint& place) {
  for (const auto* list : {&pod.spec().init_containers(), &pod.spec().containers()}) {
    for (const auto& container : *list) {
      auto status = manager.Allocate(pod, container, place);
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

inline resource::CpuSet Cpus(const std::string& text) {
  auto cpus = resource::CpuSet::Parse(text);
  REQUIRE(cpus.ok());
  return *cpus;
}

}  // namespace kubelet::test
