#include <random>
#include <set>

#include "catch.h"
#include "client/loop.h"
#include "fakes/memory_store.h"
#include "fakes/pod_feed.h"
#include "kubelet/api/pod.h"
#include "kubelet/mirror/mirror_pods.h"
#include "kubelet/podstore/pod_store.h"

namespace kubelet::mirror {
namespace {

using namespace std::chrono_literals;
using api::core::Pod;
using client::kPods;

api::PodPtr StaticPod(const std::string& name, const std::string& hash) {
  auto pod = std::make_shared<Pod>(test::PodNamed(name, "n1"));
  pod->mutable_metadata()->set_uid(hash);
  (*pod->mutable_metadata()->mutable_labels())["component"] = name;
  auto& annotations = *pod->mutable_metadata()->mutable_annotations();
  annotations[api::kConfigSource] = "file";
  annotations[api::kConfigSeen] = "2023-11-14T22:13:20.000000000Z";
  annotations[api::kConfigHash] = hash;
  pod->mutable_spec()->set_termination_grace_period_seconds(30);
  return pod;
}

struct Bench : test::ApiLoop {
  std::set<std::string> ending;
  base::Registry metrics;
  MirrorPods mirrors;
  std::unique_ptr<test::PodFeed> feed;
  std::map<std::string, api::PodPtr> wanted;

