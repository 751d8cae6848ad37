#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

#include "kubelet/base/status.h"
#include "kubelet/os/cgroup.h"
#include "os/cgroup_tree.h"
#include "os/fd.h"

namespace kubelet::os {

using cgroup_internal::CheckPath;
using cgroup_internal::ChildrenIn;
using cgroup_internal::Join;
using cgroup_internal::Relative;

namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

int MillisLeft(SteadyTime deadline) {
  auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<int64_t>(left.count(), 0));
}

void CollectProcesses(int dir_fd, const std::string& path, std::set<int>& out) {
  auto text = ReadSmallFile(dir_fd, Relative(path) + "/cgroup.procs", path);
  if (text.ok()) {
    std::istringstream in(*text);
    for (int pid; in >> pid;) out.insert(pid);
  }
  for (const auto& child : ChildrenIn(dir_fd, path))
    CollectProcesses(dir_fd, Join(path, child), out);
}

// `123 (sleep), 456 (sh)`, a few of them.
std::string NameProcesses(const std::set<int>& pids) {
  std::string out;
  int named = 0;
  for (int pid : pids) {
    if (++named > 5) return out + ", … " + std::to_string(pids.size()) + " in all";
    auto comm = ReadSmallFile(AT_FDCWD, "/proc/" + std::to_string(pid) + "/comm", "comm");
    out += (out.empty() ? "" : ", ") + std::to_string(pid);
    out += pid == 0 ? " (in another PID namespace)" : comm.ok() ? " (" + Trim(*comm) + ")" : "";
  }
  return out;
}

bool IsPopulated(const std::string& events) {
  return events.find("populated 1") != std::string::npos;
}

// The kernel wakes a poll of cgroup.events when it changes.
void WaitUntilEmpty(int dir_fd, const std::string& path, SteadyTime deadline) {
  Fd events(openat(dir_fd, (Relative(path) + "/cgroup.events").c_str(), O_RDONLY | O_CLOEXEC));
  if (!events.ok()) return;
  do {
    char text[256];
    ssize_t n = pread(events.get(), text, sizeof text, 0);
    if (n <= 0 || !IsPopulated(std::string(text, static_cast<size_t>(n)))) return;
    pollfd wait{events.get(), POLLPRI, 0};
    poll(&wait, 1, MillisLeft(deadline));
  } while (MillisLeft(deadline) > 0);
}

}  // namespace

std::set<int> CgroupHierarchy::Processes(const std::string& path) const {
  std::set<int> pids;
  if (!CheckPath(path).ok()) return pids;
  for (const auto& tree : trees_) CollectProcesses(tree->fd.get(), path, pids);
  return pids;
}

// A pid is killed through a descriptor that was opened before it was seen in the group a second
// time: one that was given to somebody else in between is not ours to kill.
absl::Status CgroupHierarchy::Kill(const std::string& path) const {
  auto deadline = std::chrono::steady_clock::now() + options_.removal_patience;
  do {
    auto pids = Processes(path);
    if (pids.empty()) return absl::OkStatus();
    if (pids.count(getpid()) != 0)
      return absl::FailedPreconditionError("cgroup " + path + " holds this very process");
    if (v2() && faccessat(trees_.front()->fd.get(), (Relative(path) + "/cgroup.kill").c_str(), F_OK,
                          0) == 0) {
      const Tree& tree = *trees_.front();
      RETURN_IF_ERROR(WriteValue(tree.fd.get(), Relative(path) + "/cgroup.kill",
                                 tree.Name(path, "cgroup.kill"), "1"));
      WaitUntilEmpty(tree.fd.get(), path, deadline);
      continue;
    }
    std::map<int, Fd> handles;
    for (int pid : pids) {
      if (pid <= 1) continue;
      if (Fd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))); fd.ok())
        handles.emplace(pid, std::move(fd));
    }
    auto still = Processes(path);
    std::vector<pollfd> waits;
    for (const auto& [pid, fd] : handles) {
      if (still.count(pid) == 0) continue;
      syscall(SYS_pidfd_send_signal, fd.get(), SIGKILL, nullptr, 0);
      waits.push_back({fd.get(), POLLIN, 0});
    }
    while (!waits.empty() && MillisLeft(deadline) > 0) {
      poll(waits.data(), waits.size(), MillisLeft(deadline));
      std::erase_if(waits, [](const pollfd& wait) { return wait.revents != 0; });
    }
    if (handles.empty()) poll(nullptr, 0, std::min(5, MillisLeft(deadline)));
  } while (MillisLeft(deadline) > 0);
  auto left = Processes(path);
  if (left.empty()) return absl::OkStatus();
  return absl::UnavailableError("cgroup " + path +
                                ": still has processes after SIGKILL: " + NameProcesses(left));
}

absl::Status CgroupHierarchy::RemoveFrom(const Tree& tree, const std::string& path) const {
  auto remove = [&] {
    if (options_.calls.remove_group)
      return options_.calls.remove_group(tree.fd.get(), Relative(path));
    return unlinkat(tree.fd.get(), Relative(path).c_str(), AT_REMOVEDIR) == 0 ? 0 : errno;
  };
  auto deadline = std::chrono::steady_clock::now() + options_.removal_patience;
  for (int wait_ms = 1;; wait_ms = std::min(wait_ms * 2, 50)) {
    int error = remove();
    if (error == 0 || error == ENOENT) return absl::OkStatus();
    if (error != EBUSY && error != ENOTEMPTY)
      return base::ErrnoStatus(error, "rmdir " + tree.Name(path));
    for (const auto& child : ChildrenIn(tree.fd.get(), path))
      RETURN_IF_ERROR(RemoveFrom(tree, Join(path, child)));
    error = remove();
    if (error == 0 || error == ENOENT) return absl::OkStatus();
    if (MillisLeft(deadline) == 0) break;
    // A killed process leaves its group a moment after it is reported as gone.
    poll(nullptr, 0, std::min(wait_ms, MillisLeft(deadline)));
  }
  std::set<int> pids;
  CollectProcesses(tree.fd.get(), path, pids);
  std::string text = "rmdir " + tree.Name(path) + ": busy";
  if (!pids.empty()) text += ", processes " + NameProcesses(pids);
  for (const auto& child : ChildrenIn(tree.fd.get(), path)) text += ", group " + child;
  return absl::UnavailableError(text);
}

absl::Status CgroupHierarchy::Remove(const std::string& path) const {
  RETURN_IF_ERROR(CheckPath(path));
  if (path == "/") return absl::InvalidArgumentError("the root cgroup is not removed");
  bool busy = false;
  // Mostly the group is empty by now, and this is all.
  for (const auto& tree : trees_) {
    int error = 0;
    if (options_.calls.remove_group) {
      error = options_.calls.remove_group(tree->fd.get(), Relative(path));
    } else if (unlinkat(tree->fd.get(), Relative(path).c_str(), AT_REMOVEDIR) != 0) {
      error = errno;
    }
    busy |= error != 0 && error != ENOENT;
  }
  if (!busy) return absl::OkStatus();
  RETURN_IF_ERROR(Kill(path));
  for (const auto& tree : trees_) RETURN_IF_ERROR(RemoveFrom(*tree, path));
  return absl::OkStatus();
}

}  // namespace kubelet::os
