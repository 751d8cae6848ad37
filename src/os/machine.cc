#include "kubelet/os/machine.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <sstream>

#include "kubelet/base/status.h"
#include "os/fd.h"

namespace kubelet::os {
namespace {

constexpr int kMaxCpu = 1 << 16;

std::string TextOf(const std::string& path) {
  auto text = ReadSmallFile(AT_FDCWD, path, path);
  return text.ok() ? Trim(*text) : "";
}

template <typename T>
bool Number(const std::string& text, T& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

int64_t NumberOf(const std::string& path) {
  int64_t value = 0;
  return Number(TextOf(path), value) ? value : 0;
}

// `MemTotal:       1024 kB`
int64_t MeminfoBytes(const std::string& meminfo, const std::string& key) {
  std::istringstream lines(meminfo);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    int64_t kib = 0;
    if (words >> name >> kib && name == key + ":") return kib * 1024;
  }
  return 0;
}

std::string OsImage(const std::string& os_release) {
  std::istringstream lines(os_release);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("PRETTY_NAME=", 0) != 0) continue;
    std::string value = line.substr(12);
    bool quoted =
        value.size() >= 2 && (value[0] == '"' || value[0] == '\'') && value.back() == value[0];
    return quoted ? value.substr(1, value.size() - 2) : value;
  }
  return "";
}

std::vector<std::string> Swaps(const std::string& text) {
  std::istringstream lines(text);
  std::vector<std::string> out;
  std::string line;
  std::getline(lines, line);  // heading
  while (std::getline(lines, line)) {
    if (!Trim(line).empty()) out.push_back(Trim(line));
  }
  return out;
}

// Directories such as hugepages-2048kB.
std::map<int64_t, int64_t> HugePages(const std::string& dir_name) {
  std::map<int64_t, int64_t> out;
  DIR* dir = opendir(dir_name.c_str());
  if (dir == nullptr) return out;
  while (const dirent* entry = readdir(dir)) {
    std::string name = entry->d_name;
    int64_t kib = 0;
    if (name.rfind("hugepages-", 0) != 0 || name.size() < 13 ||
        name.substr(name.size() - 2) != "kB")
      continue;
    if (!Number(name.substr(10, name.size() - 12), kib)) continue;
    out[kib * 1024] = NumberOf(dir_name + "/" + name + "/nr_hugepages");
  }
  closedir(dir);
  return out;
}

std::string FirstNonEmpty(std::initializer_list<std::string> paths) {
  for (const auto& path : paths) {
    if (auto text = TextOf(path); !text.empty()) return text;
  }
  return "";
}

}  // namespace

absl::StatusOr<std::vector<int>> ParseCpuList(const std::string& text) {
  std::vector<int> cpus;
  std::string list = Trim(text);
  std::istringstream ranges(list);
  for (std::string range; std::getline(ranges, range, ',');) {
    size_t dash = range.find('-');
    int first = 0, last = 0;
    bool ok = Number(range.substr(0, dash), first);
    ok = ok &&
         (dash == std::string::npos ? (last = first, true) : Number(range.substr(dash + 1), last));
    if (!ok || first < 0 || last < first || last >= kMaxCpu) {
      return absl::InvalidArgumentError("`" + list + "` is not a list of CPUs");
    }
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
  }
  std::sort(cpus.begin(), cpus.end());
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  return cpus;
}

absl::StatusOr<int64_t> FilesystemBytes(const std::string& path) {
  struct statvfs info {};
  if (statvfs(path.c_str(), &info) != 0) return base::ErrnoStatus(errno, "statvfs " + path);
  return static_cast<int64_t>(info.f_blocks) * static_cast<int64_t>(info.f_frsize);
}

absl::StatusOr<Machine> ReadMachine(const std::string& root) {
  Machine machine;
  std::string cpu_file = root + "/sys/devices/system/cpu/online";
  machine.cpu_list = TextOf(cpu_file);
  auto cpus = ParseCpuList(machine.cpu_list);
  if (!cpus.ok() || cpus->empty())
    return absl::FailedPreconditionError(cpu_file + ": cannot tell the online CPUs");
  machine.cpus = static_cast<int>(cpus->size());
  std::string meminfo = TextOf(root + "/proc/meminfo");
  machine.memory_bytes = MeminfoBytes(meminfo, "MemTotal");
  machine.swap_bytes = MeminfoBytes(meminfo, "SwapTotal");
  if (machine.memory_bytes <= 0)
    return absl::FailedPreconditionError(root + "/proc/meminfo: no MemTotal");
  int64_t pid_max = NumberOf(root + "/proc/sys/kernel/pid_max");
  int64_t threads_max = NumberOf(root + "/proc/sys/kernel/threads-max");
  machine.max_pids = pid_max > 0 && threads_max > 0 ? std::min(pid_max, threads_max)
                                                    : std::max(pid_max, threads_max);
  machine.swaps = Swaps(TextOf(root + "/proc/swaps"));
  machine.huge_pages = HugePages(root + "/sys/kernel/mm/hugepages");
  machine.boot_id = TextOf(root + "/proc/sys/kernel/random/boot_id");
  machine.machine_id = FirstNonEmpty({root + "/etc/machine-id", root + "/var/lib/dbus/machine-id"});
  machine.system_uuid = TextOf(root + "/sys/class/dmi/id/product_uuid");
  if (machine.system_uuid.empty()) machine.system_uuid = machine.machine_id;
  machine.kernel_version = TextOf(root + "/proc/sys/kernel/osrelease");
  machine.os_image =
      OsImage(FirstNonEmpty({root + "/etc/os-release", root + "/usr/lib/os-release"}));
  return machine;
}

}  // namespace kubelet::os
