#include "kubelet/client/object_cache.h"

#include "client/loop.h"
#include "kubelet/api/codec.h"

namespace kubelet::client {
namespace {

using namespace std::chrono_literals;
namespace core = api::core;
using Kind = ObjectCache::Kind;

core::Pod PodOf(const std::string& uid, const std::string& spec) {
  core::Pod pod;
  std::string text =
      "{metadata: {name: p-" + uid + ", namespace: default, uid: " + uid + "}, spec: " + spec + "}";
  REQUIRE(api::DecodeYaml(text, pod).ok());
  return pod;
}

// Container environment only, or a volume too.
core::Pod EnvPod(const std::string& uid, const std::string& config_map) {
  return PodOf(uid,
               "{containers: [{name: c, envFrom: [{configMapRef: {name: " + config_map + "}}]}]}");
}
core::Pod VolumePod(const std::string& uid, const std::string& secret) {
  return PodOf(
      uid, "{containers: [{name: c}], volumes: [{name: v, projected: {sources: [{secret: {name: " +
               secret + "}}]}}]}");
}

struct ObjectCacheFixture : test::ApiLoop {
  std::vector<std::string> changes;
  std::optional<base::Nanos> node_ttl;
  ServerTraits traits;
  std::optional<ObjectCache> cache;

