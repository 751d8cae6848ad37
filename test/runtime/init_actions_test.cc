// Init containers, sidecars, ephemeral containers, probes and restart rules in ComputePodActions: tables.
#include <algorithm>

#include "catch.h"
#include "kubelet/api/pod.h"
#include "kubelet/runtime/actions.h"
#include "kubelet/runtime/config.h"
#include "runtime/pod_case.h"

namespace kubelet::runtime {
namespace {

using api::core::Pod;
using Strings = std::vector<std::string>;

struct Row {
  const char *policy, *seen;  // a letter for each container, see PodCase
  const char* starts;  // in order, separated by spaces
  const char* kills;
  const char* end;     // "", "over"
};

Strings Words(const std::string& text) {
  Strings words;
  std::string word;
  for (char c : text + " ") {
    if (c != ' ') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, ""));
    }
  }
  return words;
}

void CheckRow(PodCase& pod, const Strings& names, const Row& row) {
  INFO(row.policy << " " << row.seen);
  pod.See(names, row.seen);
  auto actions = ComputePodActions(pod.pod, pod.seen, pod.known);
  CHECK(PodCase::Started(actions) == Words(row.starts));
  Strings killed;
  for (const auto& kill : actions.kill) killed.push_back(kill.name);
  std::sort(killed.begin(), killed.end());
  CHECK(killed == Words(row.kills));
  CHECK(actions.terminal == (std::string(row.end) == "over"));
  if (actions.terminal) CHECK(actions.kill_pod);
}

TEST_CASE("init containers, a sidecar between them, and a regular container: what is next") {
  // i1 (init), s (sidecar), i2 (init), c
  auto row = GENERATE(
      // in order
      Row{"Always", "----", "i1", "", ""}, Row{"Always", "R---", "", "", ""}, Row{"Always", "0---", "s", "", ""},
      Row{"Always", "0N--", "", "", ""}, Row{"Always", "0R--", "i2", "", ""}, Row{"Always", "0RR-", "", "", ""},
      Row{"Always", "0R0-", "c", "", ""}, Row{"Always", "0R0R", "", "", ""},
      // a failed one
      Row{"Always", "1---", "i1", "", ""}, Row{"OnFailure", "1---", "i1", "", ""}, Row{"Never", "1---", "", "", "over"},
      Row{"Never", "0R1-", "", "", "over"}, Row{"OnFailure", "0R1-", "i2", "", ""},
      // the sidecar ends: it is started again whatever the policy, and the others go on
      Row{"Never", "00--", "s", "", ""}, Row{"Never", "01--", "s", "", ""}, Row{"Never", "00R-", "s", "", ""},
      Row{"Never", "000-", "s c", "", ""}, Row{"Never", "000R", "s", "", ""}, Row{"OnFailure", "010R", "s", "", ""},
      // restarted and not started again: what came after it goes on
      Row{"Never", "0N0R", "", "", ""}, Row{"Never", "0NR-", "", "", ""}, Row{"Never", "0N0-", "c", "", ""},
      // records of what is done are gone
      Row{"Always", "--0-", "s c", "", ""}, Row{"Always", "-R--", "i2", "", ""}, Row{"Always", "---R", "s", "", ""},
      Row{"Always", "---1", "s c", "", ""}, Row{"Never", "---1", "", "", "over"}, Row{"Always", "-R-R", "", "", ""},
      Row{"Always", "--R-", "s", "", ""},
      // created and never started, unknown
      Row{"Always", "C---", "i1", "i1", ""}, Row{"Never", "C---", "i1", "i1", ""}, Row{"Always", "0C--", "s", "s", ""},
      Row{"Always", "U---", "i1", "i1", ""}, Row{"Never", "U---", "", "", "over"}, Row{"Never", "0U--", "s", "s", ""},
      Row{"Never", "0R0C", "c", "c", ""}, Row{"Never", "0R0U", "c", "c", ""},
      // the regular container has ended: the sidecar does not keep the pod
      Row{"Never", "0R00", "", "", "over"}, Row{"Never", "0R01", "", "", "over"}, Row{"Never", "0000", "", "", "over"},
      Row{"OnFailure", "0R00", "", "", "over"}, Row{"OnFailure", "0R01", "c", "", ""},
      Row{"Always", "0R00", "c", "", ""});
  PodCase pod(row.policy, {"c"});
  pod.Init("i1");
  pod.Init("s", true);
  pod.Init("i2");
  CheckRow(pod, {"i1", "s", "i2", "c"}, row);
}

