// Probes of all pods: keeps one small worker per container and probe, makes the probes when they
// are due, and knows what they add up to (runtime::Health). Timers, no threads; a probe under way
// costs a socket and a coroutine.
//
//   Sync(pod, observed) ──> workers ──timer──> queue ──a few per turn of the loop──> Prober ──>
//   verdict ──> on_change
//
// Regular containers and sidecars have workers. Readiness and liveness probes wait for the startup
// probe. While a pod is being ended its readiness goes on and the other two have stopped. Probes
// run on the loop that also does everything else, so a probe may be late; it is then simply made
// later, and never counted as failed for that. One that hangs holds nobody up: a worker waits for
// its own probe only.
//
// Verdicts over a restart of the kubelet: a container that ran before keeps what it was shown to be
// until its first probe says otherwise. For pods of the API server that is their status, by
// container id: what watchers see is what must not flip. For static pods it is a small text that
// `save` is given now and then and Restore takes; a static pod of which nothing is known, such as
// one started by another kubelet, counts as started and ready.
// (pkg/kubelet/prober/prober_manager.go does without the text, and there static pods do flip.)
//
// Core loop only.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kubelet/base/async.h"
#include "kubelet/base/metrics.h"
#include "kubelet/probe/action.h"
#include "kubelet/runtime/health.h"
#include "kubelet/runtime/observed.h"
#include "kubelet/runtime/ports.h"

namespace kubelet::probe {

class ProbeManager : public runtime::Health {
 public:
  struct Options {
    int starts_per_turn = 8;  // the loop does other things in between
    base::Nanos save_after = std::chrono::milliseconds(100), save_pause = std::chrono::seconds(2);
    // Probes begin at multiples of this: those of one moment share a wake-up. Zero: each at its
    // own.
    base::Nanos slot = std::chrono::milliseconds(20);
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    Prober& prober;
    // A verdict about a container of this pod is another than before: look at the pod and make its
    // status anew.
    std::function<void(const std::string& uid)> on_change;
    std::function<void(const api::core::Pod&, const runtime::PodEvent&)> on_event;
    std::function<std::vector<std::string>()> host_ips;  // for pods in the host's network
    std::function<void(std::string text)> save = {};     // keep this, soon; empty: nothing is kept
    base::Registry* metrics = nullptr;
    std::function<double()> random = {};  // [0, 1); empty: one of its own
  };
  ProbeManager(Deps deps, Options options);
  ~ProbeManager() override;

  // What `save` was last given, by an earlier process. Before the first Sync; what cannot be read
  // is ignored.
  void Restore(const std::string& text);

  // The pod or what runs of it has changed. Cheap, may be called at any time; `observed` may be
  // null.
  void Sync(const api::PodPtr& pod, const runtime::ObservedPodPtr& observed);
  // The pod is being ended: only its readiness matters now.
  void StopLivenessAndStartup(const std::string& uid);
  // Nothing of the pod runs any more, and nothing will.
  void Remove(const std::string& uid);

  runtime::ContainerHealth Of(const api::core::Pod& pod, const api::core::Container& container,
                              const runtime::ContainerStatus& status) const override;
  size_t workers() const;

 private:
  struct Worker;
  struct Container;
  struct Entry;
  struct Metrics;
  struct Shown {
    bool started = false, ready = false;
  };
  using WorkerPtr = std::shared_ptr<Worker>;

  std::optional<Shown> ShownBefore(const api::core::Pod& pod,
                                   const runtime::ContainerStatus& status) const;
  bool RanBefore(const runtime::ContainerStatus& status) const;
  void Follow(Entry& entry, const api::core::Container& spec);
  void Begin(Entry& entry, Container& container, const api::core::Container& spec,
             const runtime::ContainerStatus& status);
  void Open(Container& container);
  void Arm(const WorkerPtr& worker);
  void Halt(Container& container, bool all);
  void Queue(const WorkerPtr& worker);
  void Drain();
  void Start(const WorkerPtr& worker);
  static base::Task<void> RunOne(std::weak_ptr<ProbeManager*> self, Prober* prober,
                                 WorkerPtr worker, runtime::ContainerId id, Action action,
                                 std::chrono::seconds timeout);
  void Take(const WorkerPtr& worker, const runtime::ContainerId& id, const Outcome& outcome);
  void Report(const Entry& entry, Worker& worker, const Outcome& outcome);
  Container* FindContainer(const std::string& uid, const std::string& name);
  std::string PodIp(const Entry& entry) const;
  void SaveSoon();
  std::string Text() const;

  Deps deps_;
  Options options_;
  base::WallTime begun_;
  base::MonoTime begun_mono_;
  std::map<std::string, std::unique_ptr<Entry>> pods_;  // with probes; by uid
  std::map<std::string, Shown> restored_;               // container id
  std::deque<std::weak_ptr<Worker>> queue_;
  bool draining_ = false, save_scheduled_ = false;
  std::optional<base::MonoTime> saved_;
  std::string kept_;  // what was given to `save`
  std::unique_ptr<Metrics> metrics_;
  std::shared_ptr<ProbeManager*> self_;  // tasks that outlive us see it gone
  base::TaskScope scope_;
};

}  // namespace kubelet::probe
