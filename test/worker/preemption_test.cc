// Pods judged by the real predicates on a small node in memory: who gets in, and whom a critical
// pod drives out.
#include <algorithm>
#include <random>

#include "catch.h"
#include "kubelet/admission/pod_admission.h"
#include "worker/api_rig.h"

namespace kubelet::test {
namespace {

using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

// A node of one CPU, and places for eight pods.
class Node {
 public:
  Node() {
    facts.name = "n";
    facts.allocatable = {{"cpu", 1000}, {"pods", 8}};
    Kubelet::Options options;
    options.admit = [this](const api::core::Pod& pod) { return Judge(pod); };
    rig = std::make_unique<ApiRig>(options);
    rig->world.runtime.SetStopTakes(3s);
  }

  void Create(const std::string& name, int cpu, bool critical = false, int64_t grace = 30) {
    rig->Create(Spec(name, grace), [&](api::core::Pod& pod) { Fill(pod, cpu, critical); });
  }
  api::PodPtr Static(const std::string& name, int cpu) {
    auto pod = std::make_shared<api::core::Pod>(*MakePod(Spec(name, 30)));
    Fill(*pod, cpu, false);
    return pod;
  }
  std::string Reason(const std::string& uid) const {
    return rig->objects.at(uid)->status().reason();
  }
  const api::core::PodCondition* Disruption(const std::string& uid) const {
    for (const auto& condition : rig->objects.at(uid)->status().conditions()) {
      if (condition.type() == "DisruptionTarget") return &condition;
    }
    return nullptr;
  }
  // CPU of the pods of which a container runs.
  int64_t Running() const {
    int64_t sum = 0;
    for (const auto& [uid, object] : rig->objects) {
      bool runs = !rig->world.runtime.Running(object->metadata().name()).empty();
      if (runs) sum += admission::RequestsOf(*object)["cpu"];
    }
    return sum;
  }

  admission::NodeFacts facts;
  std::unique_ptr<ApiRig> rig;

