#include "kubelet/source/local_objects.h"

#include <fcntl.h>

#include <sstream>

#include "source/json_cut.h"
#include "source_bench.h"

namespace kubelet::source {
namespace {

std::string MapText(const std::string& name, const std::string& value,
                    const std::string& more = "") {
  return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + more + "}\ndata: {k: '" +
         value + "'}\n";
}

std::string SecretText(const std::string& name, const std::string& value) {
  return "apiVersion: v1\nkind: Secret\nmetadata: {name: " + name + "}\nstringData: {pw: '" +
         value + "'}\n";
}

struct ObjectBench {
  TempDir root;
  std::string dir = root.path + "/objects";
  Loop loop;
  std::vector<std::string> changes;
  int problem_changes = 0;
  std::unique_ptr<LocalObjects> objects;
  std::unique_ptr<base::TaskScope> stopper;

  ObjectBench() { fs::create_directory(dir); }
  ~ObjectBench() {
    if (!objects) return;
    bool stopped = false;
    stopper = std::make_unique<base::TaskScope>(loop.io.get_executor());
    stopper->Spawn("stop", StopAndMark(*objects, stopped));
    loop.RunUntil([&] { return stopped; });
  }
  static base::Task<void> StopAndMark(LocalObjects& objects, bool& stopped) {
    co_await objects.Stop();
    stopped = true;
  }
  void Start() {
    LocalObjectsOptions options;
    options.path = dir + "/";
    LocalObjects::Deps deps{loop.io.get_executor(), loop.clock, loop.pool, {}, {}};
    deps.on_change = [this](const std::string& ns, const std::string& name) {
      changes.push_back(ns + "/" + name);
    };
    deps.on_problem_change = [this] { ++problem_changes; };
    objects = std::make_unique<LocalObjects>(options, std::move(deps));
    objects->Start();
    loop.RunUntil([this] { return objects->looks() > 0 && objects->idle(); });
  }
  void Poll() {
    loop.RunUntil([this] { return objects->idle(); });
  }
  void Settle(base::Nanos d = 1100ms) {
    loop.clock.Advance(d, [this] { Poll(); });
  }
  void Write(const std::string& name, const std::string& text) {
    WriteFile(dir + "/" + name, text);
  }
  // Of key `k`; or why there is none.
  std::string Map(const std::string& name, const std::string& ns = "default") {
    auto map = objects->ConfigMap(ns, name);
    if (!map.ok()) return absl::StatusCodeToString(map.status().code());
    auto it = (*map)->data().find("k");
    return it == (*map)->data().end() ? "" : it->second;
  }
  std::string Secret(const std::string& name) {
    auto secret = objects->Secret("default", name);
    if (!secret.ok()) return absl::StatusCodeToString(secret.status().code());
    auto it = (*secret)->data().find("pw");
    return it == (*secret)->data().end() ? "" : it->second;
  }
  std::string Problems() {
    std::string out;
    for (const auto& p : objects->problems())
      out +=
          p.origin.substr(root.path.size() + 1) + ": " + p.text + (p.kept ? " (kept)" : "") + "\n";
    return out;
  }
};

std::string Errors(const std::string& text) {
  std::string out;
  for (const auto& error : JudgeObjects(text).errors) out += error + "\n";
  return out;
}

TEST_CASE("documents of a stream stand on their own") {
  CHECK(YamlDocuments("a: 1\n---\nb: 2\n...\n---\n# nothing\n---\nc: 3").size() == 3);
  CHECK(YamlDocuments("%YAML 1.1\n---\na: 1\n--- {b: 2}\n").size() == 2);
  CHECK(YamlDocuments("# only a comment\n---\n").empty());
  CHECK(YamlDocuments("a: |\n  ---\n  text\n") ==
        std::vector<std::string>{"a: |\n  ---\n  text\n"});
}

TEST_CASE("a file may hold several documents, lists, YAML or JSON") {
  auto judged = JudgeObjects(MapText("a", "1") + "---\n" + SecretText("s", "x") +
                             "---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: "
                             "ConfigMap, metadata: {name: b, namespace: shop}}\n- {apiVersion: v1, "
                             "kind: Secret, metadata: {name: t}, data: {pw: aGk=}}\n");
  CHECK(judged.errors.empty());
  REQUIRE(judged.config_maps.size() == 2);
  REQUIRE(judged.secrets.size() == 2);
  CHECK(judged.config_maps[0]->metadata().namespace_() == "default");
  CHECK(judged.config_maps[1]->metadata().namespace_() == "shop");
  CHECK(judged.secrets[0]->data().at("pw") == "x");
  CHECK(judged.secrets[0]->string_data().empty());
  CHECK(judged.secrets[1]->data().at("pw") == "hi");
  auto json = JudgeObjects(
      R"({"kind":"SecretList","apiVersion":"v1","items":[{"metadata":{"name":"q"}}]})");
  CHECK(json.errors.empty());
  CHECK(json.secrets.size() == 1);
}

TEST_CASE("what is wrong is named by document, object and field, and no secret is shown") {
  CHECK(Errors("") == "empty\n");
  CHECK(Errors("just text") == "must be an object\n");
  CHECK(Errors("kind: ConfigMap\nmetadata: {name: a}") == "apiVersion: Required value\n");
  CHECK(Errors("apiVersion: v1\nmetadata: {name: a}") == "kind: Required value\n");
  CHECK(Errors("apiVersion: v2\nkind: Secret\nmetadata: {name: a}") ==
        "apiVersion: Invalid value: \"v2\": must be v1\n");
  CHECK(Errors(MapText("a", "1") + "---\napiVersion: v1\nkind: Pod\n") ==
        "document 2: kind: Invalid value: \"Pod\": must be ConfigMap, Secret or a List of them\n");
  CHECK(
      Errors(
          "{kind: ConfigMapList, apiVersion: v1, items: [{kind: Secret, metadata: {name: a}}]}") ==
      "items[0].kind: Invalid value: \"Secret\": must be ConfigMap\n");
  CHECK(Errors("{kind: List, apiVersion: v1, items: [{kind: List, apiVersion: v1}]}") ==
        "items[0].kind: Invalid value: \"List\": must be ConfigMap, Secret or a List of them\n");
  CHECK(Contains(Errors("{kind: ConfigMap, apiVersion: v1, metadata: {name: A_b}}"),
                 "ConfigMap default/A_b: metadata.name: Invalid value: \"A_b\""));
  CHECK(Contains(Errors("{kind: ConfigMap, apiVersion: v1, metadata: {name: a}, data: {'a b': x}}"),
                 "ConfigMap default/a: data[a b]: Invalid value: \"a b\""));
  CHECK(Contains(Errors("{kind: ConfigMap, apiVersion: v1, metadata: {name: a}, data: {x: why}, "
                        "binaryData: {x: aGk=}}"),
                 "duplicate of key present in binaryData"));
  CHECK(Contains(
      Errors("{kind: ConfigMap, apiVersion: v1, metadata: {name: a}, data: {x: y, x: z}}"), "x"));
  CHECK(Errors(MapText("a", "1") + "---\n" + MapText("a", "2")) ==
        "ConfigMap default/a: is there twice in this file\n");
  CHECK(Contains(Errors("{kind: Secret, apiVersion: v1, metadata: {name: a}, type: "
                        "kubernetes.io/tls, data: {tls.crt: aGk=}}"),
                 "Secret default/a: data[tls.key]: Required value"));
  auto hidden = Errors(
      "{kind: Secret, apiVersion: v1, metadata: {name: a}, type: "
      "kubernetes.io/dockerconfigjson, stringData: {.dockerconfigjson: hush}}");
  CHECK(Contains(hidden, "<secret contents redacted>"));
  CHECK_FALSE(Contains(hidden, "hush"));
  CHECK_FALSE(Contains(
      Errors("{kind: Secret, apiVersion: v1, metadata: {name: a}, data: {pw: 'hush hush!'}}"),
      "hush"));
  auto warned = JudgeObjects("{kind: ConfigMap, apiVersion: v1, metadata: {name: a}, dta: {}}");
  CHECK(warned.errors.empty());
  REQUIRE(warned.warnings.size() == 1);
  CHECK(Contains(warned.warnings[0], "unknown field \"dta\""));
}

TEST_CASE("objects are read at the start, followed at once, and gone with their file") {
  ObjectBench b;
  b.Write("app.yaml", MapText("app", "one") + "---\n" + SecretText("pw", "x"));
  b.Write(".hidden.yaml", MapText("hidden", "1"));
  fs::create_directory(b.dir + "/sub");
  b.Start();
  CHECK(b.Map("app") == "one");
  CHECK(b.Secret("pw") == "x");
  CHECK(b.Map("hidden") == "NOT_FOUND");
  CHECK(b.Map("app", "other") == "NOT_FOUND");
  CHECK(b.Problems() == "");
  b.changes.clear();
  b.Write("app.yaml", MapText("app", "two") + "---\n" + SecretText("pw", "x"));
  b.Poll();
  CHECK(b.Map("app") == "two");
  CHECK(b.changes == std::vector<std::string>{"default/app"});  // the secret is the same
  b.changes.clear();
  fs::remove(b.dir + "/app.yaml");
  b.Settle();
  CHECK(b.Map("app") == "NOT_FOUND");
  CHECK(b.Secret("pw") == "NOT_FOUND");
  CHECK(b.changes.size() == 2);
}

TEST_CASE("before the directory was read nothing is said to be missing") {
  ObjectBench b;
  LocalObjectsOptions options;
  options.path = b.dir;
  LocalObjects::Deps deps{b.loop.io.get_executor(), b.loop.clock, b.loop.pool, {}, {}};
  LocalObjects objects(options, std::move(deps));
  CHECK(absl::IsUnavailable(objects.ConfigMap("default", "a").status()));
  CHECK(absl::IsUnavailable(objects.Secret("default", "a").status()));
}

TEST_CASE("a bad edit keeps what was good, all of it, and is reported") {
  ObjectBench b;
  b.Write("app.yaml", MapText("app", "one") + "---\n" + SecretText("pw", "x"));
  b.Start();
  b.changes.clear();
  for (const std::string& bad :
       {MapText("app", "two") + "---\nkind: Secret\n", std::string(), std::string("a: [")}) {
    b.Write("app.yaml", bad);
    b.Settle();
    CHECK(b.Map("app") == "one");
    CHECK(b.Secret("pw") == "x");
    CHECK(Contains(b.Problems(), "objects/app.yaml: "));
    CHECK(Contains(b.Problems(), "(kept)"));
  }
  CHECK(b.changes.empty());
  b.Write("app.yaml", MapText("app", "three"));
  b.Settle();
  CHECK(b.Problems() == "");
  CHECK(b.Map("app") == "three");
  CHECK(b.Secret("pw") == "NOT_FOUND");
}

TEST_CASE("an object stays with the file that has it; another takes it over when it is given up") {
  ObjectBench b;
  b.Write("a.yaml", MapText("app", "a"));
  b.Write("b.yaml", MapText("app", "b") + "---\n" + MapText("mine", "b"));
  b.Start();
  CHECK(b.Map("app") == "a");
  CHECK(b.Map("mine") == "NOT_FOUND");  // a file counts as a whole
  CHECK(Contains(b.Problems(), "objects/b.yaml: ConfigMap default/app: is already provided by " +
                                   b.dir + "/a.yaml"));
  fs::remove(b.dir + "/a.yaml");
  b.Settle();
  CHECK(b.Map("app") == "b");
  CHECK(b.Map("mine") == "b");
  CHECK(b.Problems() == "");
}

TEST_CASE("a half-written file of local objects waits for its writer") {
  ObjectBench b;
  b.Write("app.yaml", MapText("app", "one"));
  b.Start();
  std::string text = MapText("app", "two");
  int fd = ::open((b.dir + "/app.yaml").c_str(), O_WRONLY | O_TRUNC);
  REQUIRE(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  b.Settle(500ms);
  CHECK(b.Map("app") == "one");
  CHECK(b.Problems() == "");
  ::close(fd);
  b.Poll();
  CHECK(b.Map("app") == "two");
}

TEST_CASE("a directory that is away or another one keeps what was there") {
  ObjectBench b;
  b.Write("app.yaml", MapText("app", "one"));
  b.Start();
  fs::rename(b.dir, b.root.path + "/away");
  b.Settle(21s);
  CHECK(b.Map("app") == "one");
  CHECK(Contains(b.Problems(), "(kept)"));
  fs::create_directory(b.dir);
  b.Settle(30s);
  CHECK(b.Map("app") == "one");
  CHECK(Contains(b.Problems(), "the directory was replaced and lacks this file (kept)"));
  b.Settle(6min);
  CHECK(b.Map("app") == "NOT_FOUND");
  CHECK(b.Problems() == "");
  b.Write("new.yaml", MapText("app", "two"));
  b.Settle();
  CHECK(b.Map("app") == "two");
}

TEST_CASE("no directory is nothing, until there is one") {
  ObjectBench b;
  fs::remove(b.dir);
  b.Start();
  CHECK(b.Map("app") == "NOT_FOUND");
  CHECK(Contains(b.Problems(), "objects: "));
  fs::create_directory(b.dir);
  b.Write("app.yaml", MapText("app", "one"));
  b.Settle(2s);
  CHECK(b.Map("app") == "one");
  CHECK(b.Problems() == "");
}

TEST_CASE("kubelet validate looks at the local objects too") {
  ObjectBench b;
  b.Write("app.yaml", MapText("app", "one"));
  std::ostringstream out;
  CHECK(ValidateLocalObjects(b.dir, out) == 0);
  CHECK(Contains(out.str(), "ok: ConfigMap default/app"));
  b.Write("bad.yaml", "kind: ConfigMap");
  std::ostringstream bad;
  CHECK(ValidateLocalObjects(b.dir, bad) == 1);
  CHECK(Contains(bad.str(), b.dir + "/bad.yaml: error: apiVersion: Required value"));
  std::ostringstream none;
  CHECK(ValidateLocalObjects(b.root.path + "/none", none) == 1);
}

TEST_CASE("with local objects a static pod may name ConfigMaps and Secrets, and nothing else") {
  Origin origin;
  origin.location = "/m/a.yaml";
  origin.node_name = "node";
  const std::string head = Manifest("a");
  const std::pair<const char*, bool> cases[] = {
      {"    env: [{name: A, valueFrom: {configMapKeyRef: {name: m, key: k}}}]\n", true},
      {"    envFrom: [{secretRef: {name: s}}]\n", true},
      {"  volumes: [{name: v, configMap: {name: m}}]\n", true},
      {"  volumes: [{name: v, secret: {secretName: s}}]\n", true},
      {"  volumes: [{name: v, projected: {sources: [{configMap: {name: m}}, {secret: {name: "
       "s}}]}}]\n",
       true},
      {"  volumes: [{name: v, projected: {sources: [{secret: {name: s}}, {serviceAccountToken: "
       "{path: t}}]}}]\n",
       false},
      {"  volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]\n", false},
      {"  imagePullSecrets: [{name: s}]\n", false},
      {"  serviceAccountName: x\n", false},
      {"  volumes: [{name: v, iscsi: {targetPortal: p, iqn: iqn.2001-04.com.example:a, lun: 0, "
       "secretRef: {name: s}}}]\n",
       false},
  };
  for (const auto& [more, allowed] : cases) {
    INFO(more);
    origin.references = References::kRefused;
    auto refused = JudgeManifest(head + more, origin);
    CHECK_FALSE(refused.pod);
    origin.references = References::kLocalObjects;
    auto judged = JudgeManifest(head + more, origin);
    INFO((judged.errors.empty() ? "" : judged.errors[0]));
    CHECK(bool(judged.pod) == allowed);
    if (!allowed) CHECK(Contains(judged.errors.back(), "static pods may not reference"));
  }
}

}  // namespace
}  // namespace kubelet::source
