#include "catch.h"
#include "status/writer_bench.h"

namespace kubelet::status {
namespace {

using Bench = WriterBench;

TEST_CASE("a change is written within a turn of the loop, without a read") {
  Bench bench;
  auto pod = bench.Make("a");
  bench.Set(pod, bench.Status("Running", true));
  CHECK(bench.Patches() == 0);
  bench.Run();
  CHECK(bench.Patches() == 1);
  CHECK(bench.Gets() == 0);
  CHECK(bench.Stored("a")->status().phase() == "Running");
  CHECK(bench.Stored("a")->status().container_statuses(0).name() == "c");
  CHECK(bench.writer.pending() == 0);
  CHECK(bench.writer.Shown(pod->metadata().uid())->phase() == "Running");
}

TEST_CASE("the same status again is nothing, also in other words and at another time") {
  Bench bench;
  auto pod = bench.Make("a");
  auto status = bench.Status("Running", true);
  bench.Set(pod, status);
  bench.Run();
  bench.Set(pod, status);
  bench.clock.JumpWall(7s);
  bench.Set(pod, bench.Status("Running", true));
  auto fraction = status;
  fraction.mutable_start_time()->set_nanos(5);
  bench.Set(pod, fraction);
  bench.Advance(1min);
  CHECK(bench.Patches() == 1);
}

TEST_CASE("a new kubelet that computes what the server has writes nothing") {
  Bench bench;
  auto pod = bench.Make("a");
  bench.Set(pod, bench.Status("Running", true, 3));
  bench.Run();
  auto before = bench.Stored("a")->metadata().resource_version();

  StatusWriter second({bench.io.get_executor(), bench.clock, bench.api, [] { return 0.5; }}, {});
  bench.clock.JumpWall(1h);
  second.ObservedAll({bench.Stored("a")});
  // Computed without memory: new times, lower count, and the order of another day.
  second.Set(pod->metadata().uid(), pod, bench.Status("Running", true, 1), {});
  bench.Advance(1min);
  CHECK(bench.Patches() == 1);
  CHECK(bench.Stored("a")->metadata().resource_version() == before);
}

TEST_CASE("one call in flight per pod; versions in between are skipped") {
  Bench bench;
  auto pod = bench.Make("a");
  bench.api.set_latency(20ms);
  for (int i = 0; i < 50; ++i) {
    bench.Set(pod, bench.Status("Running", false, i));
    bench.Run();
  }
  bench.Set(pod, bench.Status("Running", true, 50));
  bench.Advance(100ms);
  CHECK(bench.Patches() == 2);
  CHECK(bench.Stored("a")->status().container_statuses(0).restart_count() == 50);
  CHECK(bench.Stored("a")->status().conditions(0).status() == "True");
}

TEST_CASE("110 pods become ready at once: one patch each, all visible soon at 20 ms a call") {
  Bench bench;
  std::vector<api::PodPtr> pods;
  for (int i = 0; i < 110; ++i) pods.push_back(bench.Make("p" + std::to_string(i)));
  for (const auto& pod : pods) bench.Set(pod, bench.Status("Pending", false));
  bench.Run();
  REQUIRE(bench.Patches() == 110);
  bench.api.log.clear();
  bench.api.set_latency(20ms);
  for (const auto& pod : pods) bench.Set(pod, bench.Status("Running", true));
  base::Nanos took{0};
  auto ready = [&] {
    for (const auto& pod : pods) {
      if (bench.Stored(pod->metadata().name())->status().conditions(0).status() != "True")
        return false;
    }
    return true;
  };
  while (!ready() && took < 10s) {
    bench.Advance(5ms);
    took += 5ms;
  }
  CHECK(took <= 200ms);
  CHECK(bench.Patches() == 110);
  CHECK(bench.Gets() == 0);
  bench.Advance(1min);
  CHECK(bench.api.log.size() == 110);
}

TEST_CASE("changes of Ready overtake others") {
  StatusWriter::Options options;
  options.queue.parallel = 2;
  Bench bench(options);
  std::vector<api::PodPtr> pods;
  for (int i = 0; i < 20; ++i) pods.push_back(bench.Make("p" + std::to_string(i)));
  bench.api.set_latency(10ms);
  for (const auto& pod : pods) bench.Set(pod, bench.Status("Running", false));
  auto urgent = bench.Make("urgent");
  bench.Set(urgent, bench.Status("Running", true));
  // One of those that waits turns urgent while it does.
  bench.Set(pods[19], bench.Status("Running", true));
  bench.Advance(300ms);
  std::vector<std::string> order;
  for (const auto& entry : bench.api.log) {
    if (entry.verb == "PATCH") order.push_back(entry.call.path.name);
  }
  REQUIRE(order.size() == 21);
  CHECK(order[2] == "urgent");
  CHECK(order[3] == "p19");
  CHECK(order[4] == "p2");
}

TEST_CASE("a call that hangs delays its own pod only") {
  Bench bench;
  auto slow = bench.Make("slow");
  auto quick = bench.Make("quick");
  bench.api.Hold("PATCH", "/slow/");
  bench.Set(slow, bench.Status("Running", true));
  bench.Set(quick, bench.Status("Running", true));
  bench.Run();
  CHECK(bench.Stored("quick")->status().phase() == "Running");
  bench.Set(slow, bench.Status("Running", false));
  bench.Advance(5s);
  CHECK(bench.api.Count("PATCH", "/slow/") == 1);
  bench.api.Release();
  bench.Advance(1s);
  CHECK(bench.Stored("slow")->status().conditions(0).status() == "False");
}

TEST_CASE("while the server is away one pod asks now and then; when it is back all go at once") {
  Bench bench;
  std::vector<api::PodPtr> pods;
  for (int i = 0; i < 110; ++i) pods.push_back(bench.Make("p" + std::to_string(i)));
  bench.api.Down();
  for (const auto& pod : pods) bench.Set(pod, bench.Status("Running", false));
  bench.Advance(1min);
  // 16 at once, then one each 0.75 s.
  CHECK(bench.Patches() > 60);
  CHECK(bench.Patches() < 16 + 85);
  for (const auto& pod : pods) bench.Set(pod, bench.Status("Running", true));
  bench.api.log.clear();
  bench.api.Up();
  bench.api.set_latency(20ms);
  bench.Advance(1300ms);
  CHECK(bench.Patches() == 110);
  CHECK(bench.Gets() == 0);
  for (const auto& pod : pods) {
    CHECK(bench.Stored(pod->metadata().name())->status().conditions(0).status() == "True");
  }
}

TEST_CASE("Wake ends every wait") {
  Bench bench;
  bench.feed.reset();
  auto pod = bench.Make("a");
  bench.writer.Observed(pod);
  SECTION("the server was away") { bench.api.Fail("PATCH", "", absl::UnavailableError("refused")); }
  SECTION("it answered with errors") {
    bench.api.Fail("PATCH", "", test::ApiFailure(500, "", "etcd"));
  }
  SECTION("it said too many, for long") {
    client::ApiError many;
    many.code = 429;
    many.retry_after = 60s;
    bench.api.Fail("PATCH", "", client::ToStatus(many));
  }
  SECTION("it did not let us") {
    bench.api.Fail("PATCH", "", test::ApiFailure(403, "Forbidden", "no"));
  }
  SECTION("it was not us") {
    bench.api.Fail("PATCH", "", test::ApiFailure(401, "Unauthorized", ""));
  }
  bench.Set(pod, bench.Status("Running", true));
  bench.Run();
  CHECK(bench.Patches() == 1);
  CHECK(bench.writer.Problem(pod->metadata().uid()) != "");
  bench.Advance(300ms);
  CHECK(bench.Patches() == 1);
  bench.writer.Wake();
  bench.Run();
  CHECK(bench.Patches() == 2);
  CHECK(bench.Stored("a")->status().phase() == "Running");
  CHECK(bench.writer.Problem(pod->metadata().uid()) == "");
}

TEST_CASE("Retry-After is kept") {
  Bench bench;
  auto pod = bench.Make("a");
  client::ApiError many;
  many.code = 429;
  many.retry_after = 20s;
  bench.api.Fail("PATCH", "", client::ToStatus(many));
  bench.Set(pod, bench.Status("Running", true));
  bench.Advance(19s);
  CHECK(bench.Patches() == 1);
  bench.Advance(2s);
  CHECK(bench.Patches() == 2);
}

TEST_CASE("a status that is found invalid is tried again at growing distance, a new one at once") {
  Bench bench;
  auto pod = bench.Make("a");
  bench.api.Fail("PATCH", "", test::ApiFailure(422, "Invalid", "containers may not"), 100);
  bench.Set(pod, bench.Status("Running", true));
  bench.Advance(2min);
  int tries = bench.Patches();
  CHECK(tries > 3);
  CHECK(tries < 12);
  bench.Set(pod, bench.Status("Running", true, 1));
  bench.Run();
  CHECK(bench.Patches() == tries + 1);
}

TEST_CASE("an answer that is lost is made good") {
  Bench bench;
  auto pod = bench.Make("a");
  bool watched = GENERATE(true, false);
  if (!watched) {
    bench.feed.reset();
    bench.Run();
  }
  bench.api.LoseAnswer("PATCH", "", absl::UnavailableError("reset"));
  bench.Set(pod, bench.Status("Running", true));
  bench.Run();
  CHECK(bench.Stored("a")->status().phase() == "Running");
  // Back to what the server had before that write, as far as we know.
  PodStatus first;
  first.mutable_start_time()->set_seconds(bench.Stored("a")->status().start_time().seconds());
  first.add_container_statuses()->set_name("c");
  bench.Set(pod, first);
  bench.Advance(1s);
  CHECK(bench.Stored("a")->status().phase() == "");
  CHECK(bench.Stored("a")->status().conditions_size() == 0);
}

TEST_CASE("a pod that is not there any more is forgotten") {
  Bench bench;
  auto pod = bench.Make("a");
  bench.feed.reset();
  bench.Run();
  REQUIRE(bench.api.Remove({kPods, "default", "a"}).ok());
  bench.Set(pod, bench.Status("Running", true));
  bench.Advance(1min);
  CHECK(bench.Patches() == 1);
  bench.Set(pod, bench.Status("Running", false));
  bench.Advance(1min);
  CHECK(bench.Patches() == 1);
  CHECK_FALSE(bench.writer.Shown(pod->metadata().uid()));
}

TEST_CASE("a pod of the same name and another uid does not get the status") {
  Bench bench;
  auto pod = bench.Make("a");
  bench.feed.reset();
  bench.Run();
  REQUIRE(bench.api.Remove({kPods, "default", "a"}).ok());
  auto other = bench.Make("a");
  bench.Set(pod, bench.Status("Running", true));
  bench.Advance(1min);
  CHECK(bench.Stored("a")->metadata().uid() == other->metadata().uid());
  CHECK(bench.Stored("a")->status().phase() == "");
  CHECK(bench.Patches() == 1);
  CHECK(bench.Gets() == 1);
  bench.writer.Observed(other);
  bench.Set(other, bench.Status("Pending", false));
  bench.Run();
  CHECK(bench.Stored("a")->status().phase() == "Pending");
}

TEST_CASE("a conflict is looked into once and the patch made anew") {
  Bench bench;
  auto pod = bench.Make("a");
  bench.api.Fail("PATCH", "", test::ApiFailure(409, "Conflict", "modified"));
  bench.Set(pod, bench.Status("Running", true));
  bench.Run();
  CHECK(bench.Gets() == 1);
  CHECK(bench.Patches() == 2);
  CHECK(bench.Stored("a")->status().phase() == "Running");
  bench.api.Fail("PATCH", "", test::ApiFailure(409, "Conflict", "modified"), 2);
  bench.Set(pod, bench.Status("Running", false));
  bench.Run();
  CHECK(bench.Patches() == 4);
  bench.Advance(2s);
  CHECK(bench.Patches() == 5);
  CHECK(bench.Stored("a")->status().conditions(0).status() == "False");
}

TEST_CASE(
    "conditions of others are not touched; a condition of ours that others took is put back "
    "later") {
  Bench bench;
  auto pod = bench.Make("a");
  bench.Set(pod, bench.Status("Running", true));
  bench.Run();
  bench.Meddle("a", R"({"conditions":[{"type":"example.com/gate","status":"True"}]})");
  bench.Advance(1min);
  CHECK(bench.Patches() == 1);
  bench.Meddle("a", R"({"conditions":[{"type":"Ready","status":"False"}],"phase":"Unknown"})");
  bench.Advance(9s);
  CHECK(bench.Patches() == 1);
  bench.Advance(2s);
  CHECK(bench.Patches() == 2);
  auto status = bench.Stored("a")->status();
  CHECK(status.phase() == "Running");
  REQUIRE(status.conditions_size() == 2);
  for (const auto& c : status.conditions()) CHECK(c.status() == "True");
  bench.Advance(1min);
  CHECK(bench.Patches() == 2);
}

TEST_CASE("a terminal phase is held back while containers may run, and the rest is written") {
  Bench bench;
  auto pod = bench.Make("a");
  bench.Set(pod, bench.Status("Running", true));
  bench.Run();
  bench.Set(pod, bench.Status("Succeeded", false, 1));
  bench.Run();
  CHECK(bench.Stored("a")->status().phase() == "Running");
  CHECK(bench.Stored("a")->status().container_statuses(0).restart_count() == 1);
  bench.Set(pod, bench.Status("Succeeded", false, 1), true);
  bench.Run();
  CHECK(bench.Stored("a")->status().phase() == "Succeeded");
  bench.Set(pod, bench.Status("Running", true, 1));
  bench.Advance(1min);
  CHECK(bench.Stored("a")->status().phase() == "Succeeded");
  CHECK(bench.Stored("a")->status().conditions(0).status() == "False");
}

TEST_CASE("a finished pod is deleted once it is to go, ended and cleaned up; with its uid, once") {
  Bench bench;
  auto pod = bench.Make("a");
  const std::string uid = pod->metadata().uid();
  bench.Set(pod, bench.Status("Running", true));
  bench.Run();
  REQUIRE(bench.api.Remove({kPods, "default", "a"}, true).ok());
  bench.Run();
  bench.Set(pod, bench.Status("Failed", false), true);
  bench.Run();
  REQUIRE(bench.Stored("a"));
  CHECK(bench.Stored("a")->status().phase() == "Failed");
  CHECK(bench.api.Count("DELETE", "") == 0);
  bench.api.LoseAnswer("DELETE", "", absl::UnavailableError("reset"), GENERATE(0, 1));
  bench.writer.Finished(uid);
  bench.writer.Finished(uid);
  bench.Advance(2s);
  CHECK_FALSE(bench.Stored("a"));
  const auto& call =
      std::find_if(bench.api.log.begin(), bench.api.log.end(), [](const auto& entry) {
        return entry.verb == "DELETE";
      })->call;
  const auto& options = dynamic_cast<const api::meta::DeleteOptions&>(*call.body);
  CHECK(options.grace_period_seconds() == 0);
  CHECK(options.preconditions().uid() == uid);
  int deletes = bench.api.Count("DELETE", "");
  bench.Advance(1min);
  CHECK(bench.api.Count("DELETE", "") == deletes);
  bench.writer.Forget(uid);
  CHECK(bench.writer.pending() == 0);
}

TEST_CASE("a finished pod without a terminal phase is Failed first") {
  Bench bench;
  auto pod = bench.Make("a");
  bool computed = GENERATE(true, false);
  if (computed) bench.Set(pod, bench.Status("Pending", false));
  bench.Run();
  REQUIRE(bench.api.Remove({kPods, "default", "a"}, true).ok());
  std::string phase;
  bench.writer.Finished(pod->metadata().uid());
  for (int i = 0; i < 20 && bench.Stored("a"); ++i) {
    phase = bench.Stored("a")->status().phase();
    bench.io.restart();
    bench.io.run_one();
  }
  bench.Run();
  CHECK(phase == "Failed");
  CHECK_FALSE(bench.Stored("a"));
}

TEST_CASE("finished comes before the deletion, and finalizers of others are left to them") {
  Bench bench;
  Pod blueprint = test::PodNamed("a", "n1");
  blueprint.mutable_metadata()->add_finalizers("example.com/f");
  auto pod = bench.Put(blueprint);
  bench.Set(pod, bench.Status("Succeeded", false), true);
  bench.writer.Finished(pod->metadata().uid());
  bench.Advance(1min);
  CHECK(bench.api.Count("DELETE", "") == 0);
  REQUIRE(bench.api.Remove({kPods, "default", "a"}, true).ok());
  bench.Advance(1min);
  CHECK(bench.api.Count("DELETE", "") == 1);
  bench.Meddle("a", R"({"conditions":[{"type":"example.com/f","status":"True"}]})");
  bench.Advance(1min);
  CHECK(bench.api.Count("DELETE", "") == 1);
  CHECK(bench.Stored("a"));
}

TEST_CASE("the watch may be late or early; what is older than our write is passed over") {
  Bench bench;
  auto pod = bench.Make("a");
  bench.feed.reset();
  bench.Set(pod, bench.Status("Running", true));
  bench.Run();
  auto first = bench.Stored("a");
  bench.Set(pod, bench.Status("Running", false));
  bench.Run();
  bench.writer.Observed(first);
  bench.writer.Observed(pod);
  bench.Advance(1min);
  CHECK(bench.Patches() == 2);
  bench.Feed();
  bench.Advance(1min);
  CHECK(bench.Patches() == 2);
  CHECK(bench.Stored("a")->status().conditions(0).status() == "False");
}

TEST_CASE("after an etcd restore a status is written once, not at every look") {
  Bench bench;
  auto pod = bench.Make("a");
  bench.Set(pod, bench.Status("Running", true));
  bench.Run();
  REQUIRE(bench.Patches() == 1);
  bench.feed.reset();
  SECTION("the list comes first") {
    bench.api.Rewind(1);
    Pod old = *pod;  // as the backup has it
    bench.Put(old);
    bench.Feed();
  }
  SECTION("our write comes first") {
    bench.api.Rewind(1);
    bench.Put(*pod);
    bench.Set(pod, bench.Status("Running", false));
    bench.Run();
    bench.Set(pod, bench.Status("Running", true));
    bench.Run();
    bench.Feed();
  }
  bench.Advance(1min);
  CHECK(bench.Stored("a")->status().conditions(0).status() == "True");
  int patches = bench.Patches();
  bench.Advance(10min);
  CHECK(bench.Patches() == patches);
  // What others write is seen again too.
  bench.Meddle("a", "{\"phase\":\"Pending\"}");
  bench.Advance(1min);
  CHECK(bench.Patches() == patches + 1);
  CHECK(bench.Stored("a")->status().phase() == "Running");
}

TEST_CASE("forgotten pods are not written") {
  Bench bench;
  auto pod = bench.Make("a");
  bench.api.Down();
  bench.Set(pod, bench.Status("Running", true));
  bench.Run();
  bench.writer.Forget(pod->metadata().uid());
  bench.api.Up();
  bench.Advance(1min);
  CHECK(bench.Patches() == 1);
  CHECK(bench.Stored("a")->status().phase() == "");
}

TEST_CASE("the time a status took is counted") {
  Bench bench;
  auto pod = bench.Make("a");
  bench.api.set_latency(700ms);
  bench.Set(pod, bench.Status("Running", true));
  bench.Advance(1s);
  std::string text = bench.metrics.Render();
  CHECK(text.find("kubelet_pod_status_sync_duration_seconds_bucket{le=\"0.5\"} 0") !=
        std::string::npos);
  CHECK(text.find("kubelet_pod_status_sync_duration_seconds_bucket{le=\"1\"} 1") !=
        std::string::npos);
}

}  // namespace
}  // namespace kubelet::status
