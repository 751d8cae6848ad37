#include "conformance/cgroups.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "kubelet/base/status.h"
#include "kubelet/os/cgroup_driver.h"

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

// The root of v2, or each hierarchy of v1.
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

absl::Status MakeDirectories(const std::string& path) {
  for (const std::string& tree : CgroupTrees()) {
    fs::path group = tree + path;
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

absl::Status RemoveDirectories(const std::string& path) {
  absl::Status status;
  std::vector<std::string> trees = CgroupTrees();
  // Runtimes make groups there too.
  trees.push_back(std::string(kCgroups) + "/unified");
  for (const std::string& tree : trees) {
    fs::path top = tree + path;
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

absl::StatusOr<std::unique_ptr<os::CgroupDriver>> Systemd() {
  auto hierarchy = os::CgroupHierarchy::OpenHost();
  if (!hierarchy.ok()) return hierarchy.status();
  auto manager = os::ConnectSystemd();
  if (!manager.ok())
    return base::Annotate(manager.status(), "the runtime's cgroup driver is systemd");
  return os::MakeSystemdDriver(*std::move(hierarchy), *std::move(manager));
}

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

RunGroups::RunGroups(runtime::CgroupDriver driver, const std::string& name)
    : driver_(driver), name_(name) {
  if (systemd()) name_.erase(std::remove(name_.begin(), name_.end(), '-'), name_.end());
}

const char* RunGroups::driver() const { return systemd() ? "systemd" : "cgroupfs"; }

std::string RunGroups::Path(const std::vector<std::string>& below) const {
  os::CgroupName name{name_};
  name.insert(name.end(), below.begin(), below.end());
  return systemd() ? os::SlicePath(name) : os::CgroupfsPath(name);
}

std::vector<std::string> RunGroups::Dirs() const {
  std::vector<std::string> dirs;
  for (const std::string& tree : CgroupTrees()) dirs.push_back(tree + Path());
  return dirs;
}

absl::Status RunGroups::Make() const {
  if (!systemd()) return MakeDirectories(Path());
  ASSIGN_OR_RETURN(auto driver, Systemd());
  return driver->Create({name_}, os::CgroupValues()).status();
}

absl::Status RunGroups::Remove() const {
  if (!systemd()) return RemoveDirectories(Path());
  ASSIGN_OR_RETURN(auto driver, Systemd());
  return driver->Remove({name_});
}

bool IsGroupOf(const std::string& entry, const std::string& what) {
  if (entry.find("conmon") != std::string::npos) return false;
  std::string unit = what;
  std::replace(unit.begin(), unit.end(), '-', '_');
  return EndsWith(entry, what) || EndsWith(entry, unit + ".slice") ||
         EndsWith(entry, what + ".scope");
}

}  // namespace kubelet::conformance
