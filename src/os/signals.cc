#include "kubelet/os/signals.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>

#include "kubelet/base/status.h"
#include "os/fd.h"

namespace kubelet::os {
namespace {

// Above this a limit is none (cAdvisor).
constexpr int64_t kUnlimited = int64_t{1} << 62;

std::optional<int64_t> Number(const std::string& text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// `key value`, a line each; 0 when it is not there.
int64_t StatOf(const std::string& stat, const std::string& key) {
  std::istringstream lines(stat);
  std::string name;
  int64_t value = 0;
  while (lines >> name >> value) {
    if (name == key) return value;
  }
  return 0;
}

absl::StatusOr<int64_t> ReadNumber(const CgroupHierarchy& hierarchy, const std::string& path,
                                   const char* file) {
  ASSIGN_OR_RETURN(auto text, hierarchy.Read(path, "memory", file));
  auto value = Number(text);
  if (!value) return absl::FailedPreconditionError(path + "/" + file + ": not a number: " + text);
  return *value;
}

// The root of cgroup v2 has no memory.current; its parts are the same (libcontainer).
absl::StatusOr<int64_t> UsageV2(const CgroupHierarchy& hierarchy, const std::string& path,
                                const std::string& stat) {
  auto current = ReadNumber(hierarchy, path, "memory.current");
  if (current.ok() || !absl::IsNotFound(current.status())) return current;
  return StatOf(stat, "anon") + StatOf(stat, "file");
}

absl::StatusOr<int64_t> WorkingSet(const CgroupHierarchy& hierarchy, const std::string& path) {
  ASSIGN_OR_RETURN(auto stat, hierarchy.Read(path, "memory", "memory.stat"));
  absl::StatusOr<int64_t> usage = hierarchy.v2()
                                      ? UsageV2(hierarchy, path, stat)
                                      : ReadNumber(hierarchy, path, "memory.usage_in_bytes");
  if (!usage.ok()) return usage.status();
  int64_t idle = StatOf(stat, hierarchy.v2() ? "inactive_file" : "total_inactive_file");
  return std::max<int64_t>(*usage - idle, 0);
}

std::optional<int64_t> FileNumber(const std::string& path) {
  auto text = ReadSmallFile(AT_FDCWD, path, path);
  return text.ok() ? Number(Trim(*text)) : std::nullopt;
}

}  // namespace

absl::StatusOr<Left> ReadMemoryLeft(const CgroupHierarchy& hierarchy, int64_t capacity) {
  ASSIGN_OR_RETURN(int64_t used, WorkingSet(hierarchy, "/"));
  return Left{std::max<int64_t>(capacity - used, 0), capacity};
}

absl::StatusOr<Left> ReadGroupMemoryLeft(const CgroupHierarchy& hierarchy,
                                         const std::string& path) {
  const char* file = hierarchy.v2() ? "memory.max" : "memory.limit_in_bytes";
  auto limit = ReadNumber(hierarchy, path, file);
  if (absl::IsFailedPrecondition(limit.status()) || (limit.ok() && *limit > kUnlimited))
    return absl::FailedPreconditionError(path + ": memory is not limited");
  if (!limit.ok()) return limit.status();
  ASSIGN_OR_RETURN(int64_t used, WorkingSet(hierarchy, path));
  return Left{std::max<int64_t>(*limit - used, 0), *limit};
}

absl::StatusOr<FilesystemSpace> ReadFilesystemSpace(const std::string& path) {
  struct statvfs info {};
  if (statvfs(path.c_str(), &info) != 0) return base::ErrnoStatus(errno, "statvfs " + path);
  auto bytes = [&](auto blocks) {
    return static_cast<int64_t>(blocks) * static_cast<int64_t>(info.f_frsize);
  };
  FilesystemSpace space;
  space.bytes = {bytes(info.f_bavail), bytes(info.f_blocks)};
  space.inodes = {static_cast<int64_t>(info.f_ffree), static_cast<int64_t>(info.f_files)};
  return space;
}

absl::StatusOr<Left> ReadTasksLeft(const std::string& root) {
  auto pids = FileNumber(root + "/proc/sys/kernel/pid_max");
  auto threads = FileNumber(root + "/proc/sys/kernel/threads-max");
  if (!pids && !threads) {
    return absl::FailedPreconditionError(root +
                                         "/proc/sys/kernel: neither pid_max nor threads-max");
  }
  int64_t most = std::min(pids.value_or(INT64_MAX), threads.value_or(INT64_MAX));
  // `1.36 3.49 4.53 2/3518 3715089`: the number behind the slash.
  ASSIGN_OR_RETURN(auto text, ReadSmallFile(AT_FDCWD, root + "/proc/loadavg", "/proc/loadavg"));
  std::istringstream words(text);
  std::string one, five, fifteen, tasks;
  words >> one >> five >> fifteen >> tasks;
  size_t slash = tasks.find('/');
  auto running = slash == std::string::npos ? std::nullopt : Number(tasks.substr(slash + 1));
  if (!running) return absl::FailedPreconditionError("/proc/loadavg: no number of tasks");
  return Left{most - *running, most};
}

bool AppArmorEnabled(const std::string& root) {
  bool there = access((root + "/sys/kernel/security/apparmor").c_str(), F_OK) == 0;
  auto enabled = ReadSmallFile(AT_FDCWD, root + "/sys/module/apparmor/parameters/enabled", "");
  return there && enabled.ok() && !enabled->empty() && enabled->front() == 'Y';
}

}  // namespace kubelet::os
