#include "kubelet/node/node_agent.h"

#include <algorithm>
#include <cstdlib>

#include "kubelet/api/patch.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "node/agent_state.h"
#include "node/parts.h"

namespace kubelet::node {

using base::Task;
using client::Call;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr int kStatusTries = 5;
constexpr double kJitter = 0.04;
constexpr base::Nanos kFirstPause = milliseconds(100);
constexpr base::Nanos kMaxPause = seconds(7);
constexpr base::Nanos kFirstOthersPause = seconds(1);
constexpr base::Nanos kTellOfOthersAfter = seconds(4);  // the third time in a row

LeaseKeeper::Options LeaseOptions(const NodeAgent::Options& options) {
  return {options.node.name, options.lease_duration};
}

// Whether `a` is an older state of the same object than `b`.
bool Older(const core::Node& a, const core::Node& b) {
  if (a.metadata().uid() != b.metadata().uid()) return false;
  return std::strtoull(a.metadata().resource_version().c_str(), nullptr, 10) <
         std::strtoull(b.metadata().resource_version().c_str(), nullptr, 10);
}

std::string JoinPodCidrs(const core::Node& node) {
  std::string out;
  for (const auto& cidr : node.spec().pod_cidrs()) out += (out.empty() ? "" : ",") + cidr;
  return out;
}

std::string ReadyStatus(const core::Node& node) {
  for (const auto& condition : node.status().conditions()) {
    if (condition.type() == "Ready") return condition.status();
  }
  return "";
}

// Another Node, or somebody who took us for dead: not to be left so until the next turn.
bool Wakes(const NodePtr& before, const core::Node& after) {
  return before == nullptr || before->metadata().uid() != after.metadata().uid() ||
         ReadyStatus(*before) != ReadyStatus(after);
}

}  // namespace

NodeAgent::State::State(Deps d, Options o, Callbacks c)
    : deps(std::move(d)),
      options(std::move(o)),
      callbacks(std::move(c)),
      wake(deps.executor, deps.clock),
      back(deps.executor, deps.clock),
      times(deps.clock, deps.metrics, deps.booted),
      lease({deps.executor, deps.clock, deps.api, deps.random,
             [this] { return node == nullptr ? std::string() : node->metadata().uid(); },
             callbacks.on_unreachable},
            LeaseOptions(options)),
      scope(deps.executor) {}

Task<void> NodeAgent::State::Run() {
  std::vector<NodeEvent> starting = {{false, "Starting", "Starting kubelet."}};
  Tell(starting);
  if (options.register_node) {
    times.Attempt();
    base::Nanos pause = kFirstPause;
    for (;;) {
      bool done = co_await TryRegister();
      if (done) break;
      bool early = co_await WaitToRegister(pause);
      pause = early ? kFirstPause : std::min(2 * pause, kMaxPause);
    }
    LOG_INFO("The node is registered", "node", options.node.name);
  }
  for (;;) {
    co_await Sync();
    co_await wake.Wait(deps.clock.Mono() + Jittered(options.status_update));
  }
}

Task<bool> NodeAgent::State::WaitToRegister(base::Nanos pause) {
  registration_waits = true;
  bool early = co_await back.Wait(deps.clock.Mono() + pause);
  registration_waits = false;
  co_return early;
}

Task<bool> NodeAgent::State::TryRegister() {
  auto asking = deps.facts();
  NodeFacts facts = co_await std::move(asking);
  ComputedNode initial = MakeInitialNode(facts, options.node, deps.clock.Now());
  Call create = MakeCall(Call::Verb::kCreate);
  create.path.name.clear();
  create.body = std::make_shared<core::Node>(initial.node);
  auto status = co_await DoNode(std::move(create));
  if (status.ok()) {
    registered = true;
    times.Registered();
    if (node != nullptr) times.Known(*node);
    PlanReport(true);
    last_report = deps.clock.Mono();
    Tell(initial.events);
    co_return true;
  }
  if (!absl::IsAlreadyExists(status) && !absl::IsPermissionDenied(status)) {
    LOG_WARNING("Cannot register the node", "node", options.node.name, "err",
                base::Message(status));
    co_return false;
  }
  bool taken = co_await TakeOver(std::move(facts), std::move(initial.node));
  co_return taken;
}

Task<bool> NodeAgent::State::TakeOver(NodeFacts facts, core::Node initial) {
  auto status = co_await Refresh();
  if (status.ok()) {
    core::Node from = *node;
    core::Node wanted = from;
    ReconcileExisting(initial, options.node, wanted);
    ComputedNode to = ComputeNode(wanted, facts, options.node, deps.clock.Now());
    PlanReport(true);
    status = co_await Patch(std::move(from), std::move(to));
  }
  if (!status.ok()) {
    LOG_WARNING("Cannot take over the Node that is there", "node", options.node.name, "err",
                base::Message(status));
    co_return false;
  }
  registered = true;
  co_return true;
}