  explicit Bench(bool watch = true, bool node = true)
      : mirrors({io.get_executor(), clock, api, "n1", [] { return 0.5; },
                 [this](const std::string& name) { return ending.contains(name); }, &metrics},
                {}) {
    if (watch) Feed();
    if (node) mirrors.SetNode("node-uid", false);
  }
  void Feed() {
    test::PodFeed::Sink sink;
    sink.on_list = [this](std::vector<api::PodPtr> pods) { mirrors.SetMirrors(pods); };
    sink.on_set = [this](api::PodPtr pod) { mirrors.SetMirror(pod); };
    sink.on_removed = [this](api::PodPtr pod) { mirrors.RemoveMirror(pod); };
    sink.on_back = [this] { mirrors.Wake(); };
    feed = std::make_unique<test::PodFeed>(io.get_executor(), clock, api, std::move(sink));
    Run();
  }
  void Want(const std::string& name, const std::string& hash) {
    if (hash.empty()) {
      wanted.erase(name);
    } else {
      wanted[name] = StaticPod(name, hash);
    }
    Tell();
  }
  void Tell(bool complete = true) {
    std::vector<api::PodPtr> pods;
    for (const auto& [name, pod] : wanted) pods.push_back(pod);
    mirrors.SetStatic(pods, complete);
    Run();
  }
  std::shared_ptr<const Pod> Stored(const std::string& name) {
    return api.Find<Pod>({kPods, "default", name});
  }
  std::string HashOf(const std::string& name) {
    auto pod = Stored(name);
    return pod ? api::Annotation(*pod, api::kConfigMirror) : "";
  }
  std::string Uid(const std::string& name) { return Stored(name)->metadata().uid(); }
  void PutMirror(const std::string& name, const std::string& hash,
                 const std::string& finalizer = "") {
    Pod pod = *StaticPod(name, hash);
    pod.mutable_metadata()->clear_uid();
    (*pod.mutable_metadata()->mutable_annotations())[api::kConfigMirror] = hash;
    if (!finalizer.empty()) pod.mutable_metadata()->add_finalizers(finalizer);
    api.Put({kPods, "default"}, pod);
    Run();
  }
  absl::Status Delete(const std::string& name, bool graceful) {
    auto status = api.Remove({kPods, "default", name}, graceful);
    Run();
    return status;
  }
  int Writes() { return api.Count("CREATE", "") + api.Count("DELETE", ""); }
};

TEST_CASE("a mirror pod is the static pod with its hash, owned by the node") {
  Bench bench;
  bench.Want("etcd", "h1");
  auto pod = bench.Stored("etcd");
  REQUIRE(pod);
  const auto& meta = pod->metadata();
  CHECK(meta.annotations().at(api::kConfigMirror) == "h1");
  CHECK(meta.annotations().at(api::kConfigHash) == "h1");
  CHECK(meta.annotations().at(api::kConfigSource) == "file");
  CHECK(meta.annotations().contains(api::kConfigSeen));
  CHECK(meta.labels().at("component") == "etcd");
  REQUIRE(meta.owner_references_size() == 1);
  const auto& owner = meta.owner_references(0);
  CHECK(owner.api_version() == "v1");
  CHECK(owner.kind() == "Node");
  CHECK(owner.name() == "n1");
  CHECK(owner.uid() == "node-uid");
  CHECK(owner.controller());
  CHECK_FALSE(owner.has_block_owner_deletion());
  CHECK(pod->spec().containers_size() == 1);
  CHECK(meta.uid() != "h1");
  CHECK(bench.mirrors.MirrorOf(*bench.wanted["etcd"]) == meta.uid());
  CHECK(bench.mirrors.Problems().empty());
  bench.Advance(10min);
  CHECK(bench.Writes() == 1);
  CHECK(bench.api.Count("GET", "") == 0);
  CHECK(bench.metrics.Render().find("kubelet_mirror_pods 1") != std::string::npos);
}

TEST_CASE("nothing happens before the node, the pods and the mirrors are known") {
  Bench bench(false, false);
  int missing = GENERATE(0, 1, 2, 3);
  if (missing != 0) bench.mirrors.SetMirrors({});
  if (missing != 1) bench.Want("etcd", "h1");
  if (missing == 3) {
    bench.mirrors.SetNode("node-uid", true);
  } else if (missing != 2) {
    bench.mirrors.SetNode("node-uid", false);
  }
  bench.Advance(1min);
  CHECK(bench.Writes() == 0);
  CHECK(bench.mirrors.Problems().size() == (missing == 1 ? 0 : 1));
  if (missing == 0) bench.mirrors.SetMirrors({});
  if (missing == 1) bench.Want("etcd", "h1");
  bench.mirrors.SetNode("node-uid", false);
  bench.Run();
  CHECK(bench.HashOf("etcd") == "h1");
  CHECK(bench.mirrors.Problems().empty());
}

TEST_CASE(
    "content change: the mirror shows the old pod while that ends, and then the new hash at once") {
  Bench bench;
  bench.Want("etcd", "h1");
  std::string first = bench.Uid("etcd");
  bench.ending.insert("etcd_default");
  bench.api.set_latency(20ms);
  bench.Want("etcd", "h2");
  bench.Advance(30s);
  CHECK(bench.Uid("etcd") == first);
  bench.ending.clear();
  bench.mirrors.Poke("etcd_default");
  bench.Advance(50ms);
  CHECK(bench.HashOf("etcd") == "h2");
  CHECK(bench.Uid("etcd") != first);
  bench.Advance(1min);
  CHECK(bench.Writes() == 3);
  CHECK(bench.api.Count("GET", "") == 0);
}

TEST_CASE("touched or the same content: nothing") {
  Bench bench;
  bench.Want("etcd", "h1");
  for (int i = 0; i < 5; ++i) bench.Want("etcd", "h1");
  bench.Advance(1min);
  CHECK(bench.Writes() == 1);
}

TEST_CASE("file deleted: the mirror stays until the pod has ended, and goes then") {
  Bench bench;
  bench.Want("etcd", "h1");
  bench.ending.insert("etcd_default");
  bench.Want("etcd", "");
  bench.Advance(1min);
  CHECK(bench.HashOf("etcd") == "h1");
  bench.ending.clear();
  bench.mirrors.Poke("etcd_default");
  bench.Run();
  CHECK_FALSE(bench.Stored("etcd"));
  bench.Advance(1min);
  CHECK(bench.Writes() == 2);
}

TEST_CASE("renamed: new name, new hash; the old name goes when its pod has ended") {
  Bench bench;
  bench.Want("old", "h1");
  bench.ending.insert("old_default");
  bench.wanted.clear();
  bench.Want("new", "h2");
  CHECK(bench.HashOf("new") == "h2");
  CHECK(bench.HashOf("old") == "h1");
  bench.ending.clear();
  bench.mirrors.Poke("old_default");
  bench.Run();
  CHECK_FALSE(bench.Stored("old"));
  // A rename that only changes the path keeps the name and changes the hash.
  bench.Want("new", "h3");
  CHECK(bench.HashOf("new") == "h3");
}

TEST_CASE("removed and added again quickly: the same mirror") {
  Bench bench;
  bench.Want("etcd", "h1");
  std::string uid = bench.Uid("etcd");
  bench.ending.insert("etcd_default");
  bench.Want("etcd", "");
  bench.Want("etcd", "h1");
  bench.ending.clear();
  bench.mirrors.Poke("etcd_default");
  bench.Advance(1min);
  CHECK(bench.Uid("etcd") == uid);
  CHECK(bench.Writes() == 1);
}

TEST_CASE("a user deletes the mirror, gracefully or by force: there is a new one at once") {
  Bench bench;
  bench.Want("etcd", "h1");
  std::string uid = bench.Uid("etcd");
  bool graceful = GENERATE(true, false);
  REQUIRE(bench.Delete("etcd", graceful).ok());
  REQUIRE(bench.Stored("etcd"));
  CHECK(bench.Uid("etcd") != uid);
  CHECK(bench.HashOf("etcd") == "h1");
  CHECK_FALSE(bench.Stored("etcd")->metadata().has_deletion_timestamp());
  bench.Advance(1min);
  CHECK(bench.api.Count("CREATE", "") == 2);
  CHECK(bench.api.Count("DELETE", "") == (graceful ? 1 : 0));
}

TEST_CASE("deletes carry grace 0 and the uid that was seen") {
  Bench bench;
  bench.PutMirror("orphan", "h9");
  std::string uid = bench.Uid("orphan");
  bench.Tell();
  REQUIRE(bench.api.Count("DELETE", "/orphan") == 1);
  const auto& options =
      dynamic_cast<const api::meta::DeleteOptions&>(*bench.api.log.back().call.body);
  CHECK(options.grace_period_seconds() == 0);
  CHECK(options.preconditions().uid() == uid);
  CHECK_FALSE(bench.Stored("orphan"));
}

TEST_CASE("orphans are left alone until all sources have spoken, and while their worker ends") {
  Bench bench;
  bench.PutMirror("orphan", "h9");
  bench.Tell(false);
  bench.Advance(1min);
  CHECK(bench.Stored("orphan"));
  bench.ending.insert("orphan_default");
  bench.Tell(true);
  bench.Advance(1min);
  CHECK(bench.Stored("orphan"));
  bench.ending.clear();
  bench.Tell(true);
  CHECK_FALSE(bench.Stored("orphan"));
}

TEST_CASE("a restart finds its mirrors and writes nothing; a swap from another kubelet neither") {
  Bench bench;
  bench.PutMirror("etcd", "h1");
  bench.PutMirror("adopted", "theirs");
  std::string uid = bench.Uid("etcd");
  bench.wanted["etcd"] = StaticPod("etcd", "h1");
  bench.wanted["adopted"] = podstore::WithUid(*StaticPod("adopted", "ours"), "theirs");
  bench.Tell();
  bench.Advance(1min);
  CHECK(bench.Writes() == 0);
  CHECK(bench.Uid("etcd") == uid);
  CHECK(bench.mirrors.MirrorOf(*bench.wanted["adopted"]) == bench.Uid("adopted"));
  // Edited: the manifest's own uid.
  bench.Want("adopted", "ours2");
  CHECK(bench.HashOf("adopted") == "ours2");
}

TEST_CASE(
    "a pod of the API with that name stands in the way: reported, tried again, never touched") {
  Bench bench;
  Pod real = test::PodNamed("web", bench.clock.Mono() == base::MonoTime() ? "n1" : "");
  bench.api.Put({kPods, "default"}, real);
  bench.Run();
  std::string uid = bench.Uid("web");
  bench.Want("web", "h1");
  bench.Advance(5min);
  CHECK(bench.Uid("web") == uid);
  CHECK(bench.api.Count("DELETE", "") == 0);
  CHECK(bench.api.Count("CREATE", "") > 4);
  CHECK(bench.api.Count("CREATE", "") < 20);
  auto problems = bench.mirrors.Problems();
  REQUIRE(problems.contains("web_default"));
  CHECK(problems["web_default"].find("is no mirror pod (uid " + uid) != std::string::npos);
  REQUIRE(bench.Delete("web", false).ok());
  CHECK(bench.HashOf("web") == "h1");
  CHECK(bench.mirrors.Problems().empty());
}

TEST_CASE("a pod of another node with that name may not be read") {
  Bench bench;
  bench.api.Put({kPods, "default"}, test::PodNamed("web", "n2"));
  bench.api.Fail("GET", "", test::ApiFailure(403, "Forbidden", "no relationship"), 100);
  bench.Want("web", "h1");
  bench.Advance(1min);
  CHECK(bench.mirrors.Problems()["web_default"].find("not of this node") != std::string::npos);
  CHECK(bench.api.Count("DELETE", "") == 0);
}

TEST_CASE("finalizers of others are waited for") {
  Bench bench;
  bench.PutMirror("etcd", "h1", "example.com/f");
  bench.Want("etcd", "h2");
  bench.Advance(10s);
  CHECK(bench.HashOf("etcd") == "h1");
  CHECK(bench.mirrors.Problems()["etcd_default"].find("finalizers") != std::string::npos);
  client::Call call;
  call.verb = client::Call::Verb::kPatch;
  call.path = {kPods, "default", "etcd"};
  call.patch = R"({"metadata":{"finalizers":null}})";
  call.patch_type = "application/merge-patch+json";
  REQUIRE(bench.Do(call).ok());
  bench.Run();
  CHECK(bench.HashOf("etcd") == "h2");
  CHECK(bench.mirrors.Problems().empty());
}

TEST_CASE("a late or silent watch: creating finds what is there") {
  Bench bench;
  bench.Want("etcd", "h1");
  bench.api.Hold("WATCH", "");
  bench.Want("etcd", "h2");
  bench.Want("etcd", "h3");
  CHECK(bench.HashOf("etcd") == "h3");
  // Somebody else's delete and another kubelet's create are not seen either.
  REQUIRE(bench.Delete("etcd", false).ok());
  bench.PutMirror("etcd", "theirs");
  bench.Want("etcd", "h4");
  CHECK(bench.HashOf("etcd") == "h4");
  int writes = bench.Writes();
  bench.api.Release();
  bench.Advance(1min);
  CHECK(bench.HashOf("etcd") == "h4");
  CHECK(bench.Writes() == writes);
}

TEST_CASE("a list from before the mirror was made is doubted, not believed") {
  Bench bench(false);
  bench.mirrors.SetMirrors({});
  bench.Want("etcd", "h1");
  std::string uid = bench.Uid("etcd");
  bool there = GENERATE(true, false);
  if (!there) REQUIRE(bench.Delete("etcd", false).ok());
  bench.mirrors.SetMirrors({});
  bench.Advance(900ms);
  CHECK(bench.api.Count("GET", "") == 0);
  bench.Advance(200ms);
  CHECK(bench.api.Count("GET", "") == 1);
  REQUIRE(bench.Stored("etcd"));
  CHECK((bench.Uid("etcd") == uid) == there);
  bench.Advance(1min);
  CHECK(bench.api.Count("CREATE", "") == (there ? 1 : 2));
}

TEST_CASE("what a late watch says of a mirror that is deleted or replaced is passed over") {
  Bench bench(false);
  bench.mirrors.SetMirrors({});
  bench.Want("etcd", "h1");
  auto old = bench.Stored("etcd");
  bench.api.Fail("CREATE", "", test::ApiFailure(403, "Forbidden", "no"));
  bench.Want("etcd", "h2");
  bench.mirrors.SetMirror(old);
  bench.mirrors.SetMirrors({old});
  bench.Advance(1min);
  CHECK(bench.HashOf("etcd") == "h2");
  CHECK(bench.api.Count("DELETE", "") == 1);
  // One that came and went unseen before ours was made.
  auto other = std::make_shared<Pod>(*old);
  other->mutable_metadata()->set_uid("other");
  bench.mirrors.SetMirror(other);
  bench.Advance(1min);
  CHECK(bench.api.Count("DELETE", "") == 1);
  CHECK(bench.mirrors.MirrorOf(*bench.wanted["etcd"]) == bench.Uid("etcd"));
}

TEST_CASE("after an etcd restore the mirrors it brings back are taken for what they are") {
  Bench bench;
  bench.Want("etcd", "h1");
  auto backup = bench.Stored("etcd");
  bench.feed.reset();
  SECTION("the mirror has got another uid since") {
    REQUIRE(bench.Delete("etcd", false).ok());
    bench.Feed();
    REQUIRE(bench.Uid("etcd") != backup->metadata().uid());
    bench.feed.reset();
  }
  SECTION("it had been replaced by one for another file") { bench.Want("etcd", "h2"); }
  std::string hash = bench.HashOf("etcd");
  bench.api.Rewind(1);
  bench.api.Put({kPods, "default"}, *backup);
  int writes = bench.Writes();
  bench.Feed();
  bench.Advance(1min);
  REQUIRE(bench.Stored("etcd"));
  CHECK(bench.HashOf("etcd") == hash);
  CHECK(bench.mirrors.MirrorOf(*bench.wanted["etcd"]) == bench.Uid("etcd"));
  CHECK(bench.mirrors.Problems().empty());
  CHECK(bench.Writes() <= writes + 2);
  // A deletion is seen again.
  REQUIRE(bench.Delete("etcd", false).ok());
  bench.Advance(1s);
  CHECK(bench.HashOf("etcd") == hash);
}

TEST_CASE("an outlived mirror is made again") {
  Bench bench;
  bench.Want("job", "h1");
  std::string uid = bench.Uid("job");
  bench.mirrors.Recreate(uid);
  bench.Run();
  CHECK(bench.Uid("job") != uid);
  bench.mirrors.Recreate(uid);
  bench.Advance(1min);
  CHECK(bench.Writes() == 3);
}

TEST_CASE("with the server away in any step all is caught up within two seconds of its return") {
  int step = GENERATE(0, 1, 2, 3, 4);
  bool hear = GENERATE(true, false);  // of its return, by the watch
  INFO(step << hear);
  Bench bench;
  bench.Want("a", "h1");
  bench.Want("b", "h1");
  bench.Want("c", "h1");
  switch (step) {
    case 0:  // away before anything
      bench.api.Down();
      break;
    case 1:  // between delete and create
      bench.api.Fail("CREATE", "", absl::UnavailableError("reset"), 3);
      break;
    case 2:  // each answer is lost
      bench.api.LoseAnswer("", "/pods", absl::UnavailableError("reset"), 6);
      break;
    case 3:  // up, but without its store
      bench.api.set_handler([](const client::Call&, google::protobuf::Message*) {
        return std::optional(test::ApiFailure(500, "", "etcdserver: no leader"));
      });
      break;
    case 4:  // hung
      bench.api.Hold("", "");
      break;
  }
  if (!hear) bench.feed.reset();
  bench.Want("a", "h2");
  bench.Want("b", "");
  bench.Want("d", "h1");
  bench.Advance(37s);
  bench.api.log.clear();
  bench.api.Up();
  bench.api.Release();
  bench.api.set_handler(nullptr);
  bench.api.set_latency(20ms);
  bench.Advance(2s);
  CHECK(bench.HashOf("a") == "h2");
  CHECK_FALSE(bench.Stored("b"));
  CHECK(bench.HashOf("c") == "h1");
  CHECK(bench.HashOf("d") == "h1");
}

TEST_CASE("while the server is away little is asked of it") {
  Bench bench;
  bench.api.Down();
  bench.feed.reset();
  for (int i = 0; i < 30; ++i) bench.Want("p" + std::to_string(i), "h");
  bench.api.log.clear();
  bench.Advance(10min);
  CHECK(bench.api.log.size() < 900);
  bench.Want("p0", "");
  bench.api.Up();
  bench.Advance(2s);
  CHECK_FALSE(bench.Stored("p0"));
  for (int i = 1; i < 30; ++i) CHECK(bench.HashOf("p" + std::to_string(i)) == "h");
}

// Whatever happens in whatever order, in the end there is one mirror of the right hash for each
// wanted static pod, and no other.
TEST_CASE("random histories end where they should") {
  unsigned seed = GENERATE(range(0u, 200u));
  INFO(seed);
  std::mt19937 random(seed);
  auto below = [&](int n) { return static_cast<int>(random() % n); };
  Bench bench;
  bench.api.set_latency(base::Nanos(below(3) * 10ms));
  const std::vector<std::string> names = {"a", "b", "c"};
  int serial = 0;
  for (int i = 0; i < 60; ++i) {
    const std::string& name = names[below(3)];
    switch (below(14)) {
      case 0:
      case 1:
      case 2:
        bench.Want(name, "h" + std::to_string(++serial % 4));
        break;
      case 3:
        bench.Want(name, "");
        break;
      case 4:
        if (bench.ending.erase(name + "_default") == 0) {
          bench.ending.insert(name + "_default");
        } else {
          bench.mirrors.Poke(name + "_default");
        }
        break;
      case 5:
        (void)bench.Delete(name, below(2) == 0);
        break;
      case 6:
        if (!bench.Stored(name)) bench.PutMirror(name, "h" + std::to_string(below(4)));
        break;
      case 7:
        bench.api.Down();
        break;
      case 8:
        bench.api.Up();
        break;
      case 9:
        bench.api.LoseAnswer("", "/pods", absl::UnavailableError("reset"));
        break;
      case 10:
        bench.api.Fail(
            "", "/pods",
            below(2) == 0 ? test::ApiFailure(500, "", "") : absl::DeadlineExceededError("hung"));
        break;
      case 11:
        bench.api.BreakWatches(absl::UnavailableError("reset"));
        break;
      case 12:
        bench.api.Compact();
        break;
      case 13:
        if (below(3) == 0) bench.Tell(below(2) == 0);
        break;
    }
    bench.Advance(base::Nanos(below(30) * 10ms));
  }
  bench.api.Up();
  bench.api.set_latency(0ms);
  auto ended = std::exchange(bench.ending, {});
  bench.Tell();
  for (const auto& full_name : ended) bench.mirrors.Poke(full_name);
  bench.Advance(1min);
  for (const auto& name : names) {
    INFO(name);
    auto it = bench.wanted.find(name);
    REQUIRE((bench.Stored(name) != nullptr) == (it != bench.wanted.end()));
    if (it == bench.wanted.end()) continue;
    CHECK(bench.HashOf(name) == it->second->metadata().uid());
    CHECK_FALSE(bench.Stored(name)->metadata().has_deletion_timestamp());
    CHECK(bench.mirrors.MirrorOf(*it->second) == bench.Uid(name));
  }
  CHECK(bench.mirrors.Problems().empty());
  int writes = bench.Writes();
  bench.Advance(10min);
  CHECK(bench.Writes() == writes);
}

TEST_CASE("clients know a static pod by its mirror, also by one that is out of date") {
  Bench bench;
  bench.Want("etcd", "h1");
  bench.Advance(1min);
  // Edited in CPU or memory: the pod runs on under its uid, and its mirror is not yet renewed.
  Pod edited = *bench.wanted["etcd"];
  (*edited.mutable_metadata()->mutable_annotations())[api::kConfigHash] = "h2";
  CHECK(bench.mirrors.MirrorOf(edited).empty());
  CHECK(bench.mirrors.ShownAs(edited) == bench.Uid("etcd"));
  CHECK(bench.mirrors.ShownAs(*bench.wanted["etcd"]) == bench.Uid("etcd"));
  edited.mutable_metadata()->set_uid("other");
  CHECK(bench.mirrors.ShownAs(edited).empty());
}

}  // namespace
}  // namespace kubelet::mirror
