// The node around the pods, in memory: volumes, cgroups, directories, images. What it holds outlives a kubelet.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "kubelet/api/pod.h"
#include "kubelet/runtime/ports.h"

namespace kubelet::test {

// What is left on the node, by pod uid. `fail` scripts one answer per port call, by its name; times -1 for ever.
struct FakeNode {
  struct Script {
    absl::Status status;
    int times = 1;
  };
  std::map<std::string, Script> fail;
  std::map<std::string, std::map<std::string, uint32_t>> logs;  // uid -> container -> next attempt
  std::set<std::string> directories, mounts, cgroups;           // uids
  std::map<std::string, std::string> files;  // `<volume>/<path>` -> text
  std::map<std::string, runtime::PodLimits> limits;             // of the cgroups, by uid
  std::function<runtime::PodLimits(const api::core::Pod&)> wanted_limits;
  int64_t memory_in_use = 0;  // of every container
  std::vector<std::string> calls;
  std::function<void(const std::string& uid)> on_logs_gone;

  absl::Status Call(const std::string& name, const std::string& uid) {
    calls.push_back(name + " " + uid);
    auto it = fail.find(name);
    if (it == fail.end()) return absl::OkStatus();
    absl::Status status = it->second.status;
    if (it->second.times > 0 && --it->second.times == 0) fail.erase(it);
    return status;
  }
};

// One kubelet's hands on the node; a dead kubelet has none.
struct FakeHands {
  FakeNode& node;
  std::function<bool()> alive = [] { return true; };
  absl::Status Call(const std::string& name, const std::string& uid) const {
    return alive() ? node.Call(name, uid) : absl::UnavailableError("this kubelet is gone");
  }
};

class FakeVolumes : public runtime::Volumes {
 public:
  explicit FakeVolumes(FakeHands hands) : hands_(std::move(hands)) {}
  base::Task<absl::StatusOr<runtime::VolumePaths>> Prepare(api::PodPtr pod) override {
    const std::string uid = pod->metadata().uid();
    if (auto status = hands_.Call("Volumes.Prepare", uid); !status.ok()) co_return status;
    hands_.node.mounts.insert(uid);
    runtime::VolumePaths paths;
    for (const auto& volume : pod->spec().volumes())
      paths[volume.name()].host_path = "/pods/" + uid + "/" + volume.name();
    co_return paths;
  }
  base::Task<absl::StatusOr<std::map<int, std::string>>> PrepareSubPaths(api::PodPtr pod, std::string container,
                                                                         std::map<int, std::string> paths) override {
    const std::string uid = pod->metadata().uid();
    if (auto status = hands_.Call("Volumes.PrepareSubPaths", uid); !status.ok()) co_return status;
    for (auto& [index, path] : paths) path = "/pods/" + uid + "/subpaths/" + container + "/" + path;
    co_return paths;
  }
  // Files of the volumes, by `<volume>/<path>`.
  base::Task<absl::StatusOr<std::string>> ReadFile(api::PodPtr pod, std::string volume, std::string path) override {
    if (auto status = hands_.Call("Volumes.ReadFile", pod->metadata().uid()); !status.ok()) co_return status;
    auto it = hands_.node.files.find(volume + "/" + path);
    if (it == hands_.node.files.end()) co_return absl::NotFoundError(volume + "/" + path);
    co_return it->second;
  }
  base::Task<absl::Status> Teardown(std::string uid) override {
    auto status = hands_.Call("Volumes.Teardown", uid);
    if (status.ok()) hands_.node.mounts.erase(uid);
    co_return status;
  }