Task<void> NodeAgent::State::Sync() {
  if (node != nullptr) ApplyPodCidr();
  auto asking = deps.facts();
  NodeFacts facts = co_await std::move(asking);
  bool refresh = false;
  absl::Status last;
  for (int i = 0; i < kStatusTries; ++i) {
    NodeFacts copy = facts;
    auto status = co_await SyncOnce(std::move(copy), refresh);
    behind = status && !status->ok();
    if (!behind) co_return;
    last = *status;
    bool answered = client::ErrorOf(last).has_value();
    // There is no such Node: asking four times more does not make one.
    if (absl::IsNotFound(last) && node == nullptr) break;
    refresh = refresh || answered;
    if (i > 0 && !answered && callbacks.on_unreachable) callbacks.on_unreachable();
  }
  LOG_WARNING("Cannot update the status of the node", "node", options.node.name, "err",
              base::Message(last));
}

Task<std::optional<absl::Status>> NodeAgent::State::SyncOnce(NodeFacts facts, bool refresh) {
  if (refresh || node == nullptr) {
    auto read = co_await Refresh();
    if (!read.ok()) co_return std::optional<absl::Status>(read);
  }
  core::Node from = *node;
  ComputedNode to = ComputeNode(from, facts, options.node, deps.clock.Now());
  bool changed = NodeChanged(from, to.node);
  if (!changed && !ReportDue()) co_return std::nullopt;
  PlanReport(changed);
  auto sent = co_await Patch(std::move(from), std::move(to));
  co_return std::optional<absl::Status>(sent);
}

Task<absl::Status> NodeAgent::State::Refresh() {
  Call get = MakeCall(Call::Verb::kGet);
  auto status = co_await DoNode(std::move(get));
  if (absl::IsNotFound(status)) Forget();
  co_return status;
}

Task<absl::Status> NodeAgent::State::Patch(core::Node from, ComputedNode to) {
  *to.node.mutable_spec() = from.spec();
  auto patch = api::StrategicMergeDiff(from, to.node);
  if (!patch.ok()) co_return patch.status();
  Call call = MakeCall(Call::Verb::kPatch);
  call.path.subresource = "status";
  call.patch = *std::move(patch);
  auto status = co_await DoNode(std::move(call));
  if (status.ok()) {
    last_report = deps.clock.Mono();
    if (node != nullptr) times.Known(*node);
    Tell(to.events);
  }
  co_return status;
}

Task<absl::Status> NodeAgent::State::DoNode(Call call) {
  auto answer = std::make_shared<core::Node>();
  uint64_t before = adopted;
  auto status = co_await deps.api.Do(std::move(call), answer.get());
  // The watch may have been quicker, and further.
  bool overtaken = adopted != before && node != nullptr && Older(*answer, *node);
  if (status.ok() && !overtaken) Adopt(std::move(answer));
  co_return status;
}

Call NodeAgent::State::MakeCall(Call::Verb verb) const {
  Call call;
  call.verb = verb;
  call.path.resource = client::kNodes;
  call.path.name = options.node.name;
  call.lane = client::Lane::kHeartbeat;
  call.timeout = std::min(options.status_update, options.lease_duration);
  call.retry = false;
  return call;
}

void NodeAgent::State::Adopt(std::shared_ptr<core::Node> fresh) {
  fresh->mutable_metadata()->clear_managed_fields();
  node = std::move(fresh);
  ++adopted;
  if (node->spec().unschedulable() != unschedulable) {
    unschedulable = node->spec().unschedulable();
    std::vector<NodeEvent> events = {
        StatusEvent(options.node.name, unschedulable ? "NodeNotSchedulable" : "NodeSchedulable")};
    Tell(events);
  }
  ApplyPodCidr();
  lease.NodeKnown();
  if (callbacks.on_node) callbacks.on_node(node);
}

void NodeAgent::State::Observe(NodePtr seen, bool listed) {
  if (seen == nullptr) {
    if (node != nullptr) {
      LOG_WARNING(
          "The Node of this machine was deleted; it is not registered again until the "
          "kubelet starts anew",
          "node", options.node.name);
    }
    Forget();
    return;
  }
  if (seen->metadata().name() != options.node.name) return;
  ServerBack();
  bool known = node != nullptr && node->metadata().uid() == seen->metadata().uid();
  bool same = known && node->metadata().resource_version() == seen->metadata().resource_version();
  if (same || (known && !listed && !Older(*node, *seen))) return;
  bool wakes = Wakes(node, *seen);
  Adopt(std::make_shared<core::Node>(*seen));
  if (wakes) WakeForOthers();
}

