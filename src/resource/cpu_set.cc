#include "kubelet/resource/cpu_set.h"

#include <algorithm>
#include <iterator>

#include "kubelet/base/status.h"
#include "kubelet/os/machine.h"

namespace kubelet::resource {

CpuSet::CpuSet(std::vector<int> cpus) : cpus_(std::move(cpus)) {
  std::sort(cpus_.begin(), cpus_.end());
  cpus_.erase(std::unique(cpus_.begin(), cpus_.end()), cpus_.end());
}

absl::StatusOr<CpuSet> CpuSet::Parse(const std::string& text) {
  ASSIGN_OR_RETURN(auto cpus, os::ParseCpuList(text));
  return CpuSet(std::move(cpus));
}

std::string CpuSet::ToString() const {
  std::string out;
  for (size_t first = 0; first < cpus_.size();) {
    size_t last = first;
    while (last + 1 < cpus_.size() && cpus_[last + 1] == cpus_[last] + 1) ++last;
    out += (out.empty() ? "" : ",") + std::to_string(cpus_[first]);
    if (last > first) out += "-" + std::to_string(cpus_[last]);
    first = last + 1;
  }
  return out;
}

bool CpuSet::Contains(int cpu) const { return std::binary_search(begin(), end(), cpu); }

CpuSet operator|(const CpuSet& a, const CpuSet& b) {
  CpuSet out;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out.cpus_));
  return out;
}

CpuSet operator&(const CpuSet& a, const CpuSet& b) {
  CpuSet out;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out.cpus_));
  return out;
}

CpuSet operator-(const CpuSet& a, const CpuSet& b) {
  CpuSet out;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out.cpus_));
  return out;
}

}  // namespace kubelet::resource
