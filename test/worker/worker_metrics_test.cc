// What workers and PLEG count.
#include "catch.h"
#include "fakes/metric_value.h"
#include "fakes/node_sim.h"
#include "fakes/pods.h"
#include "kubelet/base/time.h"

namespace kubelet::test {
namespace {

using namespace std::chrono_literals;

constexpr char kStart[] = "kubelet_pod_worker_start_duration_seconds";
constexpr char kRestarted[] = "kubelet_restarted_pods_total{static=\"true\"}";
constexpr char kOrphans[] = "kubelet_orphaned_runtime_pods_total";

api::PodPtr SeenAt(PodSpec spec, base::WallTime seen) {
  auto pod = std::make_shared<api::core::Pod>(*MakePod(spec));
  (*pod->mutable_metadata()->mutable_annotations())[api::kConfigSeen] = base::Rfc3339Nano(seen);
  return pod;
}

TEST_CASE("the start of a worker is counted from the time its pod was seen, once in its life") {
  World world;
  base::Registry metrics;
  bool later = true;
  Kubelet::Options options;
  options.metrics = &metrics;
  options.admit = [&](const api::core::Pod&) {
    worker::Judgement judgement;
    judgement.later = later;
    return judgement;
  };
  Kubelet kubelet(world, options);
  auto value = [&](const std::string& series) { return MetricValue(metrics, series); };
  CHECK(value(std::string(kStart) + "_count") == "0");
  kubelet.Snapshot({SeenAt({}, world.clock.Now())});
  world.Advance(2500ms);
  later = false;
  kubelet.manager->JudgeAgain();
  world.Advance(10min);
  CHECK(value(std::string(kStart) + "_sum") == "2.5");
  CHECK(value(std::string(kStart) + "_count") == "1");
  REQUIRE(kubelet.workers->View("u1"));
  CHECK(kubelet.workers->View("u1")->first_seen == world.clock.Now() - 10min - 2500ms);
  // What an earlier kubelet saw is seen by this one when it starts.
  PodSpec other;
  other.uid = "u2";
  other.name = "other";
  kubelet.Snapshot({SeenAt({}, world.clock.Now()), SeenAt(other, world.clock.Now() - 1h)});
  world.Advance(1s);
  CHECK(value(std::string(kStart) + "_count") == "2");
  CHECK(value(std::string(kStart) + "_sum") == "605");
}

TEST_CASE("a pod that comes back under its uid while it ends is counted as restarted") {
  World world;
  world.runtime.SetStopTakes(2s);
  base::Registry metrics;
  Kubelet::Options options;
  options.metrics = &metrics;
  Kubelet kubelet(world, options);
  auto value = [&](const std::string& series) { return MetricValue(metrics, series); };
  CHECK(value(kRestarted) == "0");
  CHECK(value("kubelet_restarted_pods_total{static=\"\"}") == "0");
  auto pod = SeenAt({}, world.clock.Now());
  kubelet.Snapshot({pod});
  world.Advance(1h);
  kubelet.Snapshot({});
  world.Advance(1s);
  kubelet.Snapshot({pod});
  world.Advance(30s);
  CHECK(value(kRestarted) == "1");
  CHECK(value("kubelet_restarted_pods_total{static=\"\"}") == "0");
  // Its new life is not an hour old at its start.
  CHECK(value(std::string(kStart) + "_count") == "2");
  CHECK(value(std::string(kStart) + "_bucket{le=\"5\"}") == "2");
  // One that had ended before it came back, and one that was taken away again, are none.
  kubelet.Snapshot({});
  world.Advance(30s);
  kubelet.Snapshot({pod});
  world.Advance(30s);
  kubelet.Snapshot({});
  world.Advance(1s);
  kubelet.Snapshot({pod});
  kubelet.Snapshot({});
  world.Advance(30s);
  kubelet.Snapshot({pod});
  world.Advance(30s);
  CHECK(value(kRestarted) == "1");
  CHECK(value(kOrphans) == "0");
}

TEST_CASE("pods that only the runtime knows are counted when they are found") {
  World world;
  {
    Kubelet first(world);
    PodSpec other;
    other.name = "other";
    other.uid = "o1";
    first.Snapshot({MakePod({}), MakePod(other)});
    first.client.CutAfter(0);
  }
  base::Registry metrics;
  Kubelet::Options options;
  options.metrics = &metrics;
  Kubelet second(world, options);
  CHECK(MetricValue(metrics, kOrphans) == "0");
  second.Snapshot({MakePod({})});
  world.Advance(1min);
  CHECK(MetricValue(metrics, kOrphans) == "1");
  CHECK(world.runtime.SizeOf("other") == 0);
}

TEST_CASE("PLEG counts its event streams, and how long it asks about one pod") {
  World world;
  base::Registry metrics;
  Kubelet::Options options;
  options.metrics = &metrics;
  Kubelet kubelet(world, options);
  auto value = [&](const char* series) { return MetricValue(metrics, series); };
  CHECK(value("kubelet_evented_pleg_connection_success_count") == "1");
  CHECK(value("kubelet_evented_pleg_connection_error_count") == "0");
  CHECK(value("kubelet_pleg_pod_relist_duration_seconds_count") == "0");
  kubelet.Snapshot({MakePod({})});
  world.Advance(1s);
  CHECK(std::stoi(value("kubelet_pleg_pod_relist_duration_seconds_count")) > 0);
  world.runtime.SetDown(true);
  world.Advance(1s);
  CHECK(std::stoi(value("kubelet_evented_pleg_connection_error_count")) > 0);
  CHECK(value("kubelet_evented_pleg_connection_success_count") == "1");
  world.runtime.SetDown(false);
  world.Advance(10s);
  CHECK(value("kubelet_evented_pleg_connection_success_count") == "2");
}

}  // namespace
}  // namespace kubelet::test