void NodeAgent::State::WakeForOthers() {
  auto now = deps.clock.Mono();
  if (others_pause.count() > 0 && now - others_last > 2 * options.status_update) {
    others_pause = base::Nanos(0);
    others_told = false;
  }
  others_last = now;
  if (waking) return;
  if (others_pause.count() > 0 && now < others_next) {
    waking = true;
    scope.Spawn("answer others", WakeAt(others_next));
    return;
  }
  others_pause = std::min(std::max(2 * others_pause, kFirstOthersPause), options.status_update);
  others_next = now + others_pause;
  wake.Notify();
  if (others_pause < kTellOfOthersAfter || std::exchange(others_told, true)) return;
  LOG_WARNING(
      "Somebody keeps changing what this kubelet reports of its Node (another kubelet of this "
      "name?); answering at growing distance",
      "node", options.node.name);
}

Task<void> NodeAgent::State::WakeAt(base::MonoTime when) {
  co_await base::SleepFor(deps.clock, when - deps.clock.Mono());
  waking = false;
  others_next = deps.clock.Mono();
  WakeForOthers();
}

void NodeAgent::State::ServerBack() {
  if (registration_waits) back.Notify();
  if (behind) wake.Notify();
  lease.ServerBack();
}

void NodeAgent::State::Forget() {
  if (node == nullptr) return;
  node.reset();
  ++adopted;
  if (callbacks.on_node) callbacks.on_node(nullptr);
}

bool NodeAgent::State::ReportDue() const {
  return !last_report || deps.clock.Mono() - *last_report >= options.status_report + report_delay;
}

void NodeAgent::State::PlanReport(bool changed) {
  // Spreads the nodes of a cluster over the period; a steady node keeps its place in it.
  bool anew = changed || !last_report;
  double share = anew ? deps.random() - 0.5 : 0;
  report_delay =
      base::Nanos(static_cast<int64_t>(static_cast<double>(options.status_report.count()) * share));
}

void NodeAgent::State::Tell(const std::vector<NodeEvent>& events) {
  for (const auto& event : events) {
    if (event.reason == "Rebooted" && std::exchange(rebooted_told, true)) continue;
    LOG_V(2, "Event of the node", "node", options.node.name, "event", event.reason);
    if (callbacks.on_event) callbacks.on_event(event);
  }
}

base::Nanos NodeAgent::State::Jittered(base::Nanos d) {
  double stretch = 1 + kJitter * deps.random();
  return base::Nanos(static_cast<int64_t>(static_cast<double>(d.count()) * stretch));
}

void NodeAgent::State::ApplyPodCidr() {
  std::string cidr = JoinPodCidrs(*node);
  if (cidr.empty() || cidr == pod_cidr || applying_pod_cidr || !callbacks.apply_pod_cidr) return;
  applying_pod_cidr = true;
  scope.Spawn("pod CIDR", CallPodCidr(cidr));
}

Task<void> NodeAgent::State::CallPodCidr(std::string cidr) {
  auto applying = callbacks.apply_pod_cidr(cidr);
  auto status = co_await std::move(applying);
  applying_pod_cidr = false;
  if (status.ok()) {
    LOG_INFO("Pod CIDR of the node", "before", pod_cidr, "now", cidr);
    pod_cidr = cidr;
  } else {
    LOG_ERROR("The runtime does not take the pod CIDR; trying again", "cidr", cidr, "err", status);
  }
}

NodeAgent::NodeAgent(Deps deps, Options options, Callbacks callbacks)
    : state_(std::make_unique<State>(std::move(deps), std::move(options), std::move(callbacks))) {}

NodeAgent::~NodeAgent() = default;

void NodeAgent::Start() {
  state_->scope.Spawn("node status", state_->Run());
  state_->lease.Start();
}

Task<void> NodeAgent::Stop() {
  co_await state_->lease.Stop();
  co_await state_->scope.Stop();
}

void NodeAgent::Poke() { state_->wake.Notify(); }

void NodeAgent::ServerBack() { state_->ServerBack(); }

void NodeAgent::Observe(NodePtr node, bool listed) { state_->Observe(std::move(node), listed); }

NodePtr NodeAgent::node() const { return state_->node; }

bool NodeAgent::registered() const { return state_->registered; }

}  // namespace kubelet::node
