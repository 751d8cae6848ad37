#include "kubelet/os/cgroup_stats.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "kubelet/base/status.h"
#include "kubelet/os/proc_stats.h"
#include "os/cgroup_tree.h"
#include "os/fd.h"
#include "os/text_scan.h"

namespace kubelet::os {
namespace {

constexpr size_t kBuffer = 16 * 1024;
constexpr uint64_t kMicro = 1000;
constexpr uint64_t kSecond = 1'000'000'000;

uint64_t TickNanos() {
  static const uint64_t nanos = kSecond / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  return nanos;
}

// What opencontainers/cgroups makes of a weight (cAdvisor container/common
// convertCPUWeightToCPULimit).
uint64_t SharesOfWeight(uint64_t weight) {
  if (weight < 1 || weight > 10000) return 0;
  return 2 + ((weight - 1) * 262142) / 9999;
}

PressureLine ParsePressureLine(std::string_view line) {
  PressureLine out;
  for (;;) {
    std::string_view key = NextWord(line, "=");
    if (key.empty()) return out;
    std::string_view value = NextWord(line, "=");
    if (key == "total") out.total_us = ToNumber(value);
    if (key == "avg10") out.avg10 = ToReal(value);
    if (key == "avg60") out.avg60 = ToReal(value);
    if (key == "avg300") out.avg300 = ToReal(value);
  }
}

std::optional<Pressure> ParsePressure(std::string_view text) {
  if (text.empty()) return std::nullopt;
  Pressure out;
  std::string_view line;
  while (NextLine(text, line)) {
    std::string_view kind = NextWord(line);
    if (kind == "some") out.some = ParsePressureLine(line);
    if (kind == "full") out.full = ParsePressureLine(line);
  }
  return out;
}

int OperationOf(std::string_view name) {
  for (int i = 0; i < IoTraffic::kOperations; ++i)
    if (name == IoOperationName(i)) return i;
  return -1;
}

IoTraffic& Device(std::vector<IoTraffic>& all, std::string_view major, std::string_view minor) {
  auto a = static_cast<unsigned>(ToNumber(major)), b = static_cast<unsigned>(ToNumber(minor));
  for (auto& io : all)
    if (io.major == a && io.minor == b) return io;
  all.emplace_back();
  all.back().major = a;
  all.back().minor = b;
  return all.back();
}

// `8:0 Read 4096`; the line of the sum over all devices has no device. True when there was any.
bool ParseBlkio(std::string_view text, bool bytes, std::vector<IoTraffic>& out) {
  bool any = false;
  std::string_view line;
  while (NextLine(text, line)) {
    std::string_view major = NextWord(line, ":"), minor = NextWord(line, ":");
    int operation = OperationOf(NextWord(line));
    if (operation < 0) continue;
    auto& io = Device(out, major, minor);
    (bytes ? io.bytes : io.count)[static_cast<size_t>(operation)] = ToNumber(NextWord(line));
    (bytes ? io.seen_bytes : io.seen_count) |= 1u << operation;
    any = true;
  }
  return any;
}

// `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`
void ParseIoStat(std::string_view text, std::vector<IoTraffic>& out) {
  std::string_view line;
  while (NextLine(text, line)) {
    std::string_view major = NextWord(line, ":"), minor = NextWord(line, ":");
    for (;;) {
      std::string_view key = NextWord(line, "=");
      if (key.empty()) break;
      uint64_t value = ToNumber(NextWord(line, "="));
      int operation = key == "rbytes" || key == "rios"   ? int{IoTraffic::kRead}
                      : key == "wbytes" || key == "wios" ? int{IoTraffic::kWrite}
                                                         : -1;
      if (operation < 0) continue;
      bool bytes = key.substr(1) == "bytes";
      auto& io = Device(out, major, minor);
      (bytes ? io.bytes : io.count)[static_cast<size_t>(operation)] = value;
      (bytes ? io.seen_bytes : io.seen_count) |= 1u << operation;
    }
  }
}

}  // namespace

const char* IoOperationName(int operation) {
  constexpr const char* kNames[] = {"Read", "Write", "Sync", "Async", "Discard", "Total"};
  return operation >= 0 && operation < IoTraffic::kOperations ? kNames[operation] : "";
}

// Reads the files of one group into one buffer; a text is good until the next is read.
struct CgroupReader::Files {
  explicit Files(const std::string& group) {
    path = group == "/" ? "" : cgroup_internal::Relative(group) + "/";
    base = path.size();
    path.reserve(base + 64);
  }
  // Of the group's own directory in the tree that most is read from: a third of the time of opening
  // a file goes into its path.
  void Enter(int tree) {
    entered = tree;
    directory = Fd(openat(tree, base == 0 ? "." : path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  // Empty when it is not there or cannot be read; `gone` then tells that the group has vanished.
  std::string_view Text(int dir, const char* file) {
    if (dir < 0) return {};
    int fd;
    if (dir == entered) {
      fd = openat(directory.get(), file, O_RDONLY | O_CLOEXEC);
    } else {
      path.resize(base);
      path += file;
      fd = openat(dir, path.c_str(), O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0) return {};
    size_t size = 0;
    for (;;) {
      ssize_t got = read(fd, buffer + size, kBuffer - size);
      if (got < 0) {
        gone |= errno == ENODEV;
        size = 0;
        break;
      }
      size += static_cast<size_t>(got);
      // Kernel files of this size come whole or end with a page that is not full.
      if (got == 0 || size == kBuffer || (got < 4000 && buffer[size - 1] == '\n')) break;
    }
    close(fd);
    return {buffer, size};
  }
  uint64_t Number(int dir, const char* file) { return ToNumber(Text(dir, file)); }
  std::string path;
  size_t base = 0;
  int entered = -1;
  Fd directory;
  bool gone = false;
  char buffer[kBuffer];
};

CgroupReader::CgroupReader(const CgroupMounts& mounts, std::string proc)
    : proc_(std::move(proc)), v2_(mounts.mode == CgroupMode::kV2) {
  auto open = std::make_shared<std::vector<Fd>>();
  auto directory = [&](const char* controller) {
    auto it = mounts.v1.find(controller);
    if (!v2_ && it == mounts.v1.end()) return -1;
    const std::string& point = v2_ ? mounts.unified : it->second;
    open->emplace_back(::open(point.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    return open->back().get();
  };
  cpu_ = directory("cpu");
  cpuacct_ = v2_ ? cpu_ : directory("cpuacct");
  memory_ = v2_ ? cpu_ : directory("memory");
  pids_ = v2_ ? cpu_ : directory("pids");
  io_ = v2_ ? cpu_ : directory("blkio");
  open_ = std::move(open);
  pressure_ = v2_ && faccessat(cpu_, "cpu.pressure", R_OK, 0) == 0;
}

absl::Status CgroupReader::ReadUsage(const std::string& group, unsigned parts,
                                     CgroupUsage& out) const {
  Files files(group);
  files.Enter(memory_);
  bool there = true;
  if (parts & kMemory) there = ReadMemory(files, parts, out);
  if (there && (parts & kCpu)) ReadCpu(files, parts, out);
  if (there && (parts & kDetails)) out.threads = files.Number(pids_, "pids.current");
  if (there && (parts & kIo)) ReadIo(files, group == "/", out);
  if (there && (parts & kPressure) && pressure_) {
    out.cpu_pressure = ParsePressure(files.Text(cpu_, "cpu.pressure"));
    out.memory_pressure = ParsePressure(files.Text(cpu_, "memory.pressure"));
    out.io_pressure = ParsePressure(files.Text(cpu_, "io.pressure"));
  }
  // Files of a group that is being removed fail one by one: half of a sample is none.
  if (!there || files.gone || !Exists(group))
    return absl::NotFoundError("cgroup " + group + " is not there");
  return absl::OkStatus();
}

void CgroupReader::ReadCpu(Files& files, unsigned parts, CgroupUsage& out) const {
  bool details = parts & kDetails;
  if (!v2_) {
    std::string_view usage = files.Text(cpuacct_, "cpuacct.usage");
    files.gone |= usage.empty() && cpuacct_ >= 0;
    out.cpu_ns = ToNumber(usage);
    std::string_view text = details ? files.Text(cpuacct_, "cpuacct.stat") : "", line;
    while (NextLine(text, line)) {
      std::string_view key = NextWord(line);
      uint64_t value = ToNumber(NextWord(line)) * TickNanos();
      (key == "user" ? out.cpu_user_ns : out.cpu_system_ns) = value;
    }
    if (!(parts & kBandwidth)) return;
  }
  std::string_view text = files.Text(cpu_, "cpu.stat"), line;
  // Old kernels have none at the root of v2.
  files.gone |= v2_ && text.empty() && files.base > 0;
  while (NextLine(text, line)) {
    std::string_view key = NextWord(line);
    uint64_t value = ToNumber(NextWord(line));
    if (key == "usage_usec") out.cpu_ns = value * kMicro;
    if (key == "user_usec") out.cpu_user_ns = value * kMicro;
    if (key == "system_usec") out.cpu_system_ns = value * kMicro;
    if (key == "nr_periods") out.periods = value;
    if (key == "nr_throttled") out.throttled_periods = value;
    if (key == "throttled_usec") out.throttled_ns = value * kMicro;
    if (key == "throttled_time") out.throttled_ns = value;
    if (key == "nr_bursts") out.burst_periods = value;
    if (key == "burst_usec") out.burst_ns = value * kMicro;
    if (key == "burst_time") out.burst_ns = value;
  }
}

bool CgroupReader::ReadMemory(Files& files, unsigned parts, CgroupUsage& out) const {
  std::string_view text = files.Text(memory_, "memory.stat"), line;
  if (text.empty()) return false;
  // v1 counts a group alone, and with all below it under `total_…`; page faults are told as v1's
  // own line has them.
  std::string_view sum = v2_ ? "" : "total_";
  while (NextLine(text, line)) {
    std::string_view key = NextWord(line);
    if (key == "pgfault") out.page_faults = ToNumber(NextWord(line));
    if (key == "pgmajfault") out.major_page_faults = ToNumber(NextWord(line));
    if (key.substr(0, sum.size()) != sum) continue;
    key.remove_prefix(sum.size());
    uint64_t* place = nullptr;
    if (key == (v2_ ? "file" : "cache")) place = &out.cache;
    if (key == (v2_ ? "anon" : "rss")) place = &out.rss;
    if (key == (v2_ ? "file_mapped" : "mapped_file")) place = &out.mapped_file;
    if (key == "active_file") place = &out.active_file;
    if (key == "inactive_file") place = &out.inactive_file;
    if (key == "swap" && !v2_) place = &out.swap;
    if (place != nullptr) *place = ToNumber(NextWord(line));
  }
  std::string_view usage = files.Text(memory_, v2_ ? "memory.current" : "memory.usage_in_bytes");
  out.memory = usage.empty() ? out.cache + out.rss : ToNumber(usage);
  out.working_set = out.memory > out.inactive_file ? out.memory - out.inactive_file : 0;
  if (v2_) out.swap = usage.empty() ? SwapInUse() : files.Number(memory_, "memory.swap.current");
  if (!(parts & kDetails)) return true;
  out.max_memory = files.Number(memory_, v2_ ? "memory.peak" : "memory.max_usage_in_bytes");
  if (!v2_) {
    out.memory_failures = files.Number(memory_, "memory.failcnt");
    out.kernel_memory = files.Number(memory_, "memory.kmem.usage_in_bytes");
  }
  text = files.Text(memory_, v2_ ? "memory.events" : "memory.oom_control");
  while (NextLine(text, line)) {
    if (NextWord(line) == "oom_kill") out.oom_kills = ToNumber(NextWord(line));
  }
  return true;
}

void CgroupReader::ReadIo(Files& files, bool root, CgroupUsage& out) const {
  out.io.clear();
  if (v2_) return ParseIoStat(files.Text(io_, "io.stat"), out.io);
  struct Layer {
    const char* counts;
    const char* bytes;
  };
  constexpr Layer kBfq{"blkio.bfq.io_serviced_recursive", "blkio.bfq.io_service_bytes_recursive"};
  constexpr Layer kThrottle{"blkio.throttle.io_serviced_recursive",
                            "blkio.throttle.io_service_bytes_recursive"};
  auto read = [&](const Layer& layer) {
    bool any = ParseBlkio(files.Text(io_, layer.counts), false, out.io);
    if (any) ParseBlkio(files.Text(io_, layer.bytes), true, out.io);
    return any;
  };
  // A scheduler that counts by itself goes before the throttling layer, when it has counted. The
  // root's figures are those of all.
  bool counted = (root || *bfq_) && read(kBfq);
  if (root) *bfq_ = counted;
  if (!counted) read(kThrottle);
}

CgroupPulseFiles CgroupReader::OpenPulse(const std::string& group) const {
  auto open = std::make_shared<std::array<Fd, 2>>();
  std::string base = cgroup_internal::Relative(group) + "/";
  auto file = [&](int dir, const char* name) {
    return Fd(dir < 0 ? -1 : openat(dir, (base + name).c_str(), O_RDONLY | O_CLOEXEC));
  };
  (*open)[0] = file(cpuacct_, v2_ ? "cpu.stat" : "cpuacct.usage");
  (*open)[1] = file(memory_, v2_ ? "memory.current" : "memory.usage_in_bytes");
  CgroupPulseFiles out;
  out.cpu_ = (*open)[0].get();
  out.memory_ = (*open)[1].get();
  out.v2_ = v2_;
  out.open_ = std::move(open);
  return out;
}

absl::StatusOr<CgroupPulse> CgroupPulseFiles::Read() const {
  char buffer[64];
  auto number = [&](int fd) -> std::optional<uint64_t> {
    ssize_t size = pread(fd, buffer, sizeof buffer, 0);
    if (size <= 0) return std::nullopt;
    std::string_view text(buffer, static_cast<size_t>(size));
    constexpr std::string_view kFirst = "usage_usec ";  // of cpu.stat, on its first line
    if (text.substr(0, kFirst.size()) == kFirst) text.remove_prefix(kFirst.size());
    return ToNumber(text);
  };
  auto cpu = number(cpu_), memory = number(memory_);
  if (!cpu || !memory) return absl::NotFoundError("the cgroup is not there");
  return CgroupPulse{*cpu * (v2_ ? kMicro : 1), *memory};
}

uint64_t CgroupReader::SwapInUse() const {
  auto swap = ReadSwap(proc_);
  return swap.total > swap.free ? swap.total - swap.free : 0;
}

absl::Status CgroupReader::ReadLimits(const std::string& group, CgroupLimits& out) const {
  Files files(group);
  auto limit = [&](int dir, const char* file) {
    std::string_view text = files.Text(dir, file);
    if (text.empty()) return uint64_t{0};
    uint64_t value = ToNumber(text);
    return value > uint64_t{1} << 62 ? CgroupLimits::kNoLimit : value;
  };
  if (v2_) {
    out.cpu_shares = SharesOfWeight(files.Number(cpu_, "cpu.weight"));
    std::string_view text = files.Text(cpu_, "cpu.max");
    std::string_view quota = NextWord(text);
    out.cpu_quota_us = quota == "max" ? 0 : ToNumber(quota);
    out.cpu_period_us = ToNumber(NextWord(text));
    out.memory = limit(memory_, "memory.max");
    out.swap = limit(memory_, "memory.swap.max");
    out.memory_reservation = limit(memory_, "memory.min");
  } else {
    out.cpu_shares = files.Number(cpu_, "cpu.shares");
    out.cpu_period_us = files.Number(cpu_, "cpu.cfs_period_us");
    out.cpu_quota_us = files.Number(cpu_, "cpu.cfs_quota_us");  // -1 is no number here
    out.memory = limit(memory_, "memory.limit_in_bytes");
    out.swap = limit(memory_, "memory.memsw.limit_in_bytes");
    out.memory_reservation = limit(memory_, "memory.soft_limit_in_bytes");
  }
  uint64_t threads = files.Number(pids_, "pids.max");
  out.threads = threads == ~uint64_t{0} ? 0 : threads;
  if (!Exists(group)) return absl::NotFoundError("cgroup " + group + " is not there");
  return absl::OkStatus();
}

bool CgroupReader::Exists(const std::string& group) const {
  return faccessat(memory_, cgroup_internal::Relative(group).c_str(), F_OK, 0) == 0;
}

absl::StatusOr<base::WallTime> CgroupReader::MadeAt(const std::string& group) const {
  std::string relative = cgroup_internal::Relative(group);
  struct stat info {};
  if (fstatat(memory_, relative.c_str(), &info, 0) != 0)
    return base::ErrnoStatus(errno, "cgroup " + group);
  auto nanos = [](const timespec& t) { return t.tv_sec * int64_t{1'000'000'000} + t.tv_nsec; };
  int64_t made = nanos(info.st_mtim);
  std::string file = relative + (v2_ ? "/cgroup.events" : "/cgroup.clone_children");
  if (fstatat(memory_, file.c_str(), &info, 0) == 0) made = std::min(made, nanos(info.st_mtim));
  return base::WallFromUnixNanos(made);
}

std::vector<int> CgroupReader::Processes(const std::string& group) const {
  Files files(group);
  std::vector<int> out;
  std::string_view text = files.Text(v2_ ? memory_ : cpu_, "cgroup.procs"), line;
  while (NextLine(text, line)) out.push_back(static_cast<int>(ToNumber(line)));
  return out;
}

std::vector<std::string> CgroupReader::Children(const std::string& group) const {
  auto names = cgroup_internal::ChildrenIn(memory_, group);
  return {names.begin(), names.end()};
}

}  // namespace kubelet::os