  explicit ObjectCacheFixture(ObjectCache::Strategy strategy = ObjectCache::Strategy::kWatch) {
    ObjectCache::Hooks hooks;
    hooks.on_change = [this](Kind kind, const std::string& ns, const std::string& name) {
      changes.push_back((kind == Kind::kSecret ? "secret " : "config map ") + ns + "/" + name);
    };
    hooks.node_ttl = [this] { return node_ttl; };
    ObjectCache::Options options;
    options.strategy = strategy;
    Reflector::Deps deps{io.get_executor(), clock, api, &traits, [] { return 0.0; }};
    cache.emplace(deps, options, hooks);
  }
  void PutConfigMap(const std::string& name, const std::string& value, bool immutable = false) {
    core::ConfigMap object;
    object.mutable_metadata()->set_name(name);
    (*object.mutable_data())["k"] = value;
    if (immutable) object.set_immutable(true);
    api.Put({kConfigMaps, "default"}, object);
    Run();
  }
  void PutSecret(const std::string& name, const std::string& value) {
    core::Secret object;
    object.mutable_metadata()->set_name(name);
    object.mutable_metadata()->add_managed_fields()->set_manager("kubectl");
    (*object.mutable_data())["k"] = value;
    api.Put({kSecrets, "default"}, object);
    Run();
  }
  std::string Value(const absl::StatusOr<std::shared_ptr<const core::ConfigMap>>& got) {
    return got.ok() ? (*got)->data().at("k") : std::string(got.status().message());
  }
  std::string ConfigMap(const std::string& name) {
    return Value(Await(cache->GetConfigMap("default", name)));
  }
};

TEST_CASE("what a pod's spec refers to") {
  auto refs = ReferencedObjects(PodOf("u", R"({
    imagePullSecrets: [{name: pull}, {name: ''}],
    initContainers: [{name: i, env: [{name: A, valueFrom: {secretKeyRef: {name: key, key: k}}}]}],
    containers: [{name: c, envFrom: [{configMapRef: {name: all}}, {secretRef: {name: from}}],
                  env: [{name: B, valueFrom: {configMapKeyRef: {name: one, key: k}}}, {name: C, value: x}]}],
    ephemeralContainers: [{name: e, envFrom: [{configMapRef: {name: eph}}]}],
    volumes: [{name: s, secret: {secretName: vol}}, {name: m, configMap: {name: all}},
              {name: p, projected: {sources: [{secret: {name: projs}}, {configMap: {name: projm}}, {serviceAccountToken: {path: t}}]}},
              {name: x, csi: {driver: d, nodePublishSecretRef: {name: publish}}},
              {name: r, rbd: {image: i, monitors: [], secretRef: {name: ceph}}}]})"));
  using Names = std::map<std::string, bool>;
  CHECK(refs.config_maps == Names{{"all", true}, {"one", false}, {"eph", false}, {"projm", true}});
  CHECK(refs.secrets == Names{{"pull", false},
                              {"key", false},
                              {"from", false},
                              {"vol", true},
                              {"projs", true},
                              {"publish", false},
                              {"ceph", false}});
}

TEST_CASE("one watch per object, however many pods refer to it, and none when none does") {
  ObjectCacheFixture f;
  f.PutConfigMap("m", "1");
  f.PutConfigMap("other", "1");
  f.cache->AddPod(EnvPod("a", "m"));
  f.cache->AddPod(EnvPod("b", "m"));
  f.cache->AddPod(EnvPod("b", "m"));
  f.Run();
  CHECK(f.api.open_watches() == 1);
  CHECK(f.ConfigMap("m") == "1");
  CHECK(f.ConfigMap("m") == "1");
  CHECK(f.api.log.size() == 1);
  f.PutConfigMap("m", "2");
  CHECK(f.ConfigMap("m") == "2");
  CHECK(f.changes == std::vector<std::string>{"config map default/m"});
  f.PutConfigMap("other", "2");
  CHECK(f.changes.size() == 1);
  f.cache->RemovePod("a");
  f.Run();
  CHECK(f.api.open_watches() == 1);
  // A pod that is changed refers to what it names now.
  f.cache->AddPod(EnvPod("b", "other"));
  f.Run();
  CHECK(f.api.open_watches() == 1);
  CHECK(f.ConfigMap("other") == "2");
  f.cache->RemovePod("b");
  f.Run();
  CHECK(f.api.open_watches() == 0);
  f.cache->RemovePod("b");
}

TEST_CASE("two Gets of a secret give one object, without managedFields") {
  ObjectCacheFixture f;
  f.PutSecret("s", std::string("\0\xff bytes", 8));
  f.cache->AddPod(VolumePod("a", "s"));
  auto one = f.Await(f.cache->GetSecret("default", "s"));
  auto two = f.Await(f.cache->GetSecret("default", "s"));
  REQUIRE(one.ok());
  CHECK(one->get() == two->get());
  CHECK((*one)->data().at("k") == std::string("\0\xff bytes", 8));
  CHECK((*one)->metadata().managed_fields_size() == 0);
}

TEST_CASE("an object that is not there is NotFound, and its coming is told") {
  ObjectCacheFixture f;
  f.cache->AddPod(EnvPod("a", "m"));
  auto got = f.Await(f.cache->GetConfigMap("default", "m"));
  CHECK(got.status().code() == absl::StatusCode::kNotFound);
  CHECK(got.status().message() == "configmaps \"m\" not found");
  CHECK(f.api.Count("GET", "") == 0);
  f.PutConfigMap("m", "1");
  CHECK(f.changes.size() == 1);
  CHECK(f.ConfigMap("m") == "1");
  REQUIRE(f.api.Remove({kConfigMaps, "default", "m"}).ok());
  f.Run();
  CHECK(f.changes.size() == 2);
  CHECK(f.Await(f.cache->GetConfigMap("default", "m")).status().code() ==
        absl::StatusCode::kNotFound);
}

TEST_CASE("a watch nobody asks ends after a minute, and begins again when somebody does") {
  ObjectCacheFixture f;
  f.PutConfigMap("m", "1");
  f.cache->AddPod(EnvPod("a", "m"));
  f.Advance(50s);
  CHECK(f.ConfigMap("m") == "1");
  f.Advance(59s);
  CHECK(f.api.open_watches() == 1);
  f.Advance(62s);
  CHECK(f.api.open_watches() == 0);
  f.PutConfigMap("m", "2");
  CHECK(f.changes.empty());
  CHECK(f.ConfigMap("m") == "2");
  CHECK(f.api.open_watches() == 1);
  CHECK(f.changes.size() == 1);
  CHECK(f.api.Count("GET", "") == 0);
}

TEST_CASE("what a volume shows stays watched") {
  ObjectCacheFixture f;
  f.PutSecret("s", "1");
  f.cache->AddPod(VolumePod("a", "s"));
  f.Advance(base::Nanos(20min));
  CHECK(f.api.open_watches() == 1);
  f.PutSecret("s", "2");
  CHECK(f.changes == std::vector<std::string>{"secret default/s"});
}

TEST_CASE("an immutable object is kept and not watched") {
  ObjectCacheFixture f;
  f.PutConfigMap("m", "1", true);
  f.cache->AddPod(EnvPod("a", "m"));
  f.Run();
  CHECK(f.api.open_watches() == 0);
  CHECK(f.ConfigMap("m") == "1");
  f.cache->AddPod(EnvPod("b", "m"));
  CHECK(f.ConfigMap("m") == "1");
  CHECK(f.api.log.size() == 1);
  // One that becomes immutable.
  f.PutConfigMap("later", "1");
  f.cache->AddPod(EnvPod("c", "later"));
  f.Run();
  CHECK(f.api.open_watches() == 1);
  f.PutConfigMap("later", "2", true);
  CHECK(f.api.open_watches() == 0);
  CHECK(f.ConfigMap("later") == "2");
  CHECK(f.changes.size() == 1);
}

TEST_CASE("a Get whose watch is not there in a second asks directly") {
  ObjectCacheFixture f;
  f.PutConfigMap("m", "1");
  f.api.Hold("WATCH", "");
  f.cache->AddPod(EnvPod("a", "m"));
  auto got = f.Begin(f.cache->GetConfigMap("default", "m"));
  f.Advance(999ms);
  CHECK_FALSE(*got);
  f.Advance(1ms);
  REQUIRE(*got);
  CHECK(f.Value(**got) == "1");
  CHECK(f.api.Count("GET", "/configmaps/m") == 1);
}

TEST_CASE("a Get that had to fail is told when the object is there") {
  ObjectCacheFixture f;
  f.PutConfigMap("m", "1");
  f.api.Down();
  f.cache->AddPod(EnvPod("a", "m"));
  auto got = f.Begin(f.cache->GetConfigMap("default", "m"));
  f.Advance(1s);
  REQUIRE(*got);
  CHECK((*got)->status().code() == absl::StatusCode::kUnavailable);
  CHECK(f.changes.empty());
  f.api.Up();
  f.Advance(7s);
  CHECK(f.changes.size() == 1);
}

TEST_CASE("while the server is away the last known state is served, fast") {
  ObjectCacheFixture f;
  f.PutConfigMap("m", "1");
  f.cache->AddPod(EnvPod("a", "m"));
  f.Advance(5min);
  REQUIRE(f.api.open_watches() == 0);
  SECTION("refused") { f.api.Down(); }
  SECTION("hung") { f.api.Hold("", ""); }
  auto got = f.Begin(f.cache->GetConfigMap("default", "m"));
  f.Advance(2s);
  REQUIRE(*got);
  CHECK(f.Value(**got) == "1");
}

TEST_CASE("an answer that says no is not covered up with an old state") {
  ObjectCacheFixture f;
  f.PutConfigMap("m", "1");
  f.cache->AddPod(EnvPod("a", "m"));
  f.Advance(5min);
  f.api.Fail("", "", ToStatus({403, "Forbidden", "no", {}}), 100);
  auto got = f.Begin(f.cache->GetConfigMap("default", "m"));
  f.Advance(2s);
  REQUIRE(*got);
  CHECK((*got)->status().code() == absl::StatusCode::kPermissionDenied);
}

TEST_CASE("a pod that goes while a Get waits does no harm") {
  ObjectCacheFixture f;
  f.PutConfigMap("m", "1");
  f.api.Hold("WATCH", "");
  f.cache->AddPod(EnvPod("a", "m"));
  auto got = f.Begin(f.cache->GetConfigMap("default", "m"));
  f.cache->RemovePod("a");
  f.Advance(2s);
  REQUIRE(*got);
  CHECK(f.Value(**got) == "1");
  CHECK(f.ConfigMap("m") == "1");
  CHECK(f.api.Count("GET", "") == 2);
}

TEST_CASE("strategy Cache: asked for again after a minute, or what the node says") {
  ObjectCacheFixture f(ObjectCache::Strategy::kCache);
  f.PutConfigMap("m", "1");
  f.cache->AddPod(EnvPod("a", "m"));
  f.Run();
  CHECK(f.api.log.empty());
  auto one = f.Begin(f.cache->GetConfigMap("default", "m"));
  auto two = f.Begin(f.cache->GetConfigMap("default", "m"));
  CHECK(f.Value(**one) == "1");
  CHECK(f.Value(**two) == "1");
  CHECK(f.api.log.size() == 1);
  f.PutConfigMap("m", "2");
  f.Advance(59s);
  CHECK(f.ConfigMap("m") == "1");
  f.Advance(1s);
  CHECK(f.ConfigMap("m") == "2");
  REQUIRE(f.api.log.size() == 2);
  CHECK(f.api.log[0].call.query.empty());
  CHECK(f.api.log[1].call.query.size() == 1);  // a refresh may come from the server's cache
  f.node_ttl = 10s;
  f.PutConfigMap("m", "3");
  f.Advance(10s);
  CHECK(f.ConfigMap("m") == "3");
  // A new reference is not served what is older than itself.
  f.PutConfigMap("m", "4");
  f.cache->AddPod(EnvPod("b", "m"));
  CHECK(f.ConfigMap("m") == "4");
  CHECK(f.api.log.back().call.query.empty());
  // No answer: the old one. NotFound: that.
  f.api.Down();
  f.Advance(20s);
  CHECK(f.ConfigMap("m") == "4");
  f.api.Up();
  REQUIRE(f.api.Remove({kConfigMaps, "default", "m"}).ok());
  CHECK(f.ConfigMap("m") == "configmaps \"m\" not found");
}

TEST_CASE("strategy Get: asked for each time") {
  ObjectCacheFixture f(ObjectCache::Strategy::kGet);
  f.PutConfigMap("m", "1");
  f.cache->AddPod(EnvPod("a", "m"));
  CHECK(f.ConfigMap("m") == "1");
  f.PutConfigMap("m", "2");
  CHECK(f.ConfigMap("m") == "2");
  CHECK(f.api.Count("GET", "") == 2);
  CHECK(f.api.log.size() == 2);
}

}  // namespace
}  // namespace kubelet::client