 private:
  FakeHands hands_;
};

class FakeCgroups : public runtime::Cgroups {
 public:
  explicit FakeCgroups(FakeHands hands) : hands_(std::move(hands)) {}
  base::Task<absl::StatusOr<std::string>> EnsurePod(api::PodPtr pod) override {
    const std::string uid = pod->metadata().uid();
    if (auto status = hands_.Call("Cgroups.EnsurePod", uid); !status.ok()) co_return status;
    hands_.node.cgroups.insert(uid);
    if (hands_.node.wanted_limits) hands_.node.limits[uid] = hands_.node.wanted_limits(*pod);
    co_return "/kubepods/pod" + uid;
  }
  base::Task<absl::Status> RemovePod(std::string uid) override {
    auto status = hands_.Call("Cgroups.RemovePod", uid);
    if (status.ok()) hands_.node.cgroups.erase(uid);
    if (status.ok()) hands_.node.limits.erase(uid);
    co_return status;
  }
  int64_t OomScoreAdj(const api::core::Pod&, const api::core::Container&) override { return 1000; }
  // No pod is limited, so there is nothing to resize; a test of resizing has groups of its own.
  base::Task<absl::StatusOr<runtime::PodLimits>> ReadPod(api::PodPtr pod) override {
    if (auto status = hands_.Call("Cgroups.ReadPod", pod->metadata().uid()); !status.ok()) co_return status;
    co_return hands_.node.limits[pod->metadata().uid()];
  }
  runtime::PodLimits WantedLimits(const api::core::Pod& pod) override {
    return hands_.node.wanted_limits ? hands_.node.wanted_limits(pod) : runtime::PodLimits{};
  }
  base::Task<absl::Status> LimitPod(api::PodPtr pod, runtime::PodLimits limits) override {
    if (auto status = hands_.Call("Cgroups.LimitPod", pod->metadata().uid()); !status.ok()) co_return status;
    auto& has = hands_.node.limits[pod->metadata().uid()];
    if (limits.cpu_shares) has.cpu_shares = limits.cpu_shares;
    if (limits.cpu_quota_us) has.cpu_quota_us = limits.cpu_quota_us;
    if (limits.cpu_period_us) has.cpu_period_us = limits.cpu_period_us;
    if (limits.memory_bytes) has.memory_bytes = limits.memory_bytes;
    co_return absl::OkStatus();
  }
  base::Task<absl::StatusOr<runtime::MemoryUse>> MemoryInUse(api::PodPtr pod, std::vector<std::string> ids) override {
    if (auto status = hands_.Call("Cgroups.MemoryInUse", pod->metadata().uid()); !status.ok()) co_return status;
    runtime::MemoryUse use;
    for (const auto& id : ids) use.containers[id] = hands_.node.memory_in_use;
    use.pod = hands_.node.memory_in_use * static_cast<int64_t>(ids.size());
    co_return use;
  }

 private:
  FakeHands hands_;
};

class FakePodFiles : public runtime::PodFiles {
 public:
  explicit FakePodFiles(FakeHands hands) : hands_(std::move(hands)) {}
  base::Task<absl::StatusOr<PodPaths>> PreparePod(api::PodPtr pod) override {
    const std::string uid = pod->metadata().uid();
    if (auto status = hands_.Call("PodFiles.PreparePod", uid); !status.ok()) co_return status;
    hands_.node.directories.insert(uid);
    PodPaths paths;
    paths.next_attempt = hands_.node.logs[uid];
    co_return paths;
  }
  base::Task<absl::StatusOr<ContainerPaths>> PrepareContainer(api::PodPtr pod, std::string container,
                                                              std::vector<std::string>) override {
    const std::string uid = pod->metadata().uid();
    if (auto status = hands_.Call("PodFiles.PrepareContainer", uid); !status.ok()) co_return status;
    ContainerPaths paths;
    paths.etc_hosts = "/pods/" + uid + "/etc-hosts";
    paths.termination_log = "/pods/" + uid + "/" + container + "/log";
    co_return paths;
  }
  base::Task<void> LinkLog(api::PodPtr pod, std::string container, std::string, uint32_t attempt) override {
    if (!hands_.Call("PodFiles.LinkLog", pod->metadata().uid()).ok()) co_return;
    auto& next = hands_.node.logs[pod->metadata().uid()][container];
    next = std::max(next, attempt + 1);
  }
  base::Task<absl::Status> RemovePod(std::string uid, std::string, std::string) override {
    auto status = hands_.Call("PodFiles.RemovePod", uid);
    if (status.ok()) {
      hands_.node.directories.erase(uid);
      hands_.node.logs.erase(uid);
      if (hands_.node.on_logs_gone) hands_.node.on_logs_gone(uid);
    }
    co_return status;
  }

 private:
  FakeHands hands_;
};

// Every image is there, but for those in `waiting`.
class FakeImages : public runtime::Images {
 public:
  base::Task<Answer> Ensure(api::PodPtr, std::string, std::string image, std::string, runtime::SandboxConfig) override {
    Answer answer;
    auto it = waiting.find(image);
    if (it != waiting.end()) {
      answer = it->second;
    } else {
      answer.image.emplace();
      answer.image->id = answer.ref = image;
    }
    co_return answer;
  }
  void Forget(const std::string& image) override { forgotten.push_back(image); }
  std::map<std::string, Answer> waiting;
  std::vector<std::string> forgotten;
};

}  // namespace kubelet::test
