#include "kubelet/source/api_source.h"

#include "catch.h"
#include "client/loop.h"
#include "kubelet/api/pod.h"

namespace kubelet::source {
namespace {

using namespace std::chrono_literals;
using Strings = std::vector<std::string>;

api::core::Pod MakePod(const std::string& name, const std::string& node = "n1",
                       bool mirror = false) {
  api::core::Pod pod;
  pod.mutable_metadata()->set_name(name);
  pod.mutable_metadata()->set_namespace_("ns");
  pod.mutable_metadata()->add_managed_fields()->set_manager("kubectl");
  if (mirror) (*pod.mutable_metadata()->mutable_annotations())[api::kConfigMirror] = "hash";
  pod.mutable_spec()->set_node_name(node);
  return pod;
}

std::string Names(const std::vector<api::PodPtr>& pods) {
  std::string names;
  for (const auto& pod : pods) names += (names.empty() ? "" : " ") + pod->metadata().name();
  return names;
}

struct Rig : test::ApiLoop {
  std::vector<Snapshot> snapshots;
  std::vector<std::vector<api::PodPtr>> mirrors;
  Strings tapped;
  std::unique_ptr<PodSource> source;
  base::TaskScope scope{io.get_executor()};

  Rig() {
    ApiSourceDeps deps{io.get_executor(), clock, api};
    deps.on_snapshot = [this](const Snapshot& s) { snapshots.push_back(s); };
    deps.on_mirrors = [this](const std::vector<api::PodPtr>& pods) { mirrors.push_back(pods); };
    deps.tap.on_list = [this](const auto& pods) { tapped.push_back("list " + Names(pods)); };
    deps.tap.on_set = [this](const auto& pod) {
      tapped.push_back("set " + pod->metadata().name());
    };
    deps.tap.on_removed = [this](const auto& pod) {
      tapped.push_back("removed " + pod->metadata().name());
    };
    source = MakeApiSource("n1", std::move(deps));
  }
  ~Rig() {
    scope.Spawn("stop", source->Stop());
    Run();
  }
  void Put(const api::core::Pod& pod) { api.Put({client::kPods, "ns"}, pod); }
  void Start() {
    source->Start();
    Run();
  }
};

TEST_CASE("the pods of this node, and nothing before they have been listed") {
  Rig rig;
  rig.Put(MakePod("a"));
  rig.Put(MakePod("far", "n2"));
  rig.Put(MakePod("m", "n1", true));
  rig.api.Down();
  rig.Start();
  rig.Advance(1min);
  CHECK(rig.snapshots.empty());
  CHECK(rig.mirrors.empty());
  REQUIRE(rig.source->problems().size() == 1);
  CHECK_FALSE(rig.source->problems()[0].kept);
  rig.api.Up();
  rig.Advance(1min);
  REQUIRE(rig.snapshots.size() == 1);
  CHECK(rig.snapshots[0].complete);
  CHECK(rig.snapshots[0].source == "api");
  CHECK(Names(rig.snapshots[0].pods) == "a");
  CHECK(api::Annotation(*rig.snapshots[0].pods[0], api::kConfigSource) == "api");
  CHECK(rig.snapshots[0].pods[0]->metadata().managed_fields().empty());
  REQUIRE(rig.mirrors.size() == 1);
  CHECK(Names(rig.mirrors[0]) == "m");
  CHECK(rig.source->problems().empty());
  CHECK(rig.tapped == Strings{"list a m"});
}

TEST_CASE("an empty node is told too") {
  Rig rig;
  rig.Start();
  REQUIRE(rig.snapshots.size() == 1);
  CHECK(rig.snapshots[0].pods.empty());
  CHECK(rig.snapshots[0].complete);
}

TEST_CASE("changes come one snapshot at a time, with what did not change as it was") {
  Rig rig;
  rig.Put(MakePod("a"));
  rig.Put(MakePod("b"));
  rig.Start();
  auto first = rig.snapshots.at(0).pods;
  auto pod = MakePod("a");
  pod.mutable_spec()->set_hostname("x");
  rig.Put(pod);
  rig.Put(MakePod("m", "n1", true));
  rig.Run();
  REQUIRE(rig.snapshots.size() == 2);
  CHECK(rig.snapshots[1].pods[0]->spec().hostname() == "x");
  CHECK(rig.snapshots[1].pods[1] == first[1]);
  CHECK(rig.mirrors.size() == 2);
  CHECK(rig.api.Remove({client::kPods, "ns", "a"}).ok());
  rig.Run();
  CHECK(Names(rig.snapshots.at(2).pods) == "b");
  CHECK(rig.mirrors.size() == 2);
  CHECK(rig.tapped == Strings{"list a b", "set a", "set m", "removed a"});
}

TEST_CASE("the grace period of a forced deletion is told before the pod is gone") {
  Rig rig;
  auto pod = MakePod("a");
  pod.mutable_spec()->set_termination_grace_period_seconds(60);
  rig.Put(pod);
  rig.Start();
  auto last = rig.snapshots.at(0).pods.at(0);
  // Both events lie there before anything is read.
  auto marked = *last;
  marked.mutable_metadata()->mutable_deletion_timestamp()->set_seconds(1000);
  marked.mutable_metadata()->set_deletion_grace_period_seconds(0);
  rig.Put(marked);
  REQUIRE(rig.api.Remove({client::kPods, "ns", "a"}).ok());
  rig.Run();
  REQUIRE(rig.snapshots.size() == 3);
  REQUIRE(rig.snapshots[1].pods.size() == 1);
  CHECK(rig.snapshots[1].pods[0]->metadata().has_deletion_timestamp());
  CHECK(rig.snapshots[1].pods[0]->metadata().deletion_grace_period_seconds() == 0);
  CHECK(rig.snapshots[2].pods.empty());
}

TEST_CASE("a burst of events does not become a burst of snapshots") {
  Rig rig;
  rig.Start();
  for (int i = 0; i < 100; ++i) rig.Put(MakePod("p" + std::to_string(i)));
  rig.Run();
  CHECK(rig.snapshots.back().pods.size() == 100);
  CHECK(rig.tapped.size() == 101);
  INFO(rig.snapshots.size() << " snapshots");
  CHECK(rig.snapshots.size() <= 52);
}

TEST_CASE("an outage keeps what was last seen; what happened in it comes afterwards") {
  Rig rig;
  rig.Put(MakePod("a"));
  rig.Put(MakePod("b"));
  rig.Start();
  rig.api.Down();
  rig.Advance(10min);
  CHECK(rig.snapshots.size() == 1);
  REQUIRE(rig.source->problems().size() == 1);
  CHECK(rig.source->problems()[0].kept);
  CHECK(rig.api.Remove({client::kPods, "ns", "a"}).ok());
  rig.api.Compact();
  rig.api.Up();
  rig.Advance(1min);
  REQUIRE(rig.snapshots.size() == 2);
  CHECK(Names(rig.snapshots[1].pods) == "b");
  CHECK(rig.snapshots[1].pods[0] == rig.snapshots[0].pods[1]);
}

TEST_CASE("nothing is told after Stop") {
  Rig rig;
  rig.Start();
  rig.Put(MakePod("a"));
  rig.scope.Spawn("stop", rig.source->Stop());
  rig.Run();
  size_t told = rig.snapshots.size();
  rig.Put(MakePod("b"));
  rig.Advance(1min);
  CHECK(rig.snapshots.size() == told);
}

}  // namespace
}  // namespace kubelet::source
