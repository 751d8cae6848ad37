#include "volume/remove.h"

#include <dirent.h>

#include <algorithm>
#include <array>

#include "kubelet/os/mount.h"

namespace kubelet::volume {
namespace {

constexpr std::array kScratch = {"kubernetes.io~empty-dir",    "kubernetes.io~secret",
                                 "kubernetes.io~configmap",    "kubernetes.io~projected",
                                 "kubernetes.io~downward-api", "kubernetes.io~git-repo"};

std::vector<std::string> EntriesIn(const std::string& path, bool directories_only) {
  std::vector<std::string> names;
  DIR* dir = opendir(path.c_str());
  if (dir == nullptr) return names;
  while (const dirent* entry = readdir(dir)) {
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (!directories_only || entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN)
      names.push_back(name);
  }
  closedir(dir);
  return names;
}

// Keeps the first failure of several steps that are all done.
class First {
 public:
  void Add(const absl::Status& status) {
    if (status_.ok()) status_ = status;
  }
  const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
};

}  // namespace

std::vector<std::string> DirectoriesIn(const std::string& path) { return EntriesIn(path, true); }

absl::StatusOr<bool> RemoveVolumesUntil(const std::string& pod_dir,
                                        std::chrono::steady_clock::time_point until) {
  std::vector<std::string> trees;
  for (const auto& kind : DirectoriesIn(pod_dir + "/volumes")) {
    if (std::find(kScratch.begin(), kScratch.end(), kind) != kScratch.end())
      trees.push_back(pod_dir + "/volumes/" + kind);
  }
  trees.push_back(pod_dir + "/volume-subpaths");
  trees.push_back(pod_dir + "/plugins");
  First first;
  for (const auto& tree : trees) {
    auto done = os::RemoveTreeUntil(tree, until);
    first.Add(done.status());
    if (done.ok() && !*done) return false;
  }
  first.Add(os::RemoveDirectories(pod_dir + "/volumes"));
  first.Add(os::RemoveDirectories(pod_dir + "/volumeDevices"));
  if (!first.status().ok()) return first.status();
  return true;
}

absl::Status RemoveVolumes(const std::string& pod_dir) {
  return RemoveVolumesUntil(pod_dir, std::chrono::steady_clock::time_point::max()).status();
}

absl::Status RemovePodDir(const std::string& pod_dir) {
  First first;
  first.Add(RemoveVolumes(pod_dir));
  for (const auto& name : EntriesIn(pod_dir, false)) {
    if (name != "volumes" && name != "volumeDevices")
      first.Add(os::RemoveTree(pod_dir + "/" + name));
  }
  if (first.status().ok()) first.Add(os::RemoveDirectories(pod_dir));
  return first.status();
}

}  // namespace kubelet::volume
