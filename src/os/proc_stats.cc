#include "kubelet/os/proc_stats.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <ctime>
#include <set>

#include "os/fd.h"
#include "os/text_scan.h"

namespace kubelet::os {
namespace {

std::string Text(const std::string& path) {
  auto text = ReadSmallFile(AT_FDCWD, path, path);
  return text.ok() ? *std::move(text) : std::string();
}

std::string OfProcess(const std::string& proc, int pid, const char* file) {
  return proc + "/" + std::to_string(pid) + "/" + file;
}

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), text.begin(), [](char a, char b) {
           return a == std::tolower(static_cast<unsigned char>(b));
         });
}

bool Ignored(std::string_view name) {
  for (const char* prefix : {"lo", "veth", "docker", "nerdctl"})
    if (StartsWith(name, prefix)) return true;
  return false;
}

uint64_t ValueOf(std::string_view text, std::string_view key) {
  std::string_view line;
  while (NextLine(text, line)) {
    if (NextWord(line) == key) return ToNumber(NextWord(line));
  }
  return 0;
}

// Two lines `IpExt:`, one of names and one of values.
void ReadOctets(const std::string& netstat, OwnUsage& out) {
  std::string_view text = netstat, names, values;
  while (NextLine(text, names)) {
    if (NextWord(names) != "IpExt:") continue;
    NextLine(text, values);
    NextWord(values);
    for (std::string_view name = NextWord(names); !name.empty(); name = NextWord(names)) {
      uint64_t value = ToNumber(NextWord(values));
      if (name == "InOctets") out.received_bytes = value;
      if (name == "OutOctets") out.sent_bytes = value;
    }
    return;
  }
}

}  // namespace

absl::StatusOr<std::vector<InterfaceUsage>> ParseInterfaces(const std::string& net_dev) {
  std::vector<InterfaceUsage> out;
  std::string_view text = net_dev, line;
  NextLine(text, line);  // two lines of headings
  NextLine(text, line);
  while (NextLine(text, line)) {
    std::string_view rest = line, name = NextWord(rest, ":");
    uint64_t values[16] = {};
    size_t count = 0;
    for (std::string_view word = NextWord(rest, ":"); !word.empty(); word = NextWord(rest, ":")) {
      if (count < 16) values[count] = ToNumber(word);
      ++count;
    }
    if (count != 16)
      return absl::FailedPreconditionError("net/dev: cannot understand `" + std::string(line) +
                                           "`");
    if (Ignored(name)) continue;
    InterfaceUsage usage{std::string(name), values[0], values[1],  values[2], values[3],
                         values[8],         values[9], values[10], values[11]};
    out.push_back(std::move(usage));
  }
  return out;
}

absl::StatusOr<std::vector<InterfaceUsage>> ReadInterfaces(const std::string& proc, int pid) {
  std::string path = OfProcess(proc, pid, "net/dev");
  auto text = ReadSmallFile(AT_FDCWD, path, path);
  if (!text.ok()) return text.status();
  return ParseInterfaces(*text);
}

DescriptorCount CountDescriptors(const std::string& proc, int pid) {
  DescriptorCount out;
  DIR* dir = opendir(OfProcess(proc, pid, "fd").c_str());
  if (dir == nullptr) return out;
  char target[8];
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] == '.') continue;
    ++out.all;
    ssize_t size = readlinkat(dirfd(dir), entry->d_name, target, sizeof target);
    if (size >= 6 && std::memcmp(target, "socket", 6) == 0) ++out.sockets;
  }
  closedir(dir);
  return out;
}

std::optional<int64_t> OpenFilesLimit(const std::string& proc, int pid) {
  constexpr std::string_view kName = "Max open files";
  std::string limits = Text(OfProcess(proc, pid, "limits"));
  std::string_view text = limits, line;
  while (NextLine(text, line)) {
    if (line.substr(0, kName.size()) != kName) continue;
    line.remove_prefix(kName.size());
    std::string_view soft = NextWord(line);
    return soft == "unlimited" ? -1 : static_cast<int64_t>(ToNumber(soft));
  }
  return std::nullopt;
}

