#include "resource/cpu_layout.h"

#include <set>

namespace kubelet::resource {

CpuLayout::CpuLayout(const os::CpuTopology& topology) {
  std::vector<int> cpus;
  for (const auto& place : topology.cpus) {
    places_[place.cpu] = place;
    cpus.push_back(place.cpu);
  }
  all_ = CpuSet(std::move(cpus));
}

int CpuLayout::IdOf(CpuLevel level, int cpu) const {
  auto place = places_.find(cpu);
  if (place == places_.end()) return -1;
  switch (level) {
    case CpuLevel::kSocket:
      return place->second.socket;
    case CpuLevel::kNuma:
      return place->second.numa;
    case CpuLevel::kUncore:
      return place->second.uncore;
    case CpuLevel::kCore:
      return place->second.core;
  }
  return -1;
}

CpuSet CpuLayout::In(CpuLevel level, int id, const CpuSet& within) const {
  std::vector<int> cpus;
  for (int cpu : within) {
    if (IdOf(level, cpu) == id) cpus.push_back(cpu);
  }
  return CpuSet(std::move(cpus));
}

CpuSet CpuLayout::In(NumaMask nodes, const CpuSet& within) const {
  std::vector<int> cpus;
  for (int cpu : within) {
    int node = IdOf(CpuLevel::kNuma, cpu);
    if (node >= 0 && node <= NumaMask::kMaxNode && nodes.Has(node)) cpus.push_back(cpu);
  }
  return CpuSet(std::move(cpus));
}

std::vector<int> CpuLayout::Ids(CpuLevel level, const CpuSet& within) const {
  std::set<int> ids;
  for (int cpu : within) ids.insert(IdOf(level, cpu));
  return {ids.begin(), ids.end()};
}

CpuSet CpuLayout::WithSiblings(const CpuSet& cpus) const {
  CpuSet out;
  for (int core : Ids(CpuLevel::kCore, cpus)) out = out | In(CpuLevel::kCore, core);
  return out;
}

}  // namespace kubelet::resource
