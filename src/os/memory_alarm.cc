#include "kubelet/os/memory_alarm.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

#include "kubelet/base/status.h"
#include "os/fd.h"

namespace kubelet::os {
namespace {

constexpr char kTrigger[] = "some 100000 1000000";  // microseconds, of as many

absl::StatusOr<Fd> OpenFile(const std::string& path, int flags) {
  Fd fd(open(path.c_str(), flags | O_CLOEXEC));
  if (fd.get() < 0) return base::ErrnoStatus(errno, "open " + path);
  return fd;
}

absl::Status WriteAll(int fd, const std::string& text, const std::string& path) {
  // The end of a trigger is a zero byte.
  auto size = static_cast<ssize_t>(text.size() + 1);
  if (write(fd, text.c_str(), text.size() + 1) == size) return absl::OkStatus();
  return base::ErrnoStatus(errno, "write `" + text + "` to " + path);
}

absl::StatusOr<int64_t> InactiveFile(const std::string& path) {
  ASSIGN_OR_RETURN(auto text, ReadSmallFile(AT_FDCWD, path, path));
  std::istringstream lines(text);
  std::string name;
  int64_t value = 0;
  while (lines >> name >> value) {
    if (name == "total_inactive_file") return value;
  }
  return absl::FailedPreconditionError(path + ": no total_inactive_file");
}

}  // namespace

absl::StatusOr<int> WatchWorkingSet(const std::string& memory, const std::string& group,
                                    int64_t working_set) {
  std::string dir = memory + (group == "/" ? "" : group);
  ASSIGN_OR_RETURN(int64_t inactive, InactiveFile(dir + "/memory.stat"));
  ASSIGN_OR_RETURN(auto usage, OpenFile(dir + "/memory.usage_in_bytes", O_RDONLY));
  std::string control_path = dir + "/cgroup.event_control";
  ASSIGN_OR_RETURN(auto control, OpenFile(control_path, O_WRONLY));
  Fd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (event.get() < 0) return base::ErrnoStatus(errno, "eventfd");
  std::string line = std::to_string(event.get()) + " " + std::to_string(usage.get()) + " " +
                     std::to_string(working_set + inactive);
  RETURN_IF_ERROR(WriteAll(control.get(), line, control_path));
  return event.Release();
}

absl::StatusOr<int> WatchMemoryPressure(const std::string& proc) {
  std::string path = proc + "/pressure/memory";
  ASSIGN_OR_RETURN(auto fd, OpenFile(path, O_RDWR | O_NONBLOCK));
  RETURN_IF_ERROR(WriteAll(fd.get(), kTrigger, path));
  return fd.Release();
}

}  // namespace kubelet::os
