// What the two sources of PodVolumes share.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "kubelet/base/async.h"
#include "kubelet/volume/volume.h"
#include "volume/plan.h"

namespace kubelet::volume {

// Entries for the sub paths that lead into `volume`, whose own entry is there.
absl::Status SetUpSubPaths(const VolumePlan& plan, const std::string& pod_dir,
                           const std::string& volume, VolumeMap& paths);

// Core loop only.
struct PodVolumes::State {
  // Tokens to be renewed: pod and volume, and when.
  std::map<std::string, std::map<std::string, base::WallTime>> refresh;
  // One writer per pod.
  std::map<std::string, std::shared_ptr<base::Semaphore>> writers;
  // False: there was a Teardown since.
  bool IsWriter(const std::string& uid, const std::shared_ptr<base::Semaphore>& writer) const {
    auto it = writers.find(uid);
    return it != writers.end() && it->second == writer;
  }

  // What is under way, by mount point or by pod: when it was begun. An entry stays for as long as
  // its thread does.
  std::map<std::string, std::multiset<base::MonoTime>> running;

  void Begin(const std::string& key, base::MonoTime now) { running[key].insert(now); }
  void End(const std::string& key, base::MonoTime begun) {
    auto it = running.find(key);
    if (it == running.end()) return;
    if (auto entry = it->second.find(begun); entry != it->second.end()) it->second.erase(entry);
    if (it->second.empty()) running.erase(it);
  }
};

}  // namespace kubelet::volume