TEST_CASE("sidecars last: the regular ones start when the last has started") {
  auto row = GENERATE(Row{"Never", "---", "s1", "", ""}, Row{"Never", "N--", "", "", ""},
                      Row{"Never", "R--", "s2", "", ""}, Row{"Never", "RN-", "", "", ""},
                      Row{"Never", "RR-", "c", "", ""}, Row{"Never", "1R-", "s1 c", "", ""},
                      Row{"Never", "11-", "s1 s2", "", ""}, Row{"Never", "RRR", "", "", ""},
                      Row{"Never", "NRR", "", "", ""}, Row{"Never", "12R", "s1 s2", "", ""});
  PodCase pod(row.policy, {"c"});
  pod.Init("s1", true);
  pod.Init("s2", true);
  CheckRow(pod, {"s1", "s2", "c"}, row);
}

TEST_CASE("after the sandbox is lost all init containers run again") {
  PodCase pod("Always", {"c"});
  pod.Init("i");
  pod.Init("s", true);
  pod.See({"i", "s", "c"}, "0RR");
  pod.LoseSandbox();
  auto actions = ComputePodActions(pod.pod, pod.seen);
  CHECK(actions.create_sandbox);
  pod.NewSandbox();
  CHECK(PodCase::Started(ComputePodActions(pod.pod, pod.seen)) == Strings{"i"});
  pod.See({"i"}, "0");
  CHECK(PodCase::Started(ComputePodActions(pod.pod, pod.seen)) == Strings{"s"});
}

TEST_CASE("a failed probe kills, and the policy says whether it starts again") {
  struct Probe {
    const char* policy;
    bool liveness;
    const char* message;
    bool restarts;
  };
  auto row = GENERATE(Probe{"Always", true, "Container c failed liveness probe, will be restarted", true},
                      Probe{"OnFailure", true, "Container c failed liveness probe, will be restarted", true},
                      Probe{"Never", true, "Container c failed liveness probe", false},
                      Probe{"Always", false, "Container c failed startup probe, will be restarted", true},
                      Probe{"Never", false, "Container c failed startup probe", false});
  INFO(row.policy << " " << row.message);
  PodCase pod(row.policy, {"c"});
  pod.See({"c"}, "R");
  auto& health = pod.known.health[pod.seen.containers.front().id];
  health.started = row.liveness;
  (row.liveness ? health.liveness_failed : health.startup_failed) = true;
  auto actions = ComputePodActions(pod.pod, pod.seen, pod.known);
  REQUIRE(actions.kill.size() == 1);
  CHECK(actions.kill[0].message == row.message);
  CHECK(actions.kill[0].reason == (row.liveness ? KillReason::kLivenessProbe : KillReason::kStartupProbe));
  CHECK(actions.kill[0].restart == row.restarts);
  CHECK(actions.start.size() == (row.restarts ? 1 : 0));
  CHECK_FALSE(actions.terminal);
}

TEST_CASE("what was killed for its probes starts again whatever its exit code, with back-off") {
  PodCase pod("OnFailure", {"c"});
  pod.See({"c"}, "0");
  CHECK(ComputePodActions(pod.pod, pod.seen, pod.known).terminal);
  pod.known.stopped[pod.seen.containers.front().id] = StoppedFor::kUnhealthy;
  auto actions = ComputePodActions(pod.pod, pod.seen, pod.known);
  REQUIRE(actions.start.size() == 1);
  CHECK(actions.start[0].previous_exit == pod.seen.containers.front().finished_at);
  pod.known.stopped[pod.seen.containers.front().id] = StoppedFor::kRestart;
  CHECK(ComputePodActions(pod.pod, pod.seen, pod.known).start.at(0).previous_exit == base::WallTime{});
}

TEST_CASE("the back-off of a container killed for its probes counts from the exit before") {
  PodCase pod("Always", {"c"});
  pod.See({"c"}, "1");
  auto earlier = pod.seen.containers.front().finished_at;
  pod.Again("c", 'R');
  pod.known.health[pod.seen.containers.front().id].liveness_failed = true;
  auto actions = ComputePodActions(pod.pod, pod.seen, pod.known);
  REQUIRE(actions.start.size() == 1);
  CHECK(actions.start[0].attempt == 2);
  CHECK(actions.start[0].previous_exit == earlier);
}

