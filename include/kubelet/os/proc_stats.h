// Figures out of /proc for statistics: network interfaces, file descriptors and limits of
// processes, block devices, the machine. `proc` is /proc, or a tree like it in tests. Everything
// blocks for as long as small files take; thread safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/time.h"

namespace kubelet::os {

struct InterfaceUsage {
  std::string name;
  uint64_t rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_dropped = 0;
  uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0;
};
// Of the network namespace that the process lives in. The loopback and the host's ends of pods
// (veth, docker, nerdctl) are left out, as upstream does. NotFound: no such process.
absl::StatusOr<std::vector<InterfaceUsage>> ReadInterfaces(const std::string& proc, int pid);
absl::StatusOr<std::vector<InterfaceUsage>> ParseInterfaces(const std::string& net_dev);

// Open descriptors of the process, and how many of them are sockets; {0, 0} when it has gone.
struct DescriptorCount {
  uint64_t all = 0, sockets = 0;
};
DescriptorCount CountDescriptors(const std::string& proc, int pid);
// The soft limit of open files; -1 is none. nullopt when it cannot be told.
std::optional<int64_t> OpenFilesLimit(const std::string& proc, int pid);

// A line of /proc/diskstats. Times in milliseconds, sectors of 512 bytes.
struct DiskUsage {
  unsigned major = 0, minor = 0;
  std::string name;
  uint64_t reads = 0, reads_merged = 0, sectors_read = 0, read_ms = 0;
  uint64_t writes = 0, writes_merged = 0, sectors_written = 0, write_ms = 0;
  uint64_t in_progress = 0, io_ms = 0, weighted_ms = 0;
};
std::vector<DiskUsage> ReadDisks(const std::string& proc);

struct SwapSpace {
  uint64_t total = 0, free = 0;
};
SwapSpace ReadSwap(const std::string& proc);

// Tasks that exist now, threads included (/proc/loadavg).
std::optional<int64_t> CountTasks(const std::string& proc);

// When the machine was started.
std::optional<base::WallTime> BootTime(const std::string& proc);

// The group that a process belongs to: of the only hierarchy in v2, else of systemd's, else of
// memory. `process` is its id, or `self`. Empty when it cannot be told.
std::string CgroupOf(const std::string& proc, const std::string& process);

// The process at the other end of a unix socket that somebody listens on; 0 when nobody does.
int ListenerOf(const std::string& socket_path);

// Cores and packages of the CPUs that are online; each CPU counts as one where /sys does not tell.
struct CpuLayout {
  int cores = 0, sockets = 0;
};
CpuLayout ReadCpuLayout(const std::vector<int>& cpus, const std::string& sys = "/sys");

// This process.
struct OwnUsage {
  uint64_t resident_bytes = 0, virtual_bytes = 0, open_files = 0, threads = 0;
  uint64_t received_bytes = 0, sent_bytes = 0;  // of its network namespace, IP packets
  double cpu_seconds = 0, started = 0;          // seconds since the epoch
};
OwnUsage ReadOwnUsage(const std::string& proc = "/proc");

}  // namespace kubelet::os
