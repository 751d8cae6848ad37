// What this machine is, out of /proc, /sys and /etc under a root directory. Blocks; read once at
// the start.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::os {

struct Machine {
  std::string cpu_list;                   // online CPUs as the kernel lists them: 0-3,6
  int cpus = 0;                           // how many those are
  int64_t memory_bytes = 0;               // MemTotal
  int64_t swap_bytes = 0;                 // SwapTotal
  int64_t max_pids = 0;                   // the smaller of kernel.pid_max and kernel.threads-max
  std::vector<std::string> swaps;         // active swap areas, a line of /proc/swaps each
  std::map<int64_t, int64_t> huge_pages;  // page size in bytes -> pages reserved now
  std::string boot_id, machine_id, system_uuid;  // empty when the machine has none
  std::string kernel_version;                    // uname -r
  std::string os_image;                          // PRETTY_NAME of os-release
};

// `root` is empty or a directory that stands for `/`. FailedPrecondition names the file without
// which there is no going on: /proc/meminfo, the list of CPUs.
absl::StatusOr<Machine> ReadMachine(const std::string& root = "");

// Size of the filesystem that holds `path` (statvfs: all blocks, the reserved ones too). Hangs with
// a dead mount: for the blocking pool. Codes of base::ErrnoStatus.
absl::StatusOr<int64_t> FilesystemBytes(const std::string& path);

// `0-3,6` -> {0,1,2,3,6}. InvalidArgument for other text; empty text is no CPU.
absl::StatusOr<std::vector<int>> ParseCpuList(const std::string& text);

}  // namespace kubelet::os
