#include "node/startup_times.h"

#include "client/loop.h"
#include "fakes/metric_value.h"
#include "node/facts.h"

namespace kubelet::node {
namespace {

using namespace std::chrono_literals;

base::Task<NodeFacts> Give(const NodeFacts* facts) { co_return *facts; }

struct Bench : test::ApiLoop {
  base::Registry metrics;
  NodeFacts facts = test::SomeFacts();
  std::unique_ptr<NodeAgent> agent;

  ~Bench() {
    agent.reset();
    Run();
  }
  // The machine is up for 20 s when the kubelet starts, and that waits for another 2 s.
  void Start() {
    NodeAgent::Options options;
    options.node = test::SomeOptions();
    NodeAgent::Deps deps{io.get_executor(),
                         clock,
                         api,
                         [this] { return Give(&facts); },
                         [] { return 0.5; },
                         &metrics,
                         clock.Now() - 20s};
    agent = std::make_unique<NodeAgent>(std::move(deps), options, NodeAgent::Callbacks());
    Advance(2s);
    agent->Start();
    Run();
  }
  // In the order of events, and all of it.
  std::string Gauges() const {
    std::string out;
    for (const char* part :
         {"pre_kubelet_", "pre_registration_", "registration_", "post_registration_", ""}) {
      std::string series = std::string("kubelet_node_startup_") + part + "duration_seconds";
      out += (out.empty() ? "" : " ") + test::MetricValue(metrics, series);
    }
    return out;
  }
};

TEST_CASE("startup: a new Node that is ready with its registration") {
  Bench b;
  b.Start();
  CHECK(b.Gauges() == "20 2 0 0 22");
  b.Advance(10min);
  CHECK(b.Gauges() == "20 2 0 0 22");
}

TEST_CASE("startup: a server that comes late, and a runtime that comes later") {
  Bench b;
  b.facts.errors = {"the container runtime is down"};
  b.api.Down();
  b.Start();
  CHECK(b.Gauges() == "0 0 0 0 0");
  b.Advance(5s);
  b.api.Up();
  b.agent->ServerBack();
  b.Run();
  REQUIRE(b.agent->registered());
  CHECK(b.Gauges() == "20 2 5 0 0");
  b.Advance(3s);
  b.facts.errors.clear();
  b.agent->Poke();
  b.Run();
  CHECK(b.Gauges() == "20 2 5 3 30");
  // Ready again is no startup.
  b.facts.errors = {"x"};
  b.Advance(1min);
  b.facts.errors.clear();
  b.Advance(1min);
  CHECK(b.Gauges() == "20 2 5 3 30");
}

TEST_CASE("startup: a Node that was there already tells nothing") {
  Bench b;
  core::Node node;
  node.mutable_metadata()->set_name("n1");
  b.api.Put({client::kNodes}, node);
  b.Start();
  b.Advance(1min);
  REQUIRE(b.agent->registered());
  CHECK(b.Gauges() == "0 0 0 0 0");
}

TEST_CASE("startup: without the time of the boot only the kubelet's own part is told") {
  base::ManualClock clock;
  base::Registry metrics;
  StartupTimes times(clock, &metrics, std::nullopt);
  core::Node node;
  auto* ready = node.mutable_status()->add_conditions();
  ready->set_type("Ready");
  ready->set_status("True");
  times.Registered();  // nothing was tried yet
  times.Known(node);
  clock.Advance(1s);
  times.Attempt();
  times.Attempt();
  clock.Advance(2s);
  times.Registered();
  clock.Advance(4s);
  ready->set_status("Unknown");
  times.Known(node);
  clock.Advance(4s);
  ready->set_status("True");
  times.Known(node);
  auto value = [&](const char* part) {
    return test::MetricValue(metrics,
                             std::string("kubelet_node_startup_") + part + "duration_seconds");
  };
  CHECK(value("pre_kubelet_") == "0");
  CHECK(value("pre_registration_") == "1");
  CHECK(value("registration_") == "2");
  CHECK(value("post_registration_") == "8");
  CHECK(value("") == "0");
  StartupTimes silent(clock, nullptr, std::nullopt);
  silent.Attempt();
  silent.Registered();
  silent.Known(node);
}

}  // namespace
}  // namespace kubelet::node
