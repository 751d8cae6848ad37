#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "kubelet/os/mount.h"
#include "kubelet/volume/pod_files.h"

namespace kubelet::volume {
namespace {

namespace fs = std::filesystem;

constexpr char kLog[] = ".log";
// Upstream cuts names of links that are too long at their end, which is the id
// (kuberuntime/legacy.go); less of it names nobody.
constexpr size_t kLeastId = 6;

// An error that is not "not there" may pass: the log may be where it was.
bool IsDeadLink(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0 || !S_ISLNK(info.st_mode)) return false;
  return stat(path.c_str(), &info) != 0 && errno == ENOENT;
}

// `POD_NAMESPACE_CONTAINER-ID.log` -> ID
std::string ContainerOf(const std::string& link) {
  size_t dash = link.rfind('-');
  if (dash == std::string::npos) return "";
  return link.substr(dash + 1, link.size() - dash - sizeof kLog);
}

bool IsOfOne(const std::string& link, const std::set<std::string>& containers) {
  std::string id = ContainerOf(link);
  if (id.size() < kLeastId) return false;
  auto it = containers.lower_bound(id);
  return it != containers.end() && it->rfind(id, 0) == 0;
}

}  // namespace

LogNames ListLogs(const PodDirs& dirs) {
  LogNames out;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(dirs.pod_logs_dir, ec)) {
    std::string name = entry.path().filename().string();
    // Names of namespaces and pods have no underscore: three parts, or it is not ours.
    if (std::count(name.begin(), name.end(), '_') == 2) out.pods.push_back(std::move(name));
  }
  for (const auto& entry : fs::directory_iterator(dirs.legacy_log_dir, ec)) {
    std::string name = entry.path().filename().string();
    if (name.ends_with(kLog) && IsDeadLink(entry.path().string()))
      out.dead_links.push_back(std::move(name));
  }
  return out;
}

LogNames OrphanLogs(LogNames listed, const std::set<std::string>& pods,
                    const std::set<std::string>& containers) {
  std::erase_if(listed.pods, [&pods](const std::string& name) {
    return pods.contains(name.substr(name.rfind('_') + 1));
  });
  std::erase_if(listed.dead_links,
                [&containers](const std::string& link) { return IsOfOne(link, containers); });
  return listed;
}

void RemoveLogs(const PodDirs& dirs, const LogNames& names) {
  for (const auto& name : names.pods) (void)os::RemoveTree(dirs.pod_logs_dir + "/" + name);
  for (const auto& name : names.dead_links) {
    std::string path = dirs.legacy_log_dir + "/" + name;
    if (IsDeadLink(path)) unlink(path.c_str());
  }
}

}  // namespace kubelet::volume
