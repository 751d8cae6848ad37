// Random histories: whatever the API server, the watch and other clients do, no watcher sees what
// must not be, and in the end the server has what is wanted.
#include <random>

#include "catch.h"
#include "status/merge.h"
#include "status/patch.h"
#include "status/writer_bench.h"

namespace kubelet::status {
namespace {

// Watches as others do, and complains.
struct Witness {
  std::map<std::string, PodStatus> seen;  // by uid
  int changes = 0;
  void See(const Pod& pod) {
    PodStatus& before = seen[pod.metadata().uid()];
    const PodStatus& now = pod.status();
    ++changes;
    INFO(pod.metadata().name() << " " << before.phase() << " -> " << now.phase());
    if (IsTerminal(before.phase())) CHECK(now.phase() == before.phase());
    if (before.has_start_time()) {
      CHECK(now.start_time().seconds() == before.start_time().seconds());
    }
    if (before.container_statuses_size() > 0) {
      REQUIRE(now.container_statuses_size() > 0);
      CHECK(now.container_statuses(0).restart_count() >=
            before.container_statuses(0).restart_count());
    }
    if (IsTerminal(now.phase()) && !meddled) CHECK_FALSE(IsReady(now));
    before = now;
  }
  bool meddled = false;
};

struct Last {
  api::PodPtr pod;
  PodStatus status;
  bool allowed = false;
};

struct History : WriterBench {
  explicit History(unsigned seed) : random(seed) {
    test::PodFeed::Sink sink;
    sink.on_list = [this](std::vector<api::PodPtr> pods) {
      for (const auto& pod : pods) witness.See(*pod);
    };
    sink.on_set = [this](api::PodPtr pod) { witness.See(*pod); };
    sink.on_removed = [](api::PodPtr) {};
    watcher = std::make_unique<test::PodFeed>(io.get_executor(), clock, api, std::move(sink));
    for (const char* name : {"a", "b", "c"}) wanted[name].pod = Make(name);
    wanted["static"].pod = std::make_shared<const Pod>(StaticPod("static", "hash"));
    Put(MirrorPod("static", "hash"));
  }
  int Below(int n) { return static_cast<int>(random() % n); }
  void Change(Last& last) {
    static const char* kPhases[] = {"Pending", "Running",   "Running",
                                    "Running", "Succeeded", "Failed"};
    last.status = Status(kPhases[Below(6)], Below(2) == 0, Below(5));
    last.allowed = Below(3) == 0;
    Set(last.pod, last.status, last.allowed);
  }
  void Step() {
    auto it = std::next(wanted.begin(), Below(4));
    switch (Below(13)) {
      case 0:
        api.Down();
        break;
      case 1:
      case 2:
        api.Up();
        break;
      case 3:
        api.LoseAnswer("PATCH", "", absl::UnavailableError("reset"));
        break;
      case 4:
        api.Fail(
            "PATCH", "",
            Below(2) == 0 ? test::ApiFailure(500, "", "") : absl::DeadlineExceededError("hung"));
        break;
      case 5:
        api.Fail("PATCH", "", test::ApiFailure(409, "Conflict", ""), 1 + Below(2));
        break;
      case 6:
        api.BreakWatches(absl::UnavailableError("reset"));
        if (Below(2) == 0) api.Compact();
        break;
      case 7:
        Other(it->first);
        break;
      case 8:
        if (Below(4) == 0) Anew(it->first, it->second);
        break;
      default:
        Change(it->second);
    }
    // Commonly several things happen at once.
    if (Below(2) == 0) Advance(base::Nanos(Below(20) * 10ms));
  }
  // Other clients write through the back door: the server may be down for us only.
  void Other(const std::string& name) {
    auto stored = Stored(name);
    if (!stored) return;
    Pod pod = *stored;
    if (Below(2) == 0) {
      auto* gate = pod.mutable_status()->add_conditions();
      gate->set_type("example.com/" + std::to_string(Below(1000000)));
      gate->set_status("True");
    } else {
      witness.meddled = true;
      for (auto& c : *pod.mutable_status()->mutable_conditions()) {
        if (c.type() == "Ready") c.set_status(Below(2) == 0 ? "False" : "True");
      }
    }
    Put(pod);
  }
  void Anew(const std::string& name, Last& last) {
    if (Stored(name)) REQUIRE(api.Remove({kPods, "default", name}).ok());
    Run();
    if (api::IsStatic(*last.pod)) {
      Put(MirrorPod(name, "hash"));
      return;
    }
    writer.Forget(last.pod->metadata().uid());
    last.pod = Make(name);
    last.status.Clear();
  }

  std::mt19937 random;
  Witness witness;
  std::map<std::string, Last> wanted;
  std::unique_ptr<test::PodFeed> watcher;
};

TEST_CASE("random histories of statuses") {
  unsigned seed = GENERATE(range(0u, 120u));
  INFO(seed);
  History history(seed);
  history.api.set_latency(history.Below(3) * 10ms);
  for (int i = 0; i < 60; ++i) history.Step();
  history.api.Up();
  history.Advance(2min);
  CHECK(history.witness.changes > 0);
  for (const auto& [name, last] : history.wanted) {
    INFO(name);
    auto stored = history.Stored(name);
    REQUIRE(stored);
    if (last.status.phase().empty()) continue;
    // A static pod that runs anew gets another mirror, which nobody makes here.
    if (api::IsStatic(*last.pod) && IsTerminal(stored->status().phase()) &&
        !IsTerminal(last.status.phase())) {
      CHECK_FALSE(history.outlived.empty());
      continue;
    }
    PodStatus normal = last.status;
    Normalize(*last.pod, normal);
    // When which write came through decides about times; everything else has to be what was last
    // wanted.
    Follow(stored->status(), normal);
    for (auto& c : *normal.mutable_conditions()) {
      for (const auto& s : stored->status().conditions()) {
        if (s.type() == c.type()) *c.mutable_last_transition_time() = s.last_transition_time();
      }
    }
    auto merged = Merge(stored->status(), normal, {last.allowed, history.clock.Now()});
    auto patch = StatusPatch("u", stored->status(), merged);
    REQUIRE(patch.ok());
    CHECK(*patch == "");
  }
  history.api.log.clear();
  history.Advance(10min);
  CHECK(history.api.log.empty());
}

}  // namespace
}  // namespace kubelet::status