TEST_CASE("a sidecar that fails a probe is restarted under every policy") {
  auto policy = GENERATE("Always", "Never");
  PodCase pod(policy, {"c"});
  pod.Init("s", true);
  pod.See({"s", "c"}, "RR");
  pod.known.health[ContainerId("s0")] = {true, false, true, false, ""};
  auto actions = ComputePodActions(pod.pod, pod.seen, pod.known);
  REQUIRE(actions.kill.size() == 1);
  CHECK(actions.kill[0].message == "Init container s failed liveness probe");
  CHECK(PodCase::Started(actions) == Strings{"s"});
}

TEST_CASE("a container's own policy and rules decide before the pod's") {
  struct Rule {
    const char *pod, *own, *op;  // op "": no rule
    std::vector<int> codes;
    const char* action;
    int exit_code;
    bool restarts;
  };
  auto row = GENERATE(
      Rule{"Never", "Always", "", {}, "", 0, true}, Rule{"Always", "Never", "", {}, "", 1, false},
      Rule{"Always", "OnFailure", "", {}, "", 0, false}, Rule{"Never", "OnFailure", "", {}, "", 3, true},
      Rule{"Never", "Never", "In", {42}, "Restart", 42, true}, Rule{"Never", "Never", "In", {42}, "Restart", 1, false},
      Rule{"Never", "Never", "NotIn", {1, 2}, "Restart", 2, false},
      Rule{"Never", "Never", "NotIn", {1, 2}, "Restart", 3, true},
      Rule{"Never", "Always", "In", {42}, "Restart", 1, true},
      Rule{"Never", "Never", "In", {42}, "RestartAllContainers", 42, true},
      Rule{"Never", "Never", "In", {42}, "Unheard", 42, false},
      Rule{"Never", "Never", "Near", {42}, "Restart", 42, false},
      // Rules count only beside a policy of the container's own.
      Rule{"Never", "", "In", {42}, "Restart", 42, false});
  INFO(row.pod << "/" << row.own << " " << row.op << " exit " << row.exit_code);
  PodCase pod(row.pod, {"c"});
  auto* c = pod.pod.mutable_spec()->mutable_containers(0);
  if (*row.own != '\0') c->set_restart_policy(row.own);
  if (*row.op != '\0') PodCase::AddRule(*c, row.action, row.op, row.codes);
  CHECK(ShouldRestart(pod.pod, *c, row.exit_code) == row.restarts);
}

TEST_CASE("the first rule that matches counts") {
  PodCase pod("Never", {"c"});
  auto* c = pod.pod.mutable_spec()->mutable_containers(0);
  c->set_restart_policy("Never");
  PodCase::AddRule(*c, "Restart", "In", {1});
  PodCase::AddRule(*c, "RestartAllContainers", "NotIn", {0});
  CHECK_FALSE(RestartsAll(*c, 1));
  CHECK(RestartsAll(*c, 2));
  CHECK_FALSE(RestartsAll(*c, 0));
}

TEST_CASE("an exit that asks for it removes all containers, those that asked last, and the sandbox stays") {
  PodCase pod("Never", {"a", "b"});
  pod.Init("i");
  pod.Init("s", true);
  auto* a = pod.pod.mutable_spec()->mutable_containers(0);
  a->set_restart_policy("Never");
  PodCase::AddRule(*a, "RestartAllContainers", "In", {42});
  pod.See({"i", "s", "b"}, "0RR");
  pod.See({"a"}, "1");
  CHECK(ComputePodActions(pod.pod, pod.seen).reset.empty());
  pod.seen.containers.front().exit_code = 42;
  auto actions = ComputePodActions(pod.pod, pod.seen);
  Strings order;
  for (const auto& c : actions.reset) order.push_back(c.name + (c.kill ? " killed" : ""));
  CHECK(order == Strings{"b killed", "i", "s killed", "a"});
  CHECK(actions.start.empty());
  CHECK_FALSE(actions.create_sandbox);
  CHECK_FALSE(actions.terminal);
  // Cut short anywhere, it goes on while the one that asked is there, and begins anew after it.
  for (size_t done = 1; done <= order.size(); ++done) {
    ObservedPod left = pod.seen;
    for (size_t i = 0; i < done; ++i) {
      std::erase_if(left.containers, [&](const auto& c) { return c.id == actions.reset[i].id; });
    }
    auto next = ComputePodActions(pod.pod, left);
    if (done < order.size()) {
      CHECK(next.reset.size() == order.size() - done);
    } else {
      CHECK(PodCase::Started(next) == Strings{"i"});
    }
  }
}

