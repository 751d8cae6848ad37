// What the CPU manager remembers.
#pragma once

#include <map>
#include <string>

#include "kubelet/resource/cpu_set.h"

namespace kubelet::resource {

struct CpuState {
  CpuSet shared;  // for whoever has no CPUs of its own; with policy none nothing is said
  std::map<std::string, std::map<std::string, CpuSet>> exclusive;  // uid -> container -> its CPUs
};

}  // namespace kubelet::resource
