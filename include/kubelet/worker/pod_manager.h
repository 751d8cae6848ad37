// Brings desired and running pods together: which workers there must be, which running pods nobody wants, and
// which running pods are what a manifest asks for under another kubelet's uid.
//
// Nothing is started or stopped before the runtime has been looked at once. A running pod is an orphan only when
// its own source has spoken; other sources do not matter for it.
//
// A pod passes admission once, when its worker is made, in the order of creation; not when it is deleted or over, and
// not when the runtime holds something of it: then it was admitted before a restart, and stays, whatever the node has
// become since (upstream judges it again, and may so end what runs). What was admitted and has nothing in the runtime
// yet is judged again, after those. A critical pod that came in before every source had spoken is held against what
// the others bring: it may preempt them then. Core loop only.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kubelet/podstore/pod_store.h"
#include "kubelet/runtime/observed.h"
#include "kubelet/worker/pod_workers.h"

namespace kubelet::worker {

struct Rejection {
  std::string reason;   // `NodeAffinity`
  std::string message;  // without "Pod was rejected: "
  std::string metric = {};  // how the reason is counted; empty: as it is
};

struct Judgement {
  // Not to be told yet: the pod waits without a worker until PodManager::JudgeAgain.
  bool later = false;
  std::optional<Rejection> rejection;
  // Admitted, and these pods are ended for it: it starts after them.
  std::vector<std::string> preempt;
  std::string preempt_for;       // the resource that lacks, for metrics
  std::set<std::string> after;   // admitted, and starts after these, which are ending already
};

class PodManager {
 public:
  struct Deps {
    podstore::PodStore& store;
    PodWorkers& workers;
    std::function<std::vector<runtime::ObservedPodPtr>()> observed;
    std::function<void(const api::core::Pod&, const runtime::PodEvent&)> on_event;
    // May this pod run here? Empty: every pod may.
    std::function<Judgement(const api::core::Pod&)> admit;
    base::Registry* metrics = nullptr;
    // The pod gets its worker: it was let in now, or had been before this kubelet ran. May be empty.
    std::function<void(const api::PodPtr&)> on_admitted = {};
  };
  explicit PodManager(Deps deps);

  // What came of the snapshot: status and others look again at these pods only.
  podstore::Changes OnSnapshot(const std::string& source, const std::vector<api::PodPtr>& pods, bool complete);
  // The runtime has been listed for the first time.
  void OnSynced();
  void OnObserved(const std::string& uid);
  void OnWorkerForgotten(const std::string& uid);
  // What a judgement had to wait for is there.
  void JudgeAgain() { Reconcile(); }
  // Refused after admission let it in, before anything of it was started: told and counted alike.
  void Reject(const api::PodPtr& pod, const Rejection& rejection);

 private:
  void Reconcile();
  void JudgeRunning(const runtime::ObservedPod& pod);
  void Announce(const podstore::Changes& changes, const std::string& source);
  void TakeOn(const api::PodPtr& pod, bool admitted_before);
  void JudgeEarly();
  void Preempt(const std::string& uid, const std::string& resource, const api::core::Pod& preemptor);
  void CountEphemeral();
  api::PodPtr MaybeAdopt(const api::PodPtr& pod);

  Deps deps_;
  base::Family<base::Counter>* rejections_ = nullptr;
  base::Family<base::Counter>* preemptions_ = nullptr;
  std::set<std::string> early_;  // uids admitted before every source had spoken
  base::Family<base::Gauge>* ephemeral_ = nullptr;
  bool synced_ = false;
};

// Whether a running pod of another uid is what `pod` describes: same full name, a ready sandbox, exactly the
// containers of the manifest by name and image hash, and not made by this kubelet from another manifest.
bool IsSameManifest(const api::core::Pod& pod, const runtime::ObservedPod& running);

}  // namespace kubelet::worker
