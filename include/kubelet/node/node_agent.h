// Brings this machine into the cluster and keeps it there: registers the Node, reports its status,
// renews its lease. Core loop only.
//
//   Start -> register (again after 100 ms doubling to 7 s) -> status loop: every status_update, at
//            once after Poke: facts -> ComputeNode -> PATCH when changed or status_report is over
//         -> lease loop, on its own: neither waits for the other
//
// Every PATCH is made against the last known object (answers of our calls, Observe), never after a
// GET, unless the try before failed with an answer of the server. A Node that somebody deletes
// while we run is not made again, as upstream does; when one of that name appears, it is taken
// over. Answers with 401, 403 and the like are tried again as all others. Facts of Kubernetes 1.36:
// kubelet_node_status.go, component-helpers/apimachinery/lease.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"
#include "kubelet/base/metrics.h"
#include "kubelet/client/api.h"
#include "kubelet/node/node_status.h"

namespace kubelet::node {

using NodePtr = std::shared_ptr<const core::Node>;

class NodeAgent {
 public:
  struct Options {
    NodeOptions node;
    bool register_node = true;  // false: only reports, when the Node exists
    base::Nanos status_update = std::chrono::seconds(10);  // nodeStatusUpdateFrequency, 4 % jitter
    // nodeStatusReportFrequency: how long an unchanged status is not sent. The first time after a
    // change it is stretched or cut by chance, up to its half.
    base::Nanos status_report = std::chrono::minutes(5);
    base::Nanos lease_duration = std::chrono::seconds(40);  // renewed every quarter of it
  };
  // Each may be empty.
  struct Callbacks {
    // For the Event recorder. Told once the server has the change; `Starting` at Start.
    std::function<void(const NodeEvent&)> on_event;
    // The Node as it is known now; null: deleted. After registration, each sent status and each
    // Observe that brought something new. volumesInUse in it have been reported.
    std::function<void(NodePtr)> on_node;
    // spec.podCIDRs joined by commas, for UpdateRuntimeConfig; asked again every status_update
    // until it returns OK.
    std::function<base::Task<absl::Status>(std::string)> apply_pod_cidr;
    // A heartbeat failed twice in a row without an answer of the server: connections may be stale.
    // It may as well be one slow answer: what lives must not be closed.
    std::function<void()> on_unreachable;
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    client::Api& api;
    // What is so now. Must not wait for a runtime that hangs: the last known answer is good enough.
    std::function<base::Task<NodeFacts>()> facts;
    std::function<double()> random;  // [0, 1), for jitter
    base::Registry* metrics = nullptr;
    std::optional<base::WallTime> booted = {};  // the machine, for metrics; nullopt: not known
  };

  NodeAgent(Deps deps, Options options, Callbacks callbacks);
  ~NodeAgent();
  void Start();  // once
  base::Task<void> Stop();

  // Something in the facts has changed that should not wait for the next turn: a Ready input, a
  // pressure, the addresses. Many pokes are one turn; none is sent when nothing differs.
  void Poke();
  // The server answers again (a watch of anything is healthy, say): what waits for its next try,
  // be it the registration, a status that could not be sent or the lease, is tried now.
  void ServerBack();
  // What a watch of the own Node saw (null: it is gone). Optional; without it changes by others
  // (cordon, podCIDRs) are learnt with the next status that is sent. An object that is older than
  // the last known one is passed over, unless it came with a list: an etcd that was restored from
  // a backup begins with lower versions.
  // Somebody who took us for dead, or another Node of our name, is answered at once; who does it
  // again, such as a second kubelet of this name, after a second, doubling to status_update.
  void Observe(NodePtr node, bool listed = false);

  // The last known object; null: never seen, or deleted. Without managedFields.
  NodePtr node() const;
  bool registered() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kubelet::node
