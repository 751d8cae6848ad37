// How long pods took to start, on a clock that is set by hand.
#include "kubelet/status/pod_starts.h"

#include "catch.h"
#include "fakes/metric_value.h"
#include "fakes/pods.h"
#include "kubelet/status/terminations.h"

namespace kubelet::status {
namespace {

using namespace std::chrono_literals;
using api::core::Pod;

constexpr char kTotal[] = "kubelet_pod_start_total_duration_seconds";
constexpr char kSli[] = "kubelet_pod_start_sli_duration_seconds";
constexpr char kFirst[] = "kubelet_first_network_pod_start_sli_duration_seconds";

struct Bench {
  base::ManualClock clock;
  base::Registry metrics;
  std::map<std::string, runtime::ObservedPodPtr> runtime;
  PodStarts starts{{clock, metrics, [this](const std::string& uid) { return runtime[uid]; }}};

  // Created now, and seen for the first time.
  Pod Create(const std::string& uid, const test::PodSpec& base = {}) {
    test::PodSpec spec = base;
    spec.uid = uid;
    spec.source = "api";
    Pod pod = *test::MakePod(spec);
    pod.mutable_metadata()->mutable_creation_timestamp()->set_seconds(
        std::chrono::duration_cast<std::chrono::seconds>(clock.Now().time_since_epoch()).count());
    pod.mutable_status()->set_phase("Pending");
    return pod;
  }
  void ShowRunning(Pod pod) {
    pod.mutable_status()->mutable_start_time()->set_seconds(1);
    for (const auto& container : pod.spec().containers()) {
      auto* shown = pod.mutable_status()->add_container_statuses();
      shown->set_name(container.name());
      shown->mutable_state()->mutable_running()->mutable_started_at()->set_seconds(2);
    }
    starts.Observed(pod);
  }
  // What the runtime knows of an init container that ended now.
  void Ran(const std::string& uid, const std::string& name, base::Nanos took) {
    auto pod = std::make_shared<runtime::ObservedPod>();
    if (runtime[uid]) *pod = *runtime[uid];
    runtime::ContainerStatus container;
    container.name = name;
    container.state = runtime::ContainerState::kExited;
    container.finished_at = clock.Now();
    container.started_at = container.finished_at - took;
    pod->containers.push_back(container);
    runtime[uid] = pod;
  }
  std::string Value(const std::string& series) const { return test::MetricValue(metrics, series); }
  std::string Sums() const {
    return Value(std::string(kTotal) + "_sum") + " " + Value(std::string(kSli) + "_sum");
  }
};

TEST_CASE("a pod's start is told once, when the server shows that all its containers run") {
  Bench b;
  CHECK(b.Sums() == "absent absent");
  CHECK(b.Value(kFirst) == "0");
  Pod pod = b.Create("u1", {.containers = {"a", "b"}});
  b.starts.Observed(pod);
  b.clock.Advance(3s);
  pod.mutable_status()->mutable_start_time()->set_seconds(1);
  auto* first = pod.mutable_status()->add_container_statuses();
  first->set_name("a");
  first->mutable_state()->mutable_running()->mutable_started_at()->set_seconds(2);
  b.starts.Observed(pod);
  CHECK(b.Sums() == "absent absent");
  b.clock.Advance(4s);
  pod.mutable_status()->clear_container_statuses();
  b.ShowRunning(pod);
  CHECK(b.Sums() == "7 7");
  CHECK(b.Value(kFirst) == "7");
  CHECK(b.Value(std::string(kTotal) + "_bucket{le=\"6\"}") == "0");
  CHECK(b.Value(std::string(kTotal) + "_bucket{le=\"8\"}") == "1");
  CHECK(b.Value(std::string(kTotal) + "_bucket{le=\"3600\"}") == "1");
  CHECK(b.starts.size() == 0);
  b.clock.Advance(10s);
  b.ShowRunning(pod);
  CHECK(b.Value(std::string(kTotal) + "_count") == "1");
  CHECK(b.starts.size() == 0);
}

TEST_CASE("pulls count once where they overlap, from the first try to the image being there") {
  Bench b;
  Pod pod = b.Create("u1", {.containers = {"a", "b"}});
  b.starts.Observed(pod);
  b.clock.Advance(1s);
  b.starts.PullBegan("u1", "a:1");
  b.clock.Advance(2s);
  b.starts.PullBegan("u1", "b:1");
  b.clock.Advance(3s);
  b.starts.PullEnded("u1", "a:1");
  b.clock.Advance(4s);  // b failed meanwhile, and is tried again
  b.starts.PullBegan("u1", "b:1");
  b.clock.Advance(5s);
  b.starts.PullEnded("u1", "b:1");
  b.starts.PullEnded("u1", "b:1");
  b.starts.PullEnded("u1", "never:1");
  b.clock.Advance(2s);
  b.ShowRunning(pod);
  CHECK(b.Sums() == "17 3");
  // Nobody's pulls are nobody's.
  b.starts.PullBegan("u2", "a:1");
  b.starts.PullEnded("u2", "a:1");
  CHECK(b.starts.size() == 0);
}

TEST_CASE("init containers are left out, sidecars are not") {
  Bench b;
  Pod pod = b.Create("u1", {.init = {"one", "two"}, .sidecars = {"side"}});
  b.starts.Observed(pod);
  b.clock.Advance(20s);
  b.Ran("u1", "one", 4s);
  b.Ran("u1", "one", 2s);  // it had failed before
  b.Ran("u1", "two", 500ms);
  b.Ran("u1", "side", 7s);
  b.ShowRunning(pod);
  CHECK(b.Sums() == "20 13.5");
}

TEST_CASE("stateful pods have no SLI, and pods of the host's network are not the first with one") {
  Bench b;
  Pod stateful = b.Create("u1");
  auto* volume = stateful.mutable_spec()->add_volumes();
  volume->mutable_volume_source()->mutable_host_path()->set_path("/data");
  b.starts.Observed(stateful);
  b.clock.Advance(2s);
  b.ShowRunning(stateful);
  CHECK(b.Sums() == "2 absent");
  Pod host = b.Create("u2");
  host.mutable_spec()->set_host_network(true);
  host.mutable_spec()->add_volumes()->mutable_volume_source()->mutable_projected();
  host.mutable_spec()->add_volumes()->mutable_volume_source()->mutable_empty_dir();
  b.starts.Observed(host);
  b.clock.Advance(3s);
  b.ShowRunning(host);
  CHECK(b.Sums() == "5 3");
  CHECK(b.Value(kFirst) == "0");
  for (auto [uid, took] : {std::pair("u3", 4s), std::pair("u4", 5s)}) {
    Pod pod = b.Create(uid);
    b.starts.Observed(pod);
    b.clock.Advance(took);
    b.ShowRunning(pod);
    CHECK(b.Value(kFirst) == "4");
  }
}

TEST_CASE(
    "pods that were taken on before, could not be placed, are over or mirrors are passed over") {
  Bench b;
  Pod old = b.Create("u1");
  old.mutable_status()->mutable_start_time()->set_seconds(1);
  b.starts.Observed(old);
  CHECK(b.starts.size() == 0);
  b.ShowRunning(old);
  Pod late = b.Create("u2");
  b.starts.Observed(late);
  auto* placed = late.mutable_status()->add_conditions();
  placed->set_type("PodScheduled");
  placed->set_status("False");
  b.starts.Observed(late);
  placed->set_status("True");
  b.starts.Observed(late);
  b.ShowRunning(late);
  Pod mirror = b.Create("u3");
  (*mirror.mutable_metadata()->mutable_annotations())[api::kConfigMirror] = "x";
  b.starts.Observed(mirror);
  b.ShowRunning(mirror);
  Pod over = b.Create("u4");
  b.starts.Observed(over);
  over.mutable_status()->set_phase("Failed");
  b.starts.Observed(over);
  CHECK(b.Sums() == "absent absent");
  CHECK(b.starts.size() == 1);  // it is not to be taken for new
  b.starts.Forget("u2");
  CHECK(b.starts.size() == 0);
}

TEST_CASE("a clock that goes back takes nothing from the sums") {
  Bench b;
  Pod pod = b.Create("u1");
  b.starts.Observed(pod);
  b.clock.JumpWall(-1h);
  b.ShowRunning(pod);
  CHECK(b.Sums() == "0 0");
  CHECK(b.Value(std::string(kSli) + "_count") == "1");
}

TEST_CASE("each end of a container is counted once, by its kind, code and reason") {
  base::Registry metrics;
  Terminations ends(metrics);
  auto value = [&](const char* type, const char* code, const char* reason) {
    return test::MetricValue(
        metrics, std::string("kubelet_terminated_containers_total{container_type=\"") + type +
                     "\",exit_code=\"" + code + "\",reason=\"" + reason + "\"}");
  };
  auto end = [](api::core::ContainerStatus* status, const char* name, int code,
                const char* reason) {
    status->set_name(name);
    status->mutable_state()->mutable_terminated()->set_exit_code(code);
    status->mutable_state()->mutable_terminated()->set_reason(reason);
  };
  api::core::PodStatus none, running, over;
  running.add_container_statuses()->set_name("c");
  running.mutable_container_statuses(0)->mutable_state()->mutable_running();
  end(running.add_init_container_statuses(), "i", 0, "Completed");
  end(over.add_container_statuses(), "c", 137, "OOMKilled");
  end(over.add_init_container_statuses(), "i", 0, "Completed");
  end(over.add_ephemeral_container_statuses(), "e", 1, "Error");
  ends.Count(none, running);
  ends.Count(running, running);
  CHECK(value("init_container", "0", "Completed") == "1");
  CHECK(value("container", "137", "OOMKilled") == "absent");
  ends.Count(running, over);
  ends.Count(over, over);
  CHECK(value("init_container", "0", "Completed") == "1");
  CHECK(value("container", "137", "OOMKilled") == "1");
  CHECK(value("ephemeral_container", "1", "Error") == "1");
  ends.Count(over, running);
  ends.Count(running, over);
  CHECK(value("container", "137", "OOMKilled") == "2");
}

}  // namespace
}  // namespace kubelet::status
