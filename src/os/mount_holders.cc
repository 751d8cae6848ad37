#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <climits>
#include <set>

#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "os/fd.h"

namespace kubelet::os {
namespace {

constexpr size_t kMaxHolders = 8;

std::vector<std::string> Names(const std::string& dir, bool numbers) {
  std::vector<std::string> out;
  DIR* list = opendir(dir.c_str());
  if (list == nullptr) return out;
  while (const dirent* entry = readdir(list)) {
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (!numbers ||
        std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c) != 0; }))
      out.push_back(name);
  }
  closedir(list);
  return out;
}

// What the kernel knows by itself: the file is not touched.
std::string Link(const std::string& path) {
  char buffer[PATH_MAX];
  ssize_t size = readlink(path.c_str(), buffer, sizeof buffer);
  return size > 0 ? std::string(buffer, static_cast<size_t>(size)) : std::string();
}

std::string NameOf(const std::string& process) {
  auto name = ReadSmallFile(AT_FDCWD, process + "/comm", "comm");
  return name.ok() ? Trim(*name) : "?";
}

std::string HeldBy(const std::string& process, const std::string& point) {
  for (const char* what : {"cwd", "root"}) {
    std::string path = Link(process + "/" + what);
    if (path != "/" && IsBelow(path, point)) return std::string("has its ") + what + " at " + path;
  }
  for (const auto& fd : Names(process + "/fd", true)) {
    std::string path = Link(process + "/fd/" + fd);
    if (IsBelow(path, point)) return "has " + path + " open";
  }
  return "";
}

}  // namespace

std::string MountHolders(const Mount& mount, const std::string& proc) {
  std::vector<std::string> found;
  std::string own = Link(proc + "/self/ns/mnt");
  std::set<std::string> namespaces;
  for (const auto& pid : Names(proc, true)) {
    if (found.size() >= kMaxHolders) break;
    std::string process = proc + "/" + pid;
    std::string space = Link(process + "/ns/mnt");
    std::string how;
    if (space == own) {
      how = HeldBy(process, mount.point);
    } else if (namespaces.insert(space).second) {
      auto mounts = ReadMountinfo(process + "/mountinfo");
      if (!mounts.ok()) continue;
      for (const auto& other : *mounts) {
        if (other.major == mount.major && other.minor == mount.minor && other.root == mount.root)
          how = "has it mounted at " + other.point + " in a mount namespace of its own";
      }
    }
    if (!how.empty()) found.push_back(pid + " (" + NameOf(process) + ") " + how);
  }
  std::string out;
  for (const auto& one : found) out += (out.empty() ? "" : ", ") + one;
  return out;
}

absl::StatusOr<bool> MakeShared(const std::string& path) {
  ASSIGN_OR_RETURN(auto mounts, ReadMountinfo());
  const Mount* on = MountOf(mounts, path);
  if (on != nullptr && on->shared) return false;
  if (on == nullptr || on->point != path) {
    // The bind would cover what is mounted there, for those who look as well as for us.
    auto below = MountsBelow(mounts, path);
    if (!below.empty())
      return absl::FailedPreconditionError("bind " + path + " onto itself: " + below.front().point +
                                           " is mounted there already");
    if (mount(path.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0)
      return base::ErrnoStatus(errno, "bind " + path + " onto itself");
  }
  if (mount(path.c_str(), path.c_str(), nullptr, MS_SHARED | MS_REC, nullptr) != 0)
    return base::ErrnoStatus(errno, "make " + path + " a shared mount");
  return true;
}

}  // namespace kubelet::os
