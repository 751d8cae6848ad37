// The one writer that brings pod statuses to the API server, and the last delete of a finished pod.
//
// Level-triggered: it knows what each pod's status should be (Set) and what the server last showed
// (Observed, and the answers to its own patches) and writes the difference. There is one call in
// flight per pod, up to 16 in all; versions in between are skipped; changes of Ready and deletions
// go first. Patches are computed against what the server is known to have, so nothing is read
// before a write, and what equals it is not written: after a restart of the kubelet no status
// flips.
//
// A static pod's status goes to its mirror pod: the one that names the pod's uid (api::StaticUidOf). It is
// kept while there is none. Both go by the static uid here.
//
// Rules: pkg/kubelet/status/status_manager.go (1.36). Deviations: no GET before a PATCH; what
// others made of our fields is repaired after 10 s and not by comparing everything every 10 s;
// restart counts do not go down; nominatedNodeName is left alone. Core loop only. Memory: two
// serialized statuses per pod.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kubelet/api/types.h"
#include "kubelet/base/metrics.h"
#include "kubelet/client/api.h"
#include "kubelet/client/api_queue.h"

namespace kubelet::status {

class StatusWriter {
 public:
  struct Flags {
    // No container of the pod runs or will be started again. Until then a change of phase to
    // Succeeded or Failed is held back, with its reason, message and DisruptionTarget; the rest of
    // the status is written.
    bool terminal_allowed = false;
  };
  struct Options {
    base::Nanos audit = std::chrono::seconds(10);         // repair of what others changed
    base::Nanos call_timeout = std::chrono::seconds(10);  // one call
    client::ApiQueue::Options queue;
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    client::Api& api;
    std::function<double()> random;  // [0, 1), for jitter
    base::Registry* metrics = nullptr;
    // The mirror pod of this uid shows Succeeded or Failed and its static pod runs anew; phases do
    // not go back, so the mirror has to be made again (mirror::MirrorPods::Recreate). May be empty.
    std::function<void(const std::string& mirror_uid)> on_outlived_mirror;
  };
  StatusWriter(Deps deps, Options options);
  ~StatusWriter();

  // What the pod's status is now. Call it at every change, or more often: the same status again
  // costs one serialization. Not before the runtime has been listed. `pod` gives name, source and
  // the order of containers and is not kept. Times are cut to seconds, lists sorted and messages
  // cut as upstream does; lastTransitionTime moves only with a condition's status; startTime stays.
  void Set(const std::string& uid, const api::PodPtr& pod, const api::core::PodStatus& status,
           Flags flags);
  // The pod is cleaned up for good: no containers, volumes, cgroups. Allows the terminal phase
  // (Failed when the status has none, but for static pods) and then, when the server shows
  // a deletionTimestamp and a terminal phase, deletes the pod with grace 0 and its uid as
  // precondition. Mirror pods are never deleted here.
  void Finished(const std::string& uid);
  // Neither wanted nor alive: everything about it is dropped, pending writes too. For a pod of the
  // API not before the watch has shown it removed.
  void Forget(const std::string& uid);

  // The pod as the API server shows it: every pod of this node, mirror pods too, at each event of
  // the watch, before Set for the same change. Only what is needed is copied.
  void Observed(const api::PodPtr& pod);
  // After a list: these are all there are. Others have been removed. It replaces what is known,
  // also when it looks older: an etcd restored from a backup begins with lower versions.
  void ObservedAll(const std::vector<api::PodPtr>& pods);
  // The watch said it is deleted. What is wanted stays until Forget; nothing is written.
  void Removed(const api::PodPtr& last);
  // The API server answers again: everything that waits goes now.
  void Wake() { queue_.Wake(); }

  // What the server is known to have, by pod uid (a static pod's own); nullopt: not there. For the
  // `previous` of Generate after a restart of the kubelet.
  std::optional<api::core::PodStatus> Shown(const std::string& uid) const;
  // Why the status of this pod is not written, in words; empty when it is or will be at once.
  std::string Problem(const std::string& uid) const;
  size_t pending() const { return queue_.size(); }
  base::Task<void> Stop();

 private:
  struct Entry;
  struct Step;
  Entry& Make(const std::string& key);
  enum class News { kEvent, kWhole };  // passed over when older; replaces what is known
  void Note(const std::string& key, const api::core::Pod& pod, News news);
  void DropServer(const std::string& key, uint64_t version);
  void EraseIdle(const std::string& key);
  void Queue(const std::string& key, const Entry& entry);
  void Suspect(Entry& entry);
  void Audit();
  Step Next(const Entry& entry) const;
  Entry* Find(const std::string& key, const std::string& server_uid);
  base::Task<client::ApiQueue::Result> Write(std::string key);
  base::Task<absl::Status> Patch(std::string key, Step step);
  base::Task<absl::Status> PatchOnce(std::string key, Step step);
  base::Task<absl::Status> Refresh(std::string key, std::string uid);
  base::Task<absl::Status> Delete(std::string key, std::string uid);
  void Written(const std::string& key, const Step& step, const api::core::Pod& answer);
  absl::Status Failed(const std::string& key, const std::string& uid, const absl::Status& status);

  Deps deps_;
  Options options_;
  std::map<std::string, std::unique_ptr<Entry>> entries_;  // by pod uid, static uid for mirrors
  std::optional<base::Clock::TimerId> audit_timer_;
  base::Histogram* durations_ = nullptr;
  std::string scratch_;
  client::ApiQueue queue_;
};

}  // namespace kubelet::status
