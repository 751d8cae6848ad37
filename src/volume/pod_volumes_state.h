// What the two sources of PodVolumes share.
#pragma once

#include <boost/asio/post.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "kubelet/base/async.h"
#include "kubelet/volume/volume.h"
#include "volume/operations.h"
#include "volume/persistent.h"
#include "volume/places.h"
#include "volume/plan.h"

namespace kubelet::volume {

inline absl::Status TornDown() {
  return absl::AbortedError("the pod's volumes were removed meanwhile");
}

// Core loop only.
struct PodVolumes::State {
  State(base::Clock& clock, const VolumeOptions& options)
      : operations(clock, options.metrics, options.on_event) {}
  Operations operations;

  // Tokens to be renewed: pod and volume, and when.
  std::map<std::string, std::map<std::string, base::WallTime>> refresh;
  // One writer per pod.
  std::map<std::string, std::shared_ptr<base::Semaphore>> writers;
  // False: there was a Teardown since.
  bool IsWriter(const std::string& uid, const std::shared_ptr<base::Semaphore>& writer) const {
    auto it = writers.find(uid);
    return it != writers.end() && it->second == writer;
  }

  // What the claims and nfs volumes of a pod came to. Once known the API server is not asked again:
  // a claim stays bound while its pod is there, and a container starts again without the server.
  std::map<std::string, std::map<std::string, PersistentPlan>> persistent;
  PersistentPlan* Persistent(const std::string& uid, const std::string& volume) {
    auto pod = persistent.find(uid);
    if (pod == persistent.end()) return nullptr;
    auto it = pod->second.find(volume);
    return it == pod->second.end() ? nullptr : &it->second;
  }
  // The same, for statistics alone, of volumes that nobody wanted since the start.
  std::map<std::string, std::map<std::string, PersistentPlan>> looked_up;
  uint64_t teardowns = 0;  // begun or ended
  // By name of the PersistentVolume: who mounts or unmounts the filesystem of its device now; and,
  // by `files of <name>`, who binds it and gives its files to a group.
  std::map<std::string, std::weak_ptr<base::Semaphore>> device_turns;
  // Some pod has it, or is about to.
  bool WantsDevice(const std::string& name) const {
    for (const auto& [uid, plans] : persistent)
      for (const auto& [volume, plan] : plans)
        if (plan.kind == PersistentPlan::Kind::kLocal && !plan.block && plan.name == name)
          return true;
    return false;
  }
  // Volumes, by pod and name, whose claims could not be resolved at the last attempt.
  std::set<std::pair<std::string, std::string>> unbound;
  // Unique names of attachable volumes by pod, from when one is wanted until it is torn down.
  std::map<std::string, std::set<std::string>> attachable;

  // Volumes of kinds that are not served here, by pod, as they were found at the start.
  std::map<std::string, int> foreign;

  // What is under way, by mount point or by pod: when it was begun. An entry stays for as long as
  // its thread does.
  std::map<std::string, std::multiset<base::MonoTime>> running;

  // The root itself answers; a path on it that does not is a link to somewhere else.
  static std::string MountKey(const std::string& path, const std::string& mount_point) {
    if (mount_point != "/") return "the mount " + mount_point;
    return "the path " + path;
  }
  bool Hangs(const std::string& key, base::MonoTime now) const {
    auto it = running.find(key);
    return it != running.end() && now - *it->second.begin() > kSlow;
  }

  void Begin(const std::string& key, base::MonoTime now) { running[key].insert(now); }
  void End(const std::string& key, base::MonoTime begun) {
    auto it = running.find(key);
    if (it == running.end()) return;
    if (auto entry = it->second.find(begun); entry != it->second.end()) it->second.erase(entry);
    if (it->second.empty()) running.erase(it);
  }
};

// Told on the core loop, once: that work has ended, or was dropped before a thread had time for it.
class Ending {
 public:
  Ending(base::Executor executor, std::function<void(bool answered)> end)
      : executor_(std::move(executor)), end_(std::move(end)) {}
  ~Ending() { Tell(false); }
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;
  void Tell(bool answered) {
    if (!end_) return;
    boost::asio::post(executor_, [end = std::exchange(end_, nullptr), answered] { end(answered); });
  }

 private:
  base::Executor executor_;
  std::function<void(bool)> end_;
};

template <typename T>
base::Task<absl::StatusOr<T>> PodVolumes::Tracked(std::string kind, std::string key,
                                                  std::chrono::seconds timeout,
                                                  std::function<absl::StatusOr<T>()> work) {
  auto begun = clock_.Mono();
  state_->Begin(key, begun);
  std::function<void(bool)> end = [state = state_, places = std::weak_ptr(places_), key, begun,
                                   &clock = clock_](bool answered) {
    state->End(key, begun);
    auto waiting = places.lock();
    if (waiting && answered && clock.Mono() - begun > kSlow) waiting->Answered(key);
  };
  auto ending = std::make_shared<Ending>(executor_, std::move(end));
  std::function<absl::StatusOr<T>()> tracked = [work = std::move(work), ending] {
    auto result = work();
    ending->Tell(!absl::IsUnavailable(result.status()) &&
                 !absl::IsDeadlineExceeded(result.status()));
    return result;
  };
  ending.reset();
  co_return co_await pool_.Run<T>(std::move(kind), timeout, std::move(tracked));
}

template <typename T>
base::Task<absl::StatusOr<T>> PodVolumes::LookAt(std::string key,
                                                 std::function<absl::StatusOr<T>()> work) {
  if (state_->Hangs(key, clock_.Mono())) co_return absl::UnavailableError(key + " does not answer");
  std::string kind = "hostPath";
  co_return co_await Tracked<T>(std::move(kind), std::move(key), options_.host_path_timeout,
                                std::move(work));
}

}  // namespace kubelet::volume
