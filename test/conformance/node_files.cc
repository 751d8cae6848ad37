#include "conformance/node_files.h"

#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "kubelet/base/status.h"

namespace kubelet::conformance {
namespace {

namespace fs = std::filesystem;
constexpr char kCgroups[] = "/sys/fs/cgroup";

std::string ReadLine(const fs::path& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

void KillAllIn(const fs::path& group) {
  std::ifstream in(group / "cgroup.procs");
  for (pid_t pid = 0; in >> pid;) kill(pid, SIGKILL);
}

std::vector<fs::path> DeepestFirst(const fs::path& top) {
  std::vector<fs::path> groups{top};
  std::error_code ec;
  for (auto it = fs::recursive_directory_iterator(top, ec);
       !ec && it != fs::recursive_directory_iterator(); it.increment(ec))
    if (it->is_directory(ec)) groups.push_back(it->path());
  std::sort(groups.begin(), groups.end(), [](const fs::path& a, const fs::path& b) {
    return a.string().size() > b.string().size();
  });
  return groups;
}

}  // namespace

std::vector<std::string> CgroupTrees() {
  std::error_code ec;
  if (fs::exists(std::string(kCgroups) + "/cgroup.controllers", ec)) return {kCgroups};
  std::vector<std::string> trees;
  for (const auto& entry : fs::directory_iterator(kCgroups, ec)) {
    // The tree `unified` of a hybrid machine has no controllers.
    bool tree = entry.is_directory(ec) && !entry.is_symlink(ec);
    if (tree && entry.path().filename() != "unified") trees.push_back(entry.path());
  }
  return trees;
}

absl::Status MakeCgroups(const std::string& name) {
  for (const std::string& tree : CgroupTrees()) {
    fs::path group = fs::path(tree) / name;
    std::error_code ec;
    fs::create_directory(group, ec);
    if (ec) return base::ErrnoStatus(ec.value(), "mkdir " + group.string());
    // A process cannot join a cpuset of v1 that is empty.
    for (const char* file : {"cpuset.cpus", "cpuset.mems"})
      if (tree != kCgroups && fs::exists(group / file, ec))
        std::ofstream(group / file) << ReadLine(fs::path(tree) / file);
  }
  return absl::OkStatus();
}

absl::Status RemoveCgroups(const std::string& name) {
  absl::Status status;
  std::vector<std::string> trees = CgroupTrees();
  // Runtimes make groups there too.
  trees.push_back(std::string(kCgroups) + "/unified");
  for (const std::string& tree : trees) {
    fs::path top = fs::path(tree) / name;
    std::error_code ec;
    if (!fs::exists(top, ec)) continue;
    for (const fs::path& group : DeepestFirst(top)) {
      for (int tries = 0; rmdir(group.c_str()) != 0 && errno != ENOENT; ++tries) {
        if (tries > 100) {
          status = base::ErrnoStatus(errno, "rmdir " + group.string());
          break;
        }
        KillAllIn(group);
        // The kernel tells nobody when the last killed process has left a group of cgroup v1.
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
    }
  }
  return status;
}

void UnmountBelow(const std::string& dir) {
  std::ifstream in("/proc/self/mounts");
  std::vector<std::string> points;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string device, point;
    words >> device >> point;
    if (point.rfind(dir + "/", 0) == 0) points.push_back(point);
  }
  for (auto point = points.rbegin(); point != points.rend(); ++point)
    umount2(point->c_str(), MNT_DETACH);
}

void RemoveLinksInto(const std::string& dir, const std::string& target) {
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(dir, ec)) {
    std::error_code ignored;
    if (!entry.is_symlink(ignored)) continue;
    if (fs::read_symlink(entry.path(), ignored).string().rfind(target, 0) == 0)
      fs::remove(entry.path(), ignored);
  }
}

}  // namespace kubelet::conformance
