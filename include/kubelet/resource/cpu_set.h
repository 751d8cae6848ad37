// A set of CPUs by their numbers, with the kernel's text form. A value; any thread.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::resource {

class CpuSet {
 public:
  CpuSet() = default;
  CpuSet(std::initializer_list<int> cpus) : CpuSet(std::vector<int>(cpus)) {}
  explicit CpuSet(std::vector<int> cpus);  // in any order, also twice

  // `0-3,8`; empty text is the empty set. InvalidArgument for other text.
  static absl::StatusOr<CpuSet> Parse(const std::string& text);
  std::string ToString() const;

  bool Contains(int cpu) const;
  bool empty() const { return cpus_.empty(); }
  int size() const { return static_cast<int>(cpus_.size()); }
  auto begin() const { return cpus_.begin(); }  // ascending
  auto end() const { return cpus_.end(); }
  const std::vector<int>& list() const { return cpus_; }

  friend CpuSet operator|(const CpuSet& a, const CpuSet& b);
  friend CpuSet operator&(const CpuSet& a, const CpuSet& b);
  friend CpuSet operator-(const CpuSet& a, const CpuSet& b);
  bool operator==(const CpuSet&) const = default;

 private:
  std::vector<int> cpus_;
};

}  // namespace kubelet::resource
