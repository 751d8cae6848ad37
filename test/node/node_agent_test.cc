#include "kubelet/node/node_agent.h"

#include "client/loop.h"
#include "k8s/coordination/v1/coordination.pb.h"
#include "kubelet/api/time.h"
#include "node/facts.h"

namespace kubelet::node {
namespace {

using namespace std::chrono_literals;
using client::kLeases;
using client::kNodes;
using coordination = ::k8s::io::api::coordination::v1::Lease;
using Strings = std::vector<std::string>;

base::Task<NodeFacts> Give(const NodeFacts* facts) { co_return *facts; }

struct Fixture : test::ApiLoop {
  NodeFacts facts = test::SomeFacts();
  NodeAgent::Options options;
  double random = 0.5;  // no shift of the report
  Strings events, cidrs;
  absl::Status cidr_answer;
  int unreachable = 0, told = 0;
  std::unique_ptr<NodeAgent> agent;

  Fixture() { options.node = test::SomeOptions(); }
  ~Fixture() {
    agent.reset();
    Run();
  }
  base::Task<absl::Status> Cidr(std::string cidr) {
    cidrs.push_back(cidr);
    co_return cidr_answer;
  }
  void Start() {
    NodeAgent::Deps deps{io.get_executor(), clock, api, [this] { return Give(&facts); },
                         [this] { return random; }};
    NodeAgent::Callbacks callbacks;
    callbacks.on_event = [this](const NodeEvent& event) { events.push_back(event.reason); };
    callbacks.on_node = [this](NodePtr) { ++told; };
    callbacks.apply_pod_cidr = [this](std::string cidr) { return Cidr(cidr); };
    callbacks.on_unreachable = [this] { ++unreachable; };
    agent = std::make_unique<NodeAgent>(std::move(deps), options, std::move(callbacks));
    agent->Start();
    Run();
  }
  std::shared_ptr<const core::Node> Node() { return api.Find<core::Node>({kNodes, "", "n1"}); }
  std::shared_ptr<const coordination> Lease() {
    return api.Find<coordination>({kLeases, "kube-node-lease", "n1"});
  }
  int Patches() const { return api.Count("PATCH", "/nodes/n1/status"); }
  core::NodeCondition Condition(const std::string& type) {
    auto stored = Node();
    REQUIRE(stored);
    for (const auto& condition : stored->status().conditions()) {
      if (condition.type() == type) return condition;
    }
    return {};
  }
  // What others do to the Node.
  void Change(const std::function<void(core::Node&)>& change) {
    core::Node node = *Node();
    change(node);
    api.Put({kNodes}, node);
  }
  size_t EventCount(const std::string& reason) const {
    return static_cast<size_t>(std::count(events.begin(), events.end(), reason));
  }
};

TEST_CASE("agent: a new node is ready with its first request") {
  Fixture f;
  f.Start();
  REQUIRE(f.Node());
  CHECK(f.Condition("Ready").status() == "True");
  CHECK(f.Node()->status().addresses_size() == 2);
  CHECK(f.agent->registered());
  CHECK(f.agent->node()->metadata().uid() == f.Node()->metadata().uid());
  CHECK(f.api.Count("CREATE", "/nodes") == 1);
  CHECK(f.Patches() == 0);
  CHECK(f.api.Count("GET", "/nodes") == 0);
  CHECK(f.events.front() == "Starting");
  CHECK(f.EventCount("NodeHasSufficientMemory") == 1);
  for (const auto& logged : f.api.log) CHECK(logged.call.lane == client::Lane::kHeartbeat);
  f.AwaitDone(f.agent->Stop());
}

TEST_CASE("agent: an API server that comes later finds the node within the back-off") {
  Fixture f;
  f.api.Down();
  f.Start();
  f.Advance(60s);
  CHECK_FALSE(f.agent->registered());
  // 100 ms doubling to 7 s: 0.1 0.3 0.7 1.5 3.1 6.3 12.7, then every 7 s.
  CHECK(f.api.Count("CREATE", "/nodes") == 8 + 6);
  f.api.Up();
  f.Advance(7s);
  CHECK(f.agent->registered());
  REQUIRE(f.Lease());
  CHECK(f.Lease()->metadata().owner_references(0).uid() == f.Node()->metadata().uid());
}

TEST_CASE("agent: nothing waits for its next try once the server is known to be back") {
  Fixture f;
  f.api.Down();
  f.Start();
  f.Advance(60s);
  f.api.Up();
  f.agent->ServerBack();
  f.Run();
  CHECK(f.agent->registered());
  REQUIRE(f.Lease());
  f.api.Down();
  f.facts.errors = {"x"};
  f.Advance(61s);
  f.api.Up();
  f.agent->ServerBack();
  f.Run();
  CHECK(f.Condition("Ready").status() == "False");
  CHECK(api::ToWallTime(f.Lease()->spec().renew_time()) == f.clock.Now());
  // With nothing to be made good it is no more than a word.
  size_t calls = f.api.log.size();
  f.agent->ServerBack();
  f.Run();
  CHECK(f.api.log.size() == calls);
}

TEST_CASE("agent: a node that was taken for dead says at once that it is not") {
  Fixture f;
  f.Start();
  f.Change([](core::Node& node) {
    for (auto& condition : *node.mutable_status()->mutable_conditions())
      condition.set_status("Unknown");
  });
  f.agent->Observe(f.Node());
  f.Run();
  CHECK(f.Condition("Ready").status() == "True");
  CHECK(f.Condition("MemoryPressure").status() == "False");
  CHECK(f.EventCount("NodeReady") == 1);
  CHECK(f.Patches() == 1);
}

TEST_CASE("agent: an unchanged status is sent every five minutes") {
  Fixture f;
  f.Start();
  f.Advance(290s);
  CHECK(f.Patches() == 0);
  f.Advance(30s);
  CHECK(f.Patches() == 1);
  CHECK(api::ToWallTime(f.Condition("Ready").last_heartbeat_time()) > f.clock.Now() - 30s);
  CHECK(f.api.log.back().call.patch_type == "application/strategic-merge-patch+json");
  f.Advance(600s);
  CHECK(f.Patches() == 3);
  CHECK(f.api.Count("GET", "/nodes") == 0);
  // Nothing but heartbeats in them.
  const auto& log = f.api.log;
  auto last =
      std::find_if(log.rbegin(), log.rend(), [](const auto& l) { return l.verb == "PATCH"; });
  CHECK(last->call.patch.find("lastHeartbeatTime") != std::string::npos);
  CHECK(last->call.patch.find("images") == std::string::npos);
  CHECK(last->call.patch.find("capacity") == std::string::npos);
  CHECK(last->call.patch.find("lastTransitionTime") == std::string::npos);
}

TEST_CASE("agent: the first report after a change is shifted by chance, the next ones are not") {
  Fixture f;
  f.random = 0;  // half the period less
  f.Start();
  f.Advance(145s);
  CHECK(f.Patches() == 0);
  f.Advance(10s);
  CHECK(f.Patches() == 1);
  f.Advance(290s);
  CHECK(f.Patches() == 1);
  f.Advance(15s);
  CHECK(f.Patches() == 2);
}

TEST_CASE("agent: a change is sent at the next turn, after a poke at once") {
  Fixture f;
  f.Start();
  f.Advance(1s);
  f.facts.disk_pressure = true;
  f.Run();
  CHECK(f.Patches() == 0);
  f.Advance(11s);
  CHECK(f.Patches() == 1);
  CHECK(f.Condition("DiskPressure").status() == "True");
  f.facts.errors = {kRuntimeDown};
  f.agent->Poke();
  f.agent->Poke();
  f.Run();
  CHECK(f.Patches() == 2);
  CHECK(f.Condition("Ready").status() == "False");
  CHECK(f.events.back() == "NodeNotReady");
  f.facts.errors.clear();
  f.agent->Poke();
  f.Run();
  CHECK(f.Condition("Ready").status() == "True");
  CHECK(f.events.back() == "NodeReady");
  f.agent->Poke();
  f.Run();
  CHECK(f.Patches() == 3);
}

TEST_CASE("agent: what others wrote into the Node stays") {
  Fixture f;
  f.Start();
  f.Change([](core::Node& node) {
    (*node.mutable_metadata()->mutable_labels())["foreign"] = "x";
    auto* condition = node.mutable_status()->add_conditions();
    condition->set_type("NetworkUnavailable");
    condition->set_status("False");
    node.mutable_spec()->add_taints()->set_key("t");
    node.mutable_spec()->set_unschedulable(true);
    (*node.mutable_status()->mutable_capacity())["example.com/dongle"].set_string("2");
    node.mutable_status()->add_volumes_attached()->set_name("v");
  });
  f.facts.memory_pressure = true;
  f.agent->Poke();
  f.Run();
  REQUIRE(f.Patches() == 1);
  auto node = f.Node();
  CHECK(node->metadata().labels().at("foreign") == "x");
  CHECK(f.Condition("NetworkUnavailable").status() == "False");
  CHECK(f.Condition("MemoryPressure").status() == "True");
  CHECK(node->spec().taints_size() == 1);
  CHECK(node->status().capacity().at("example.com/dongle").string() == "2");
  CHECK(node->status().volumes_attached_size() == 1);
  // The answer tells of the cordon.
  CHECK(f.EventCount("NodeNotSchedulable") == 1);
  CHECK(f.agent->node()->spec().unschedulable());
  f.Advance(11s);
  CHECK(f.Node()->status().allocatable().at("example.com/dongle").string() == "2");
}

TEST_CASE("agent: a Node that was there before is taken over") {
  Fixture f;
  core::Node old;
  old.mutable_metadata()->set_name("n1");
  (*old.mutable_metadata()->mutable_labels())["kubernetes.io/hostname"] = "old";
  (*old.mutable_metadata()->mutable_labels())["foreign"] = "x";
  old.mutable_status()->mutable_node_info()->set_boot_id("boot-0");
  (*old.mutable_status()->mutable_capacity())["example.com/gpu"].set_string("8");
  (*old.mutable_status()->mutable_allocatable())["example.com/gpu"].set_string("8");
  old.mutable_spec()->set_unschedulable(true);
  f.api.Put({kNodes}, old);
  std::string uid = f.Node()->metadata().uid();
  SECTION("at once") { f.Start(); }
  SECTION("after an answer that was lost") {
    f.api.LoseAnswer("PATCH", "/nodes/n1/status", absl::UnavailableError("reset"));
    f.Start();
    CHECK_FALSE(f.agent->registered());
    f.Advance(100ms);
  }
  SECTION("after an answer that was no use") {
    f.api.Fail("PATCH", "/nodes/n1/status", client::ToStatus({500, "", "", {}}));
    f.Start();
    CHECK_FALSE(f.agent->registered());
    f.Advance(100ms);
  }
  CHECK(f.agent->registered());
  auto node = f.Node();
  CHECK(node->metadata().uid() == uid);
  CHECK(node->metadata().labels().at("kubernetes.io/hostname") == "n1");
  CHECK(node->metadata().labels().at("foreign") == "x");
  CHECK(node->metadata().annotations().size() == 1);
  CHECK(node->spec().unschedulable());
  CHECK(node->status().capacity().at("example.com/gpu").string() == "0");
  CHECK(node->status().allocatable().at("example.com/gpu").string() == "0");
  CHECK(f.Condition("Ready").status() == "True");
  if (f.api.Count("PATCH", "") == 1) CHECK(f.EventCount("Rebooted") == 1);
  CHECK(f.EventCount("NodeNotSchedulable") == 1);
}

TEST_CASE("agent: a registration whose answer was lost is found again") {
  Fixture f;
  f.api.LoseAnswer("CREATE", "/nodes", absl::UnavailableError("reset"));
  f.Start();
  CHECK_FALSE(f.agent->registered());
  f.Advance(100ms);
  CHECK(f.agent->registered());
  CHECK(f.agent->node()->metadata().uid() == f.Node()->metadata().uid());
  CHECK(f.Condition("Ready").status() == "True");
}

TEST_CASE("agent: addresses of both families come and go") {
  Fixture f;
  f.Start();
  auto addresses = [&f] {
    std::string out;
    for (const auto& address : f.Node()->status().addresses())
      out += (out.empty() ? "" : " ") + address.address();
    return out;
  };
  CHECK(addresses() == "10.0.0.1 n1");
  f.facts.addresses = Strings{"10.0.0.1", "fd00::1"};
  f.agent->Poke();
  f.Run();
  CHECK(addresses() == "10.0.0.1 fd00::1 n1");
  f.facts.addresses = Strings{"fd00::2"};
  f.agent->Poke();
  f.Run();
  CHECK(addresses() == "fd00::2 n1");
}

TEST_CASE("agent: a server that forbids the creation is asked for the Node") {
  Fixture f;
  core::Node old;
  old.mutable_metadata()->set_name("n1");
  f.api.Put({kNodes}, old);
  f.api.Fail("CREATE", "/nodes", client::ToStatus({403, "Forbidden", "no", {}}));
  f.Start();
  CHECK(f.agent->registered());
}

TEST_CASE("agent: without registration only a Node that others made is reported on") {
  Fixture f;
  f.options.register_node = false;
  f.Start();
  f.Advance(25s);
  CHECK(f.api.Count("CREATE", "") == 0);
  CHECK(f.api.Count("GET", "/nodes/n1") == 3);
  core::Node made;
  made.mutable_metadata()->set_name("n1");
  f.api.Put({kNodes}, made);
  f.Advance(10s);
  CHECK(f.Condition("Ready").status() == "True");
  CHECK(f.Lease());
}

TEST_CASE("agent: a conflict makes it read the Node again") {
  Fixture f;
  f.Start();
  f.api.Fail("PATCH", "/status", client::ToStatus({409, "Conflict", "", {}}));
  f.facts.pid_pressure = true;
  f.agent->Poke();
  f.Run();
  CHECK(f.api.Count("GET", "/nodes/n1") == 1);
  CHECK(f.Condition("PIDPressure").status() == "True");
  CHECK(f.EventCount("NodeHasInsufficientPID") == 1);
}

TEST_CASE("agent: a deleted Node is not made again, a new one of that name is taken") {
  Fixture f;
  f.Start();
  REQUIRE(f.api.Remove({kNodes, "", "n1"}).ok());
  SECTION("a watch tells") { f.agent->Observe(nullptr); }
  SECTION("the next status tells") {
    f.facts.pid_pressure = true;
    f.agent->Poke();
    f.Run();
  }
  CHECK(f.agent->node() == nullptr);
  f.Advance(60s);
  CHECK_FALSE(f.Node());
  CHECK(f.api.Count("CREATE", "/nodes") == 1);
  core::Node made;
  made.mutable_metadata()->set_name("n1");
  f.api.Put({kNodes}, made);
  f.agent->Observe(f.Node());
  f.Run();
  CHECK(f.Condition("Ready").status() == "True");
  CHECK(f.agent->node()->metadata().uid() == f.Node()->metadata().uid());
}

TEST_CASE("agent: what a watch saw counts, unless it is older") {
  Fixture f;
  f.Start();
  auto older = f.Node();
  f.Change([](core::Node& node) {
    node.mutable_spec()->set_unschedulable(true);
    node.mutable_spec()->add_pod_cidrs("10.1.0.0/24");
    node.mutable_spec()->add_pod_cidrs("fd01::/64");
  });
  int before = f.told;
  f.agent->Observe(f.Node());
  f.Run();
  CHECK(f.told == before + 1);
  CHECK(f.events.back() == "NodeNotSchedulable");
  CHECK(f.cidrs == Strings{"10.1.0.0/24,fd01::/64"});
  f.agent->Observe(older);
  CHECK(f.agent->node()->spec().unschedulable());
  CHECK(f.told == before + 1);
  f.Change([](core::Node& node) { node.mutable_spec()->set_unschedulable(false); });
  f.agent->Observe(f.Node());
  CHECK(f.events.back() == "NodeSchedulable");
  CHECK(f.cidrs.size() == 1);
}

TEST_CASE("agent: after an etcd restore the Node of a list counts, however old it looks") {
  Fixture f;
  f.Start();
  f.Change([](core::Node& node) { node.mutable_spec()->set_unschedulable(true); });
  auto backup = f.Node();
  for (int i = 0; i < 5; ++i)
    f.Change([](core::Node& node) { node.mutable_spec()->set_unschedulable(false); });
  f.agent->Observe(f.Node());
  f.api.Rewind(1);
  f.api.Put({kNodes}, *backup);
  f.agent->Observe(f.Node());  // an event: a late one, for all one knows
  CHECK_FALSE(f.agent->node()->spec().unschedulable());
  f.agent->Observe(f.Node(), true);
  CHECK(f.agent->node()->spec().unschedulable());
  // And so do the events after it.
  f.Change([](core::Node& node) { node.mutable_spec()->set_unschedulable(false); });
  f.agent->Observe(f.Node());
  CHECK_FALSE(f.agent->node()->spec().unschedulable());
}

TEST_CASE("agent: a second kubelet of this name is not answered at network speed") {
  Fixture f;
  f.Start();
  auto other = [&](const char* ready) {
    f.Change([&](core::Node& node) {
      for (auto& condition : *node.mutable_status()->mutable_conditions()) {
        if (condition.type() == "Ready") condition.set_status(ready);
      }
    });
    f.agent->Observe(f.Node());
    f.Run();
  };
  for (int i = 0; i < 20; ++i) other("False");
  CHECK(f.Patches() == 1);
  f.Advance(999ms);
  CHECK(f.Patches() == 1);
  f.Advance(1ms);
  CHECK(f.Patches() == 2);
  // It answers each of ours within 10 ms, for a minute: 1, 2, 4, 8, 10 s apart, and the turns of
  // every ten seconds.
  int before = f.Patches();
  for (int i = 0; i < 6000; ++i) {
    if (f.Condition("Ready").status() == "True") other("False");
    f.Advance(10ms);
  }
  CHECK(f.Patches() - before >= 6);
  CHECK(f.Patches() - before <= 16);
  // Once it is quiet, the next change by others is answered at once.
  f.Advance(60s);
  REQUIRE(f.Condition("Ready").status() == "True");
  before = f.Patches();
  other("Unknown");
  CHECK(f.Patches() == before + 1);
}

TEST_CASE("agent: a pod CIDR that the runtime refuses is given to it again") {
  Fixture f;
  f.cidr_answer = absl::UnavailableError("down");
  f.Start();
  f.Change([](core::Node& node) { node.mutable_spec()->add_pod_cidrs("10.1.0.0/24"); });
  f.agent->Observe(f.Node());
  f.Run();
  CHECK(f.cidrs.size() == 1);
  f.cidr_answer = absl::OkStatus();
  f.Advance(11s);
  CHECK(f.cidrs.size() == 2);
  f.Advance(60s);
  CHECK(f.cidrs.size() == 2);
}

TEST_CASE("agent: a late answer does not undo what the watch saw") {
  Fixture f;
  f.Start();
  f.api.set_latency(1s);
  f.facts.pid_pressure = true;
  f.agent->Poke();
  f.Run();
  // The answer will be older than this by what the store says.
  core::Node seen = *f.Node();
  seen.mutable_metadata()->set_resource_version("1000000");
  seen.mutable_spec()->set_unschedulable(true);
  f.agent->Observe(std::make_shared<core::Node>(seen));
  f.Advance(2s);
  CHECK(f.agent->node()->spec().unschedulable());
}

TEST_CASE("agent: a server that does not answer is told of, and the status follows when it does") {
  Fixture f;
  f.Start();
  f.api.Down();
  f.facts.errors = {"x"};
  f.agent->Poke();
  f.Run();
  CHECK(f.Patches() == 5);
  CHECK(f.unreachable == 4);
  CHECK(f.EventCount("NodeNotReady") == 0);
  f.api.Up();
  f.Advance(11s);
  CHECK(f.Condition("Ready").status() == "False");
  CHECK(f.EventCount("NodeNotReady") == 1);
}

TEST_CASE("lease: made once the Node is known, renewed every ten seconds, owned by it") {
  Fixture f;
  f.Start();
  REQUIRE(f.Lease());
  CHECK(f.Lease()->spec().holder_identity() == "n1");
  CHECK(f.Lease()->spec().lease_duration_seconds() == 40);
  REQUIRE(f.Lease()->metadata().owner_references_size() == 1);
  const auto& owner = f.Lease()->metadata().owner_references(0);
  CHECK(owner.kind() == "Node");
  CHECK(owner.api_version() == "v1");
  CHECK(owner.name() == "n1");
  CHECK(owner.uid() == f.Node()->metadata().uid());
  CHECK(f.api.Count("UPDATE", "/leases") == 0);
  f.random = 0.999;
  f.Advance(10'190ms);
  CHECK(f.api.Count("UPDATE", "/leases/n1") == 0);
  f.Advance(20ms);  // 4 % of 0.5 at the start
  CHECK(f.api.Count("UPDATE", "/leases/n1") == 1);
  CHECK(api::ToWallTime(f.Lease()->spec().renew_time()) > f.clock.Now() - 1s);
  f.Advance(10'370ms);
  CHECK(f.api.Count("UPDATE", "/leases/n1") == 1);
  f.Advance(30ms);
  CHECK(f.api.Count("UPDATE", "/leases/n1") == 2);
  CHECK(f.api.log.back().call.timeout == 10s);
}

TEST_CASE("lease: goes on while the status fails, and is renewed before a registration succeeds") {
  Fixture f;
  SECTION("status fails") {
    f.Start();
    f.api.Fail("PATCH", "/nodes", client::ToStatus({500, "", "", {}}), 1000);
    f.api.Fail("GET", "/nodes", client::ToStatus({500, "", "", {}}), 1000);
    f.facts.errors = {"x"};
  }
  SECTION("status hangs") {
    f.Start();
    f.api.Hold("PATCH", "/nodes");
    f.facts.errors = {"x"};
  }
  SECTION("an old lease, no registration") {
    coordination old;
    old.mutable_metadata()->set_name("n1");
    old.mutable_metadata()->set_namespace_("kube-node-lease");
    old.mutable_metadata()->add_owner_references()->set_uid("u");
    old.mutable_spec()->set_holder_identity("n1");
    f.api.Put({kLeases, "kube-node-lease"}, old);
    f.api.Fail("CREATE", "/nodes", client::ToStatus({500, "", "", {}}), 1000);
    f.Start();
  }
  int before = f.api.Count("UPDATE", "/leases/n1");
  f.Advance(103s);
  CHECK(f.api.Count("UPDATE", "/leases/n1") == before + 10);
  CHECK(api::ToWallTime(f.Lease()->spec().renew_time()) > f.clock.Now() - 11s);
}

TEST_CASE("lease: conflicts, losses and outages") {
  Fixture f;
  f.Start();
  SECTION("somebody wrote it") {
    coordination other = *f.Lease();
    other.mutable_metadata()->mutable_labels()->insert({"a", "b"});
    f.api.Put({kLeases, "kube-node-lease"}, other);
    f.Advance(11s);
    CHECK(f.Lease()->metadata().labels().at("a") == "b");
    CHECK(f.api.Count("UPDATE", "/leases/n1") == 2);  // the refused one, and after a GET the next
    CHECK(f.unreachable == 0);
  }
  SECTION("somebody deleted it") {
    REQUIRE(f.api.Remove({kLeases, "kube-node-lease", "n1"}).ok());
    f.Advance(11s);
    CHECK(f.unreachable == 0);
  }
  SECTION("the server was away for a minute") {
    f.api.Down();
    f.Advance(60s);
    CHECK(f.unreachable > 0);
    f.api.Up();
    f.Advance(7s);
  }
  REQUIRE(f.Lease());
  CHECK(api::ToWallTime(f.Lease()->spec().renew_time()) > f.clock.Now() - 8s);
  CHECK(f.Lease()->metadata().owner_references_size() == 1);
}

TEST_CASE("lease: a Node that is gone gets none") {
  Fixture f;
  f.Start();
  REQUIRE(f.api.Remove({kNodes, "", "n1"}).ok());
  REQUIRE(f.api.Remove({kLeases, "kube-node-lease", "n1"}).ok());
  f.agent->Observe(nullptr);
  f.Advance(60s);
  CHECK_FALSE(f.Lease());
}

}  // namespace
}  // namespace kubelet::node