std::vector<DiskUsage> ReadDisks(const std::string& proc) {
  std::vector<DiskUsage> out;
  std::string stats = Text(proc + "/diskstats");
  std::string_view text = stats, line;
  while (NextLine(text, line)) {
    DiskUsage disk;
    disk.major = static_cast<unsigned>(ToNumber(NextWord(line)));
    disk.minor = static_cast<unsigned>(ToNumber(NextWord(line)));
    disk.name = std::string(NextWord(line));
    for (uint64_t* value : {&disk.reads, &disk.reads_merged, &disk.sectors_read, &disk.read_ms,
                            &disk.writes, &disk.writes_merged, &disk.sectors_written,
                            &disk.write_ms, &disk.in_progress, &disk.io_ms, &disk.weighted_ms})
      *value = ToNumber(NextWord(line));
    if (!disk.name.empty()) out.push_back(std::move(disk));
  }
  return out;
}

SwapSpace ReadSwap(const std::string& proc) {
  std::string text = Text(proc + "/meminfo");
  return {ValueOf(text, "SwapTotal:") * 1024, ValueOf(text, "SwapFree:") * 1024};
}

std::optional<int64_t> CountTasks(const std::string& proc) {
  std::string loadavg = Text(proc + "/loadavg");
  std::string_view text = loadavg;
  for (int i = 0; i < 4; ++i) NextWord(text, "/");
  std::string_view all = NextWord(text, "/");
  if (all.empty()) return std::nullopt;
  return static_cast<int64_t>(ToNumber(all));
}

std::optional<base::WallTime> BootTime(const std::string& proc) {
  uint64_t seconds = ValueOf(Text(proc + "/stat"), "btime");
  if (seconds == 0) return std::nullopt;
  return base::WallFromUnixNanos(static_cast<int64_t>(seconds) * 1'000'000'000);
}

std::string CgroupOf(const std::string& proc, const std::string& process) {
  std::string cgroups = Text(proc + "/" + process + "/cgroup");
  std::string_view text = cgroups, line;
  std::string memory, systemd, unified;
  bool v1 = false;
  while (NextLine(text, line)) {  // 4:memory:/a/b
    size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    std::string_view names = line.substr(first + 1, second - first - 1);
    std::string group(line.substr(second + 1));
    if (names.empty()) unified = group;
    if (names == "name=systemd") systemd = group;
    while (!names.empty()) {
      if (NextWord(names, ",") == "memory") memory = group, v1 = true;
    }
  }
  if (!v1) return unified;
  return systemd.empty() ? memory : systemd;
}

int ListenerOf(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) return 0;
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size());
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ucred peer{};
  socklen_t size = sizeof peer;
  if (!fd.ok() || connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return 0;
  return peer.pid;
}

CpuLayout ReadCpuLayout(const std::vector<int>& cpus, const std::string& sys) {
  std::set<std::string> cores, sockets;
  for (int cpu : cpus) {
    std::string topology = sys + "/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    std::string socket = Trim(Text(topology + "physical_package_id"));
    std::string core = Trim(Text(topology + "core_id"));
    sockets.insert(socket);
    cores.insert(socket + "/" + (core.empty() ? std::to_string(cpu) : core));
  }
  return {static_cast<int>(cores.size()), static_cast<int>(sockets.size())};
}

OwnUsage ReadOwnUsage(const std::string& proc) {
  OwnUsage out;
  timespec cpu{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  out.cpu_seconds = static_cast<double>(cpu.tv_sec) + static_cast<double>(cpu.tv_nsec) / 1e9;
  std::string stat = Text(proc + "/self/stat");
  std::string_view words = stat;
  if (size_t end = words.rfind(')'); end != std::string_view::npos) words.remove_prefix(end + 1);
  // Fields of proc(5) from the third on.
  for (int field = 3; !words.empty() && field <= 24; ++field) {
    std::string_view word = NextWord(words);
    if (field == 20) out.threads = ToNumber(word);
    if (field == 23) out.virtual_bytes = ToNumber(word);
    if (field == 24)
      out.resident_bytes = ToNumber(word) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    if (field == 22) {
      double ticks = static_cast<double>(ToNumber(word));
      double boot = static_cast<double>(ValueOf(Text(proc + "/stat"), "btime"));
      out.started = boot + ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
    }
  }
  ReadOctets(Text(proc + "/self/net/netstat"), out);
  struct stat info {};
  std::string fds = proc + "/self/fd";
  // Linux 6.2 tells the number as the size of the directory; counting is for older ones.
  if (::stat(fds.c_str(), &info) == 0) out.open_files = static_cast<uint64_t>(info.st_size);
  if (out.open_files == 0) out.open_files = CountDescriptors(proc, getpid()).all;
  return out;
}

}  // namespace kubelet::os