 private:
  static PodSpec Spec(const std::string& name, int64_t grace) {
    PodSpec spec;
    spec.name = spec.uid = name;
    spec.grace = grace;
    return spec;
  }
  static void Fill(api::core::Pod& pod, int cpu, bool critical) {
    auto& requests =
        *pod.mutable_spec()->mutable_containers(0)->mutable_resources()->mutable_requests();
    if (cpu > 0) requests["cpu"].set_string(std::to_string(cpu) + "m");
    if (critical) pod.mutable_spec()->set_priority(2000000000);
  }
  worker::Judgement Judge(const api::core::Pod& pod) {
    std::vector<admission::PodAdmission::Other> others;
    for (const auto& active : rig->kubelet->workers->Active())
      others.push_back({active.pod, active.leaving});
    auto result = admission_.Judge(pod, facts, others);
    worker::Judgement out;
    if (const auto& why = result.decision.rejection)
      out.rejection = worker::Rejection{why->reason, why->message};
    out.preempt = result.decision.preempt;
    out.preempt_for = result.decision.preempt_for;
    out.after = result.after;
    return out;
  }
  admission::PodAdmission admission_;
};

TEST_CASE("a pod that does not fit is rejected, and the next one that fits is not") {
  Node node;
  node.Create("a", 700);
  node.Create("big", 400);
  node.Create("small", 300);
  node.rig->Advance(5s);
  CHECK(node.rig->Phase("a") == "Running");
  CHECK(node.rig->Phase("small") == "Running");
  CHECK(node.rig->Phase("big") == "Failed");
  CHECK(node.Reason("big") == "OutOfcpu");
  CHECK(node.rig->objects.at("big")->status().message() ==
        "Pod was rejected: Node didn't have enough resource: cpu, requested: 400, used: 700, "
        "capacity: 1000");
  CHECK(node.Disruption("big") == nullptr);
  // What ends makes room, for pods that come then.
  node.rig->Delete("a", 1);
  node.rig->Advance(5s);
  node.Create("later", 700);
  node.rig->Advance(5s);
  CHECK(node.rig->Phase("later") == "Running");
  CHECK(node.rig->Phase("big") == "Failed");
}

TEST_CASE("a preempted pod whose containers end with success has succeeded") {
  Node node;
  node.rig->world.runtime.SetStopExitCode(0);
  node.Create("large", 600);
  node.rig->Advance(1s);
  node.Create("critical", 500, true);
  node.rig->Advance(1s);
  CHECK(node.rig->Phase("large") == "Running");
  node.rig->Advance(4s);
  CHECK(node.rig->Phase("large") == "Succeeded");
  CHECK(node.Reason("large").empty());
  REQUIRE(node.Disruption("large") != nullptr);
  CHECK(node.rig->Breaches() == Strings{});
}

TEST_CASE("a preempted pod that cannot be stopped: events tell of the failure and of the delay") {
  Node node;
  node.Create("large", 600, false, 8);
  node.rig->Advance(1s);
  node.rig->world.runtime.Inject({"StopContainer", "", Fault::Kind::kFail, 1000});
  node.Create("critical", 500, true);
  node.rig->Advance(11s);
  const auto& messages = node.rig->kubelet->messages;
  auto told = [&](const std::string& start) {
    return std::count_if(messages.begin(), messages.end(),
                         [&](const auto& m) { return m.rfind(start, 0) == 0; });
  };
  CHECK(told("FailedKillPod : error killing pod: ") > 0);
  CHECK(told("ExceededGracePeriod") == 0);
  node.rig->Advance(2s);  // one and a half times its grace period
  CHECK(told("ExceededGracePeriod : Container runtime did not kill the pod within specified grace "
             "period.") == 1);
  node.rig->Advance(60s);
  CHECK(told("ExceededGracePeriod") == 1);
}

TEST_CASE("a pod that is being stopped takes up its room until it has stopped") {
  Node node;
  node.Create("a", 700);
  node.rig->Advance(1s);
  node.rig->Delete("a", 30);
  node.rig->Advance(1s);
  node.Create("b", 700);
  node.rig->Advance(10s);
  CHECK(node.Reason("b") == "OutOfcpu");
}

TEST_CASE("a critical pod drives others out, and starts when they have ended") {
  bool is_static = GENERATE(false, true);
  Node node;
  node.Create("best", 0);
  node.Create("small", 200);
  node.Create("large", 600);
  node.rig->Advance(1s);
  if (is_static) {
    node.rig->Static({node.Static("critical", 500)});
  } else {
    node.Create("critical", 500, true);
  }
  node.rig->Advance(1s);
  CHECK(node.rig->State("critical") == "Waiting");
  CHECK(node.rig->State("large") == "Ending");
  CHECK(node.rig->Phase("large") == "Running");
  CHECK(node.rig->world.runtime.Running("critical").empty());
  node.rig->Advance(3s);
  CHECK(node.rig->State("critical") == "Syncing");
  CHECK(node.rig->world.runtime.Running("critical").size() == 1);
  CHECK(node.rig->Phase("large") == "Failed");
  CHECK(node.Reason("large") == "Preempting");
  CHECK(node.rig->objects.at("large")->status().message() ==
        "Preempted in order to admit critical pod");
  REQUIRE(node.Disruption("large") != nullptr);
  CHECK(node.Disruption("large")->status() == "True");
  CHECK(node.Disruption("large")->reason() == "TerminationByKubelet");
  CHECK(node.Disruption("large")->message() ==
        "Pod was preempted by Kubelet to accommodate a critical pod.");
  auto& events = node.rig->kubelet->events;
  CHECK(std::count(events.begin(), events.end(), "large Preempting") == 1);
  CHECK(node.rig->Phase("best") == "Running");
  CHECK(node.rig->Phase("small") == "Running");
  // It stays so, also for a kubelet that knows nothing of it.
  node.rig->Restart();
  node.rig->Deliver();
  node.rig->Advance(1min);
  CHECK(node.Reason("large") == "Preempting");
  CHECK(node.Disruption("large") != nullptr);
  CHECK(node.rig->world.runtime.Starts("large", "c") == 1);
  CHECK(node.rig->world.runtime.Starts("critical", "c") == 1);
  CHECK(node.rig->Breaches() == Strings{});
}

TEST_CASE("a kubelet killed while it preempts comes to the same end") {
  auto after = GENERATE(0ms, 500ms, 2s, 2900ms, 3100ms, 5s);
  Node node;
  node.Create("a", 900);
  node.rig->Advance(1s);
  node.rig->Static({node.Static("critical", 500)});
  node.rig->Advance(after);
  node.rig->Restart();
  node.rig->Deliver();
  node.rig->Advance(1min);
  INFO(node.rig->world.runtime.Dump());
  CHECK(node.Reason("a") == "Preempting");
  CHECK(node.rig->world.runtime.Running("critical").size() == 1);
  CHECK(node.rig->world.runtime.Running("a").empty());
  CHECK(node.rig->Breaches() == Strings{});
}

TEST_CASE("a pod admitted into room that is still being left waits for it as well") {
  Node node;
  node.Create("a", 1000);
  node.rig->Advance(1s);
  node.Create("critical", 500, true);
  node.rig->Advance(1s);
  node.Create("other", 500);
  node.Create("none", 0);
  node.rig->Advance(1s);
  CHECK(node.rig->State("other") == "Waiting");
  CHECK(node.rig->State("none") == "Syncing");
  CHECK(node.Running() <= 1000);
  node.rig->Advance(3s);
  CHECK(node.rig->Phase("other") == "Running");
  CHECK(node.rig->Phase("critical") == "Running");
  node.Create("more", 100);
  node.rig->Advance(1s);
  CHECK(node.Reason("more") == "OutOfcpu");
}

TEST_CASE("a victim that does not end keeps a critical pod waiting for so long and no longer") {
  Node node;
  node.Create("a", 900, false, 4);
  node.rig->Advance(1s);
  node.rig->world.runtime.Inject({"StopContainer", "", Fault::Kind::kFail, 1000});
  node.Create("critical", 500, true);
  node.rig->Advance(9s);
  CHECK(node.rig->State("critical") == "Waiting");
  node.rig->Advance(2s);
  CHECK(node.rig->State("critical") == "Syncing");
  CHECK(node.rig->world.runtime.Running("critical").size() == 1);
}

TEST_CASE(
    "a critical pod that is deleted before its turn never starts; its victims have ended all the "
    "same") {
  Node node;
  node.Create("a", 900);
  node.rig->Advance(1s);
  node.Create("critical", 500, true);
  node.rig->Advance(1s);
  node.rig->Delete("critical", 30);
  node.rig->Advance(10s);
  CHECK(node.rig->Phase("critical") == "gone");
  CHECK(node.rig->world.runtime.Starts("critical", "c") == 0);
  CHECK(node.Reason("a") == "Preempting");
}

TEST_CASE("nobody is driven out when it does not help") {
  Node node;
  node.Create("a", 300);
  node.Create("b", 600, true);
  node.rig->Advance(1s);
  node.rig->Static({node.Static("critical", 500)});
  node.rig->Advance(10s);
  CHECK(node.rig->Phase("a") == "Running");
  CHECK(node.rig->State("critical") == "Ended");
  auto view = node.rig->kubelet->workers->View("critical");
  REQUIRE(view->verdict);
  CHECK(view->verdict->reason == "UnexpectedAdmissionError");
}

TEST_CASE(
    "random pods on a small node: what runs never asks for more than there is, over restarts too") {
  std::mt19937 random(GENERATE(range(0, 25)));
  auto number = [&](int from, int to) {
    return std::uniform_int_distribution<int>(from, to)(random);
  };
  Node node;
  for (int i = 0; i < 60; ++i) {
    std::string name = "p" + std::to_string(i);
    node.Create(name, number(0, 6) * 100, number(0, 4) == 0, number(1, 5));
    for (const auto& [uid, object] : std::map(node.rig->objects)) {
      if (number(0, 7) == 0) node.rig->Delete(uid, number(0, 5));
    }
    for (int quarter = number(0, 8); quarter >= 0; --quarter) {
      node.rig->Advance(250ms);
      INFO("pod " << i << "\n" << node.rig->world.runtime.Dump());
      CHECK(node.Running() <= 1000);
    }
    if (number(0, 15) == 0) {
      node.rig->Restart();
      node.rig->Deliver();
    }
  }
  node.rig->Advance(1min);
  for (const auto& [uid, object] : node.rig->objects) {
    const std::string& phase = object->status().phase();
    INFO(uid << " " << object->status().reason());
    CHECK((phase == "Running" || phase == "Failed"));
    if (phase == "Failed") CHECK_FALSE(object->status().reason().empty());
  }
  CHECK(node.rig->Breaches() == Strings{});
}

TEST_CASE("a sync that hangs does not put the deadline off; nor one that is shortened meanwhile") {
  bool shortened = GENERATE(false, true);
  ApiRig rig;
  rig.world.runtime.Inject({"StartContainer", "", Fault::Kind::kHang, -1});
  PodSpec spec;
  rig.Create(spec, [&](auto& pod) {
    pod.mutable_spec()->set_active_deadline_seconds(shortened ? 1000 : 20);
  });
  rig.Advance(10s);
  if (shortened)
    rig.Change("u1", [](auto& pod) { pod.mutable_spec()->set_active_deadline_seconds(20); });
  rig.Advance(9s);
  CHECK(rig.State("u1") == "Syncing");
  rig.Advance(2s);
  CHECK(rig.State("u1") != "Syncing");
}

}  // namespace
}  // namespace kubelet::test
