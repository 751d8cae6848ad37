// What is read again of pods in which nothing happens, and what is not.
#include "stats/rig.h"

namespace kubelet::stats {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using test::GroupNumbers;
using test::Rig;
using test::Value;

const std::string kPod = "/kubepods/burstable/poduid-a";
const std::string kLabels = "container=\"c\",id=\"" + kPod +
                            "/id-a\",image=\"busybox:1\",name=\"id-a\",namespace=\"ns\",pod=\"a\"}";
const std::string kSandbox = "container=\"\",id=\"" + kPod +
                             "/sandbox-a\",image=\"pause:3\",interface=\"eth0\",name=\"sandbox-a\","
                             "namespace=\"ns\",pod=\"a\"}";

// Figures of the container that do not move the pulse of its pod.
void SetThreads(Rig& rig, uint64_t threads) {
  GroupNumbers n;
  n.threads = threads;
  rig.tree.Set(kPod + "/id-a", n);
}
void MovePulse(Rig& rig, uint64_t cpu_us) {
  GroupNumbers n;
  n.cpu_us = cpu_us;
  rig.tree.Set(kPod, n);
}
std::optional<std::string> Threads(Rig& rig) {
  return Value(rig.Cadvisor(), "container_threads{" + kLabels);
}

TEST_CASE("a pod whose pulse does not move is read again after ten minutes at the latest") {
  bool v2 = GENERATE(false, true);
  Rig rig(v2);
  rig.AddPod("a");
  CHECK(Threads(rig) == "5");
  SetThreads(rig, 6);
  rig.clock.Advance(seconds(11));
  std::string text = rig.Cadvisor();
  CHECK(Value(text, "container_threads{" + kLabels) == "5");
  // It is known to be so now, and says that time.
  size_t at = text.find("container_threads{" + kLabels + " 5 17000000");
  REQUIRE(at != std::string::npos);
  CHECK(text.substr(text.find(" 5 17000000", at) + 11, 2) >= "11");
  rig.clock.Advance(minutes(10));
  CHECK(Threads(rig) == "6");
}

TEST_CASE("CPU time or memory that moves has the whole pod read") {
  bool v2 = GENERATE(false, true);
  Rig rig(v2);
  rig.AddPod("a");
  CHECK(Threads(rig) == "5");
  SetThreads(rig, 6);
  SECTION("CPU time") { MovePulse(rig, 1'500'001); }
  SECTION("memory") {
    rig.tree.Write("memory", kPod, v2 ? "memory.current" : "memory.usage_in_bytes", "9000001\n");
  }
  rig.clock.Advance(seconds(11));
  CHECK(Threads(rig) == "6");
}

TEST_CASE("what one document has found out about a pulse hides nothing from another") {
  Rig rig;
  rig.AddPod("a");
  CHECK(Threads(rig) == "5");
  SetThreads(rig, 6);
  MovePulse(rig, 1'600'000);
  rig.clock.Advance(seconds(11));
  // It reads CPU and memory only, but threads are not forgotten.
  (void)rig.Await(rig.stats().Resource(base::MetricForm::kPrometheus));
  rig.clock.Advance(seconds(11));
  CHECK(Threads(rig) == "6");
}

TEST_CASE("the network of a quiet pod is read now and then, and says when") {
  Rig rig;
  rig.AddPod("a");
  std::string series = "container_network_receive_bytes_total{" + kSandbox;
  std::string text = rig.Cadvisor();
  CHECK(Value(text, series) == "5000");
  std::string line = text.substr(text.find(series));
  line.resize(line.find('\n'));
  rig.WriteNet(1000, "eth0", 6000);
  rig.clock.Advance(seconds(19));
  CHECK(rig.Cadvisor().find(line + "\n") != std::string::npos);
  rig.clock.Advance(seconds(21));
  CHECK(Value(rig.Cadvisor(), series) == "6000");
  rig.WriteNet(1000, "eth0", 7000);
  MovePulse(rig, 1'500'001);
  rig.clock.Advance(seconds(11));
  CHECK(Value(rig.Cadvisor(), series) == "7000");
}

TEST_CASE("limits of a new quiet pod are those of now") {
  Rig rig;
  rig.AddPod("a");
  CHECK(Threads(rig) == "5");
  rig.tree.Write("memory", kPod + "/id-a", "memory.limit_in_bytes", "30000000\n");
  rig.clock.Advance(seconds(21));
  CHECK(Value(rig.Cadvisor(), "container_spec_memory_limit_bytes{" + kLabels) == "30000000");
}

TEST_CASE("pressure of a quiet pod goes on to fade") {
  Rig rig(true);
  rig.AddPod("a");
  (void)rig.Await(rig.stats().Summary(true));
  rig.tree.Write("", kPod, "cpu.pressure",
                 "some avg10=0.75 avg60=0.25 avg300=0.00 total=2500000\n"
                 "full avg10=0.00 avg60=0.00 avg300=0.00 total=1500\n");
  rig.clock.Advance(seconds(11));
  CHECK(rig.Await(rig.stats().Summary(true)).find("\"avg10\":0.75") != std::string::npos);
}

TEST_CASE("a new container in a quiet pod has figures at once") {
  Rig rig;
  auto pod = rig.AddPod("a");
  (void)rig.Cadvisor();
  rig.AddContainer(*pod, "d", "id-new", GroupNumbers());
  rig.clock.Advance(seconds(11));
  CHECK(rig.Cadvisor().find("name=\"id-new\"") != std::string::npos);
}

}  // namespace
}  // namespace kubelet::stats
