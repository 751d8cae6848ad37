// The text of cpu_manager_state and memory_manager_state: what a Go kubelet of 1.36 (and before)
// writes and checks, so that a node may change kubelets either way. Pure.
//
// The checksum is FNV-1a 32 over a dump of the Go structure, with the checksum 0; in dumps maps are
// sorted by their keys. Facts: pkg/kubelet/cm/{cpumanager,memorymanager}/state/checkpoint.go.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "resource/cpu_state.h"
#include "resource/memory_state.h"

namespace kubelet::resource {

// FailedPrecondition: the file is of another policy than the configured one.
absl::Status CheckPolicy(const std::string& of_file, const std::string& configured);

std::string EncodeCpuState(const std::string& policy, const CpuState& state);

struct CpuStateFile {
  std::string policy;
  CpuState state;
};
// InvalidArgument says what is wrong: no JSON, another checksum, a set of CPUs that does not parse.
// Entries by container id, as kubelets before 1.18 wrote them, are refused.
absl::StatusOr<CpuStateFile> DecodeCpuState(const std::string& text);

std::string EncodeMemoryState(const std::string& policy, const MemoryState& state);
struct MemoryStateFile {
  std::string policy;
  MemoryState state;
};
absl::StatusOr<MemoryStateFile> DecodeMemoryState(const std::string& text);

}  // namespace kubelet::resource
