// Mirror pods: the API server's copies of the static pods, made, renewed and deleted here, in a
// queue of their own that is in nobody's way. Static pods start, stop and restart whatever happens
// to it.
//
// Level-triggered, by full name: wanted static pod against known mirror pod.
//
//   wanted  mirror                         then
//   yes     none                           create, once the node is known and not being deleted
//   yes     config.mirror = config.hash    nothing
//   yes     another hash, and the worker   wait for it (Poke): the mirror shows the pod that
//           of the old pod is ending       still runs
//   yes     another hash, being deleted,   delete (grace 0, its uid), then create
//           or outlived (Recreate)
//   no      any, the worker is ending      wait for it (Poke)
//   no      any                            delete (grace 0, its uid)
//
// Rules: pkg/kubelet/pod/mirror_client.go, kubelet.go tryReconcileMirrorPods (1.36). Deviations: a
// new manifest's mirror is made when the old pod has ended, and does not wait for the new one's
// first sync; a mirror that the watch has not shown yet is found by asking when creating it fails;
// orphans are deleted by uid too; a pod of that name that is no mirror is reported (Problems) and
// tried again at growing distance.
//
// A static pod that was adopted from another kubelet (podstore::WithUid) has that kubelet's uid as
// its config.hash: its mirror stays. So SetStatic comes after adoption, that is after the runtime
// was listed. Core loop only. Nothing but the wanted pods' pointers and a few words per mirror is
// kept.
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

namespace kubelet::mirror {

class MirrorPods {
 public:
  struct Options {
    base::Nanos call_timeout = std::chrono::seconds(10);
    base::Nanos doubt =
        std::chrono::seconds(1);  // a new mirror that a list did not have is looked for
    client::ApiQueue::Options queue;
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    client::Api& api;
    std::string node_name;
    std::function<double()> random;  // [0, 1), for jitter
    // A static pod of this full name (api::FullName) is still being ended by its worker.
    std::function<bool(const std::string& full_name)> ending;
    base::Registry* metrics = nullptr;
  };
  MirrorPods(Deps deps, Options options);
  ~MirrorPods();

  // The static pods that are wanted (and admitted). Two of one full name: the first counts.
  // `complete` false: not every source has spoken, mirrors without a static pod are left alone.
  // Nothing happens before the first call, nor before the first SetMirrors.
  void SetStatic(const std::vector<api::PodPtr>& pods, bool complete);
  // All mirror pods of this node after a list; others in it are passed over. Then one event at a
  // time.
  void SetMirrors(const std::vector<api::PodPtr>& pods);
  void SetMirror(const api::PodPtr& pod);
  // Also for a pod that is no mirror: it may have stood in the way.
  void RemoveMirror(const api::PodPtr& last);
  // The Node object: its uid (empty: not known yet), and whether it has a deletionTimestamp.
  void SetNode(const std::string& uid, bool deleting);
  // Something about this full name changed, such as the end of a worker: look again.
  void Poke(const std::string& full_name);
  // Make this mirror pod anew (StatusWriter::Deps::on_outlived_mirror).
  void Recreate(const std::string& mirror_uid);
  // The API server answers again: go now.
  void Wake() { queue_.Wake(); }

  // uid of the right mirror pod of a static pod, empty when there is none.
  std::string MirrorOf(const api::core::Pod& pod) const;
  // By which uid clients may know a static pod: that of its mirror, also of one that is out of date or being deleted,
  // as long as it shows this very pod (api::StaticUidOf). Empty when there is none.
  std::string ShownAs(const api::core::Pod& pod) const;
  // Full name -> why there is no mirror pod, in words. Static pods are not affected.
  std::map<std::string, std::string> Problems() const;
  base::Task<void> Stop();

 private:
  struct Mirror {
    std::string uid, hash, shows;
    uint64_t version = 0;   // resourceVersion; 0: not a number
    bool deleting = false;  // has a deletionTimestamp
    bool outlived = false;
    bool seen = false;   // by the watch
    bool doubt = false;  // a list did not have it, or had the one before it
  };
  struct Entry {
    api::PodPtr wanted;
    std::string name, namespace_;
    std::optional<Mirror> mirror;
    std::string dead_uid;  // deleted by us: what the watch still says of it is old
    std::string problem;
  };
  enum class Action { kNothing, kDelete, kCreate, kLook };
  Action Decide(const std::string& full_name, const Entry& entry) const;
  Entry& Make(const std::string& full_name, const api::core::Pod& pod);
  Entry* Find(const std::string& full_name);
  // An event and an answer are passed over when they are older than what is known. A list is not,
  // nor an answer to a question that nothing came between: an etcd that was restored from a backup
  // begins with lower versions.
  enum class From { kEvent, kList, kAnswer, kFreshAnswer };
  bool Note(Entry& entry, const api::core::Pod& pod, From from);
  void Look(const std::string& full_name);
  void LookAll();
  std::string Waiting() const;
  void EraseIdle(const std::string& full_name);
  base::Task<client::ApiQueue::Result> Run(std::string full_name);
  base::Task<absl::Status> Create(std::string full_name);
  base::Task<absl::Status> Delete(std::string full_name);
  base::Task<absl::Status> Ask(std::string full_name);
  absl::Status Blocked(const std::string& full_name, const absl::Status& why);
  std::shared_ptr<api::core::Pod> MakeMirror(const api::core::Pod& pod) const;

  Deps deps_;
  Options options_;
  std::map<std::string, Entry> entries_;  // by full name
  std::string node_uid_;
  bool node_deleting_ = false;
  bool have_static_ = false, have_mirrors_ = false, complete_ = false;
  base::Gauge* gauge_ = nullptr;
  client::ApiQueue queue_;
};

}  // namespace kubelet::mirror
