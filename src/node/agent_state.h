// What stands behind NodeAgent: the registration and status loop. Internal to the room.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kubelet/node/node_agent.h"
#include "node/lease.h"
#include "node/startup_times.h"

namespace kubelet::node {

struct NodeAgent::State {
  State(Deps deps, Options options, Callbacks callbacks);

  base::Task<void> Run();
  base::Task<bool> TryRegister();
  // True when the server came back before the time was over.
  base::Task<bool> WaitToRegister(base::Nanos pause);
  // The object that stands in the way of ours: takes it over.
  base::Task<bool> TakeOver(NodeFacts facts, core::Node initial);
  // One turn of the status loop.
  base::Task<void> Sync();
  // nullopt: nothing to be sent; otherwise what became of it.
  base::Task<std::optional<absl::Status>> SyncOnce(NodeFacts facts, bool refresh);
  base::Task<absl::Status> Refresh();
  // Sends the difference in metadata and status.
  base::Task<absl::Status> Patch(core::Node from, ComputedNode to);
  // One call about our Node; a good answer becomes the known object.
  base::Task<absl::Status> DoNode(client::Call call);
  client::Call MakeCall(client::Call::Verb verb) const;

  void Adopt(std::shared_ptr<core::Node> node);
  void Observe(NodePtr node, bool listed);
  // Wakes the status loop on account of what others wrote, at once or when the pause is over.
  void WakeForOthers();
  base::Task<void> WakeAt(base::MonoTime when);
  void ServerBack();
  void Forget();
  bool ReportDue() const;
  // Chooses how much longer the next unchanged status waits.
  void PlanReport(bool changed);
  void Tell(const std::vector<NodeEvent>& events);
  base::Nanos Jittered(base::Nanos d);
  void ApplyPodCidr();
  base::Task<void> CallPodCidr(std::string cidr);

  Deps deps;
  Options options;
  Callbacks callbacks;
  NodePtr node;
  uint64_t adopted = 0;  // how often `node` was set
  bool registered = false;
  bool behind = false;  // the last status could not be sent
  bool rebooted_told = false;
  bool unschedulable = false;  // as last told
  std::optional<base::MonoTime> last_report;
  base::Nanos report_delay{0};
  std::string pod_cidr;  // as last applied
  bool applying_pod_cidr = false;
  bool registration_waits = false;
  base::MonoTime others_last{}, others_next{};  // when woken for others, and when it may be again
  base::Nanos others_pause{0};
  bool others_told = false, waking = false;
  base::WakeEvent wake, back;
  StartupTimes times;
  LeaseKeeper lease;
  base::TaskScope scope;
};

}  // namespace kubelet::node
