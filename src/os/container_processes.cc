#include "kubelet/os/container_processes.h"

#include <dirent.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>

#include "kubelet/base/status.h"

namespace kubelet::os {
namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

bool InContainer(const std::string& proc, int pid, const std::string& container_id) {
  return ReadAll(proc + "/" + std::to_string(pid) + "/cgroup").find(container_id) !=
         std::string::npos;
}

std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find('\0', begin), text.size());
    out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

// Fields of proc(5) stat behind the name, which may hold anything.
std::optional<ContainerProcess> Read(const std::string& proc, int pid, double uptime) {
  const std::string folder = proc + "/" + std::to_string(pid);
  std::string stat = ReadAll(folder + "/stat");
  size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream in(stat.substr(name_end + 1));
  ContainerProcess out;
  out.pid = pid;
  std::string state, skipped;
  int group = 0;
  if (!(in >> state >> out.parent >> group >> out.session)) return std::nullopt;
  constexpr int kBetweenSessionAndStart = 15;
  for (int i = 0; i < kBetweenSessionAndStart; ++i) in >> skipped;
  double start = 0;
  if (!(in >> start)) return std::nullopt;
  double age = std::max(uptime - start / static_cast<double>(::sysconf(_SC_CLK_TCK)), 0.0);
  out.age = base::Nanos(static_cast<int64_t>(age * 1e9));
  out.zombie = state == "Z" || state == "X";
  out.command = Words(ReadAll(folder + "/cmdline"));
  return out;
}

}  // namespace

absl::StatusOr<std::vector<ContainerProcess>> ListContainerProcesses(
    const std::string& proc, const std::string& container_id) {
  double uptime = 0;
  std::istringstream(ReadAll(proc + "/uptime")) >> uptime;
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(proc.c_str()), ::closedir);
  if (!dir) return base::ErrnoStatus(errno, "opendir " + proc);
  std::vector<ContainerProcess> out;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    int pid = 0;
    auto [rest, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || rest != name.data() + name.size()) continue;
    if (!InContainer(proc, pid, container_id)) continue;
    if (auto process = Read(proc, pid, uptime)) out.push_back(*std::move(process));
  }
  return out;
}

int KillContainerSession(const std::string& proc, const std::string& container_id, int session) {
  int killed = 0;
  auto processes = ListContainerProcesses(proc, container_id);
  if (!processes.ok()) return 0;
  for (const auto& process : *processes) {
    if (process.session != session || process.zombie) continue;
    int fd = static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0));
    if (fd < 0) continue;
    // Whom the descriptor means is settled: look once more whether it is the one.
    auto again = Read(proc, process.pid, 0);
    bool same = again && again->session == session && InContainer(proc, process.pid, container_id);
    if (same && ::syscall(SYS_pidfd_send_signal, fd, SIGKILL, nullptr, 0) == 0) ++killed;
    ::close(fd);
  }
  return killed;
}

}  // namespace kubelet::os
