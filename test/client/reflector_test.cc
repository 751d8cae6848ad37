#include "kubelet/client/reflector.h"

#include <map>

#include "client/loop.h"
#include "kubelet/client/object.h"

namespace kubelet::client {
namespace {

using namespace std::chrono_literals;
namespace core = api::core;

struct ReflectorFixture : test::ApiLoop {
  std::map<std::string, std::string> mirror;  // name, label `v`
  std::vector<absl::Status> health;
  int lists = 0;
  double random = 0.5;
  ServerTraits traits;
  std::function<void()> after_event = [] {};
  std::unique_ptr<Reflector> reflector;

  void Set(const MessagePtr& object) {
    const auto& meta = MetaOf(*object);
    auto it = meta.labels().find("v");
    mirror[meta.name()] = it == meta.labels().end() ? "" : it->second;
  }
  void Make(base::Nanos unanswered_cap = 1s) {
    Reflector::Sink sink;
    sink.on_list = [this](std::vector<MessagePtr> items) {
      ++lists;
      mirror.clear();
      for (auto& item : items) Set(item);
      after_event();
    };
    sink.on_set = [this](MessagePtr object) {
      Set(object);
      after_event();
    };
    sink.on_removed = [this](MessagePtr object) { mirror.erase(MetaOf(*object).name()); };
    sink.on_health = [this](const absl::Status& status) { health.push_back(status); };
    Reflector::Options options;
    options.path = {kPods};
    options.field_selector = "spec.nodeName=n1";
    options.item = &core::Pod::default_instance();
    options.list = &core::PodList::default_instance();
    options.unanswered_cap = unanswered_cap;
    Reflector::Deps deps{io.get_executor(), clock, api, &traits, [this] { return random; }};
    reflector = std::make_unique<Reflector>(deps, options, sink);
  }
  void Start() {
    Make();
    reflector->Start();
    CHECK(api.log.empty());
    Run();
  }
  void Put(const std::string& name, const std::string& v, const std::string& node = "n1") {
    auto pod = test::PodNamed(name, node);
    (*pod.mutable_metadata()->mutable_labels())["v"] = v;
    api.Put({kPods, "default"}, pod);
    Run();
  }
  void Remove(const std::string& name) {
    REQUIRE(api.Remove({kPods, "default", name}).ok());
    Run();
  }
  std::string Query(size_t index, const std::string& key) const {
    for (const auto& [name, value] : api.log.at(index).call.query) {
      if (name == key) return value;
    }
    return "-";
  }
  std::string LastQuery(const std::string& key) const { return Query(api.log.size() - 1, key); }
};

using Map = std::map<std::string, std::string>;

TEST_CASE("a reflector follows a collection with one request") {
  ReflectorFixture f;
  f.Put("a", "1");
  f.Put("other", "1", "n2");
  f.Start();
  CHECK(f.mirror == Map{{"a", "1"}});
  REQUIRE(f.api.log.size() == 1);
  CHECK(f.LastQuery("sendInitialEvents") == "true");
  CHECK(f.LastQuery("resourceVersionMatch") == "NotOlderThan");
  CHECK(f.LastQuery("allowWatchBookmarks") == "true");
  CHECK(f.LastQuery("fieldSelector") == "spec.nodeName=n1");
  CHECK(f.LastQuery("timeoutSeconds") == "450");
  f.Put("b", "1");
  f.Put("a", "2");
  CHECK(f.mirror == Map{{"a", "2"}, {"b", "1"}});
  f.Remove("a");
  CHECK(f.mirror == Map{{"b", "1"}});
  CHECK(f.lists == 1);
  REQUIRE(f.health.size() == 1);
  CHECK(f.health[0].ok());
}

TEST_CASE("without WatchList it lists from the cache and watches from there; others know then") {
  ReflectorFixture f;
  f.api.set_watch_list(false);
  f.Put("a", "1");
  f.Start();
  CHECK(f.mirror == Map{{"a", "1"}});
  REQUIRE(f.api.log.size() == 3);
  CHECK(f.api.log[1].verb == "LIST");
  CHECK(f.Query(1, "resourceVersion") == "0");
  CHECK(f.api.log[2].verb == "WATCH");
  CHECK(f.Query(2, "resourceVersion") == std::to_string(f.api.resource_version()));
  CHECK(f.Query(2, "sendInitialEvents") == "-");
  CHECK_FALSE(f.traits.watch_list);
  f.Put("b", "1");
  CHECK(f.mirror.size() == 2);
}

TEST_CASE("a list in pages is one list") {
  ReflectorFixture f;
  f.traits.watch_list = false;
  f.api.set_page_size(2);
  for (int i = 0; i < 5; ++i) f.Put("p" + std::to_string(i), "1");
  f.Start();
  CHECK(f.mirror.size() == 5);
  CHECK(f.lists == 1);
  CHECK(f.api.Count("LIST", "/pods") == 3);
  CHECK(f.Query(1, "resourceVersion") == "-");
}

TEST_CASE("a watch that ends in good order goes on where it was, at once") {
  ReflectorFixture f;
  f.Put("a", "1");
  f.Start();
  f.Advance(449s);
  CHECK(f.api.log.size() == 1);
  f.Advance(1s);
  REQUIRE(f.api.log.size() == 2);
  CHECK(f.LastQuery("resourceVersion") == std::to_string(f.api.resource_version()));
  CHECK(f.LastQuery("sendInitialEvents") == "-");
  f.Put("b", "1");
  CHECK(f.mirror.size() == 2);
  CHECK(f.lists == 1);
}

TEST_CASE("watches that end at once are not asked for in a loop") {
  ReflectorFixture f;
  f.Put("a", "1");
  f.Start();
  f.Advance(10s);
  auto before = f.api.log.size();
  for (int i = 0; i < 100; ++i) {
    f.api.BreakWatches(absl::OutOfRangeError("over"));
    f.Advance(100ms);
  }
  CHECK(f.api.log.size() - before < 8);
  CHECK(f.api.log.size() - before > 2);
}

TEST_CASE("bookmarks keep an idle watch from expiring") {
  ReflectorFixture f;
  f.Put("a", "1");
  f.Start();
  for (int i = 0; i < 3; ++i) f.Put("other", std::to_string(i), "n2");
  f.api.Bookmark();
  f.Run();
  f.api.Compact();
  f.Advance(2s);
  f.api.BreakWatches(absl::UnavailableError("connection reset"));
  f.Run();
  CHECK(f.lists == 1);
  CHECK(f.LastQuery("sendInitialEvents") == "-");
  CHECK(f.LastQuery("resourceVersion") == std::to_string(f.api.resource_version()));
}

TEST_CASE("410 brings a new list, not older than what was seen, with everything in it") {
  ReflectorFixture f;
  bool watch_list = GENERATE(true, false);
  f.traits.watch_list = watch_list;
  f.Put("a", "1");
  f.Put("gone", "1");
  f.Start();
  auto seen = std::to_string(f.api.resource_version());
  f.Advance(5s);
  f.api.Hold("WATCH", "");
  f.Remove("gone");
  f.Put("b", "1");
  f.Put("a", "2");
  f.api.Compact();
  f.api.Release();
  f.Run();
  CHECK(f.mirror == Map{{"a", "2"}, {"b", "1"}});
  CHECK(f.lists == 2);
  size_t list = watch_list ? f.api.log.size() - 1 : f.api.log.size() - 2;
  CHECK(f.Query(list, "resourceVersion") == seen);
  f.Put("c", "1");
  CHECK(f.mirror.size() == 3);
}

TEST_CASE("a list that is Expired itself, or whose version is too large, is read from etcd") {
  ReflectorFixture f;
  f.traits.watch_list = false;
  f.Put("a", "1");
  ApiError error{410, "Expired", "too old", {}};
  if (GENERATE(true, false))
    error = {504, "Timeout", "Too large resource version: 9, current: 1", {}};
  f.api.Fail("LIST", "", ToStatus(error));
  f.Start();
  CHECK(f.mirror.size() == 1);
  REQUIRE(f.api.Count("LIST", "") == 2);
  CHECK(f.Query(0, "resourceVersion") == "0");
  CHECK(f.Query(1, "resourceVersion") == "-");
}

TEST_CASE("a server that comes back is seen within two seconds, however long it was away") {
  ReflectorFixture f;
  f.random = GENERATE(0.0, 0.999);
  f.Put("a", "1");
  f.Start();
  f.Advance(10s);
  f.api.Down();
  f.Run();
  f.Advance(base::Nanos(1h));
  int tries = static_cast<int>(f.api.log.size());
  CHECK(tries < 3600 * 1.3);
  CHECK_FALSE(f.health.back().ok());
  f.api.Up();
  f.Put("b", "1");
  f.Advance(1201ms);
  CHECK(f.mirror.size() == 2);
  CHECK(f.lists == 1);  // its history was not lost
  CHECK(f.health.back().ok());
}

TEST_CASE("a server that fell silent under a watch is told of at once, one that cut it is not") {
  ReflectorFixture f;
  f.Start();
  f.Advance(10s);
  REQUIRE(f.health.size() == 1);
  f.api.Hold("WATCH", "/pods");  // a frozen server: the next try hangs
  SECTION("silence") {
    f.api.BreakWatches(SilenceError("the server did not answer a ping"));
    f.Run();
    REQUIRE(f.health.size() == 2);
    CHECK(IsSilence(f.health.back()));
    f.api.Release();
    f.Run();
    CHECK(f.health.back().ok());
  }
  SECTION("a cut connection") {
    f.api.BreakWatches(absl::UnavailableError("connection reset"));
    f.Run();
    CHECK(f.health.size() == 1);
  }
}

TEST_CASE("a server that says no is asked less and less often, and no more than it wants") {
  ReflectorFixture f;
  f.random = 0;
  f.api.Fail("", "", ToStatus({500, "InternalError", "", {}}), 1000);
  f.Start();
  f.Advance(800ms + 1600ms + 3200ms);
  CHECK(f.api.log.size() == 4);
  f.Advance(base::Nanos(10min));
  auto before = f.api.log.size();
  f.Advance(base::Nanos(5min));
  CHECK(f.api.log.size() - before == 10);

  ReflectorFixture g;
  g.random = 0;
  g.api.Fail("", "", ToStatus({429, "TooManyRequests", "", base::Nanos(7s)}));
  g.Start();
  g.Advance(6900ms);
  CHECK(g.api.log.size() == 1);
  g.Advance(200ms);
  CHECK(g.lists == 1);
  CHECK(g.health.back().ok());
}

TEST_CASE("the back-off begins anew after a watch that worked") {
  ReflectorFixture f;
  f.random = 0;
  f.api.Fail("", "", ToStatus({503, "", "", {}}), 6);
  f.Start();
  f.Advance(2min);
  REQUIRE(f.lists == 1);
  f.api.BreakWatches(ToStatus({500, "InternalError", "etcdserver: leader changed", {}}));
  f.Run();
  auto before = f.api.log.size();
  f.Advance(800ms);
  CHECK(f.api.log.size() == before + 1);
  CHECK(f.Query(before, "sendInitialEvents") == "-");
}

TEST_CASE("what a server said before it went away does not slow down its return") {
  ReflectorFixture f;
  f.random = 0;
  f.api.Fail("", "", ToStatus({500, "InternalError", "", {}}), 6);
  f.Start();
  f.Advance(30s);
  f.api.Down();
  f.Advance(1min);
  f.api.Up();
  // It is not quite ready yet.
  f.api.Fail("", "", ToStatus({503, "ServiceUnavailable", "", {}}));
  f.Put("a", "1");
  REQUIRE(f.lists == 0);
  f.Advance(1s + 800ms);
  CHECK(f.mirror.size() == 1);
}

TEST_CASE("a watch refused with 401 is back soon after the certificate was renewed") {
  ReflectorFixture f;
  f.Put("a", "1");
  f.Start();
  f.Advance(2s);
  f.api.Fail("WATCH", "", ToStatus({401, "Unauthorized", "certificate has expired", {}}), 100);
  f.api.BreakWatches(absl::UnavailableError("cut"));
  f.Advance(100s);
  CHECK_FALSE(f.health.back().ok());
  f.Put("b", "1");
  f.Advance(20s);  // 100 tries, a bit more than a second apart
  CHECK(f.mirror == Map{{"a", "1"}, {"b", "1"}});
  CHECK(f.health.back().ok());
  CHECK(f.lists == 1);
}

TEST_CASE("a resourceVersion that goes backwards is a new etcd") {
  ReflectorFixture f;
  f.Put("a", "1");
  f.Start();
  f.Advance(2s);
  CHECK(f.lists == 1);
  f.api.Rewind(50);
  f.api.Bookmark();
  f.Run();
  CHECK(f.lists == 2);
  CHECK(f.LastQuery("resourceVersion") == "-");
}

TEST_CASE("nothing is said after Stop, nor when a callback ends the reflector") {
  ReflectorFixture f;
  f.Put("a", "1");
  f.Start();
  f.AwaitDone(f.reflector->Stop());
  CHECK(f.api.open_watches() == 0);
  f.Put("b", "1");
  f.Advance(1min);
  CHECK(f.mirror.size() == 1);

  ReflectorFixture g;
  g.Put("a", "1");
  int events = 0;
  g.after_event = [&] {
    if (++events == 2) g.reflector.reset();
  };
  g.Start();
  g.Put("b", "1");
  g.Put("c", "1");
  g.Run();
  CHECK(events == 2);
  CHECK(g.api.open_watches() == 0);
}

TEST_CASE("a reflector that hangs in a call ends when it is destroyed") {
  ReflectorFixture f;
  f.traits.watch_list = GENERATE(true, false);
  f.api.Hold("", "");
  f.Start();
  f.reflector.reset();
  f.Run();
  f.api.Release();
  f.Advance(1min);
  CHECK(f.lists == 0);
  CHECK(f.api.log.size() == 1);
}

}  // namespace
}  // namespace kubelet::client
