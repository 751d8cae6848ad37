// Which CPUs to hand out of those that are free. Pure. The same CPUs as the Go kubelet of 1.36
// chooses (pkg/kubelet/cm/cpumanager/cpu_assignment.go; its test tables are ours), except where a
// machine is not of one piece: a core is whole when all its own CPUs are free, not when as many are
// free as cores have on average.
//
//   packed:       whole sockets and NUMA nodes, the larger kind first; whole uncore caches or a
//                 part of one, when asked for; whole cores; then single CPUs. Of all that fits
//                 those first of which the least is free, so that what is whole stays whole.
//   spread:       no whole cores; single CPUs of a socket by their numbers.
//   distributed:  the fewest NUMA nodes that can give equal shares, in groups of `group` CPUs; what
//                 does not divide goes where it leaves the nodes most alike. Else packed.
#pragma once

#include "absl/status/statusor.h"
#include "resource/cpu_layout.h"

namespace kubelet::resource {

struct TakeOptions {
  bool spread = false;      // distribute-cpus-across-cores
  bool distribute = false;  // distribute-cpus-across-numa
  bool uncore = false;      // prefer-align-cpus-by-uncorecache
  int group = 1;
};

// FailedPrecondition: there are not as many.
absl::StatusOr<CpuSet> TakeCpus(const CpuLayout& layout, const CpuSet& available, int count,
                                const TakeOptions& options);

}  // namespace kubelet::resource