TEST_CASE("what a gate guards is not there when it is off") {
  PodCase pod("Never", {"a"});
  auto* a = pod.pod.mutable_spec()->mutable_containers(0);
  a->set_restart_policy("OnFailure");
  PodCase::AddRule(*a, "RestartAllContainers", "In", {42});
  PodCase::AddRule(*a, "Restart", "In", {0, 42});
  pod.Init("s", true);
  auto all = std::make_shared<Pod>(pod.pod);
  CHECK(WithRestartGates(all, true, true) == all);
  auto no_reset = WithRestartGates(all, true, false);
  CHECK_FALSE(HasRestartAllRule(*no_reset));
  CHECK(ShouldRestart(*no_reset, no_reset->spec().containers(0), 42));
  CHECK(ShouldRestart(*no_reset, no_reset->spec().containers(0), 0));
  auto none = WithRestartGates(all, false, false);
  CHECK_FALSE(none->spec().containers(0).has_restart_policy());
  CHECK(none->spec().containers(0).restart_policy_rules().empty());
  CHECK(api::IsRestartableInit(none->spec().init_containers(0)));
  auto plain = std::make_shared<Pod>(PodCase("Always", {"c"}).pod);
  CHECK(WithRestartGates(plain, false, false) == plain);
}

TEST_CASE("an exit that we caused does not ask for a restart of all") {
  PodCase pod("Never", {"a"});
  auto* a = pod.pod.mutable_spec()->mutable_containers(0);
  a->set_restart_policy("Always");
  PodCase::AddRule(*a, "RestartAllContainers", "NotIn", {0});
  pod.See({"a"}, "9");
  CHECK(RestartAllWanted(pod.pod, pod.seen));
  pod.known.stopped[ContainerId("a0")] = StoppedFor::kUnhealthy;
  auto actions = ComputePodActions(pod.pod, pod.seen, pod.known);
  CHECK(actions.reset.empty());
  CHECK(PodCase::Started(actions) == Strings{"a"});
}

TEST_CASE("an ephemeral container starts once, while init containers run as well, and never again") {
  PodCase pod("Always", {"c"});
  pod.Init("i");
  auto* e = pod.pod.mutable_spec()->add_ephemeral_containers();
  e->mutable_ephemeral_container_common()->set_name("e");
  e->mutable_ephemeral_container_common()->set_image("image:1");
  e->set_target_container_name("c");
  pod.See({"i"}, "R");
  auto actions = ComputePodActions(pod.pod, pod.seen);
  REQUIRE(PodCase::Started(actions) == Strings{"e"});
  CHECK(actions.start[0].kind == ContainerKind::kEphemeral);
  CHECK(actions.start[0].target == "c");
  CHECK(actions.start[0].spec->image() == "image:1");
  auto state = GENERATE('R', '0', '1', 'U');
  pod.See({"e"}, std::string(1, state));
  CHECK(ComputePodActions(pod.pod, pod.seen).Nothing());
  // Its record is gone, but the API server knows that it ended.
  pod.seen.containers.erase(pod.seen.containers.begin());
  CHECK(PodCase::Started(ComputePodActions(pod.pod, pod.seen)) == Strings{"e"});
  auto* shown = pod.pod.mutable_status()->add_ephemeral_container_statuses();
  shown->set_name("e");
  shown->mutable_state()->mutable_terminated()->set_exit_code(0);
  CHECK(ComputePodActions(pod.pod, pod.seen).Nothing());
}

TEST_CASE("an ephemeral container does not keep a pod that has ended") {
  PodCase pod("Never", {"c"});
  pod.pod.mutable_spec()->add_ephemeral_containers()->mutable_ephemeral_container_common()->set_name("e");
  pod.See({"c", "e"}, "0R");
  CHECK(ComputePodActions(pod.pod, pod.seen).terminal);
}

}  // namespace
}  // namespace kubelet::runtime
