// Questions to the machine's topology, as whoever chooses CPUs asks them. Immutable; any thread.
#pragma once

#include <map>
#include <vector>

#include "kubelet/os/cpu_topology.h"
#include "kubelet/resource/cpu_set.h"
#include "kubelet/resource/topology.h"

namespace kubelet::resource {

enum class CpuLevel { kSocket, kNuma, kUncore, kCore };

class CpuLayout {
 public:
  explicit CpuLayout(const os::CpuTopology& topology);

  const CpuSet& all() const { return all_; }
  // Of a CPU that is there; -1 of another.
  int IdOf(CpuLevel level, int cpu) const;
  // The CPUs of `within` that belong to this socket, node, cache or core.
  CpuSet In(CpuLevel level, int id, const CpuSet& within) const;
  CpuSet In(CpuLevel level, int id) const { return In(level, id, all_); }
  CpuSet In(NumaMask nodes, const CpuSet& within) const;
  // Ids that have CPUs of `within`, ascending.
  std::vector<int> Ids(CpuLevel level, const CpuSet& within) const;
  int Count(CpuLevel level) const { return static_cast<int>(Ids(level, all_).size()); }
  // On average, rounded down: so the Go kubelet counts them, and what people ask for follows that.
  int CpusPer(CpuLevel level) const { return all_.size() / Count(level); }
  // `cpus` and all that share a core with one of them.
  CpuSet WithSiblings(const CpuSet& cpus) const;

 private:
  CpuSet all_;
  std::map<int, os::CpuPlace> places_;
};

}  // namespace kubelet::resource
