#include "image/plugins.h"

#include <sys/stat.h>

#include "image/loop.h"
#include "os/temp_dir.h"

namespace kubelet::image {
namespace {

using namespace std::chrono_literals;
using kubelet::test::ReadText;
using kubelet::test::TempDir;
using kubelet::test::WriteText;

constexpr char kV1[] = "credentialprovider.kubelet.k8s.io/v1";

std::string Answer(const std::string& key, const std::string& more = "",
                   const std::string& password = "pw") {
  return std::string(R"({"kind":"CredentialProviderResponse","apiVersion":")") + kV1 +
         R"(","cacheKeyType":")" + key + "\"" + more +
         R"(,"auth":{"*.example":{"username":"bob","password":")" + password + "\"}}}";
}

struct FakeObjects : Objects {
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::Secret>>> Secret(
      std::string, std::string) override {
    co_return absl::NotFoundError("no secrets here");
  }
  base::Task<absl::StatusOr<ServiceAccountFacts>> ServiceAccount(std::string,
                                                                 std::string name) override {
    auto it = accounts.find(name);
    if (it == accounts.end()) co_return absl::NotFoundError("no service account");
    co_return it->second;
  }
  base::Task<absl::StatusOr<std::string>> PullToken(api::PodPtr pod, std::string audience,
                                                    std::string uid) override {
    co_return "token-" + pod->metadata().uid() + "-" + audience + "-" + uid;
  }
  std::map<std::string, ServiceAccountFacts> accounts;
};

api::PodPtr PodOf(const std::string& uid, const std::string& account = "") {
  auto pod = std::make_shared<api::core::Pod>();
  pod->mutable_metadata()->set_uid(uid);
  pod->mutable_metadata()->set_name("p" + uid);
  pod->mutable_metadata()->set_namespace_("ns");
  if (!account.empty()) pod->mutable_spec()->set_service_account_name(account);
  return pod;
}

// Real programs: shell scripts that keep what they were asked.
struct PluginsBench {
  test::Loop loop;
  TempDir dir;
  FakeObjects objects;
  base::Registry metrics;
  PluginConfig config;
  std::unique_ptr<CredentialPlugins> plugins;

  PluginSpec& Add(const std::string& name, const std::string& script) {
    std::string path = dir / name;
    WriteText(path, "#!/bin/sh\n" + script + "\n");
    chmod(path.c_str(), 0755);
    PluginSpec spec;
    spec.name = name;
    spec.program = path;
    spec.match_images = {"*.example"};
    spec.cache_for = 10min;
    spec.api_version = kV1;
    config.plugins.push_back(spec);
    return config.plugins.back();
  }
  // A plugin that answers so and counts how often it was run.
  PluginSpec& AddAnswer(const std::string& name, const std::string& answer) {
    WriteText(dir / (name + ".answer"), answer);
    return Add(name, "cat > " + dir.path() + "/" + name + ".asked; echo x >> " + dir.path() + "/" +
                         name + ".runs; cat " + dir.path() + "/" + name + ".answer");
  }
  size_t Runs(const std::string& name) {
    std::string text = ReadText(dir / (name + ".runs"));
    return static_cast<size_t>(std::count(text.begin(), text.end(), 'x'));
  }
  void Open() {
    auto executor = loop.io.get_executor();
    CredentialPlugins::Deps deps{executor, loop.clock, {}, &objects, &metrics};
    deps.run = [this, executor](os::ProcessRequest request) {
      return os::RunProcess(executor, loop.clock, loop.pool, std::move(request));
    };
    plugins = std::make_unique<CredentialPlugins>(deps, config);
  }
  std::vector<Credential> Ask(const std::string& repository, api::PodPtr pod = PodOf("1")) {
    if (!plugins) Open();
    auto ring = std::make_shared<Keyring>();
    loop.Await(plugins->Provide(pod, repository, ring));
    return ring->Lookup(repository);
  }
};

TEST_CASE("a plugin is asked on its standard input and answers on its standard output") {
  PluginsBench bench;
  auto& spec = bench.Add("p", "cat > " + bench.dir.path() + "/asked; echo \"$1 $NAME\" > " +
                                  bench.dir.path() + "/words; echo '" + Answer("Image") + "'");
  spec.args = {"--flag"};
  spec.environment = {"NAME=value"};
  auto found = bench.Ask("a.example/app");
  REQUIRE(found.size() == 1);
  CHECK(found[0].auth.username == "bob");
  CHECK(found[0].auth.password == "pw");
  CHECK(found[0].source.kind == CredentialSource::Kind::kNode);
  CHECK(ReadText(bench.dir / "asked") ==
        "{\"kind\":\"CredentialProviderRequest\",\"apiVersion\":\"credentialprovider.kubelet.k8s."
        "io/v1\","
        "\"image\":\"a.example/app\"}\n");
  CHECK(ReadText(bench.dir / "words") == "--flag value\n");
  CHECK(bench.Ask("a.elsewhere/app").empty());
}

TEST_CASE("how long and for what an answer is kept") {
  struct Row {
    const char* key;
    const char* more;
    size_t same, sibling, other,
        later;  // runs after asking: again, another image there, another registry, 11 min on
  };
  auto row =
      GENERATE(Row{"Image", "", 1, 2, 3, 4}, Row{"Registry", "", 1, 1, 2, 3},
               Row{"Global", "", 1, 1, 1, 2}, Row{"Image", R"(,"cacheDuration":"0s")", 2, 3, 4, 5},
               Row{"Global", R"(,"cacheDuration":"1h")", 1, 1, 1, 1});
  INFO(row.key << row.more);
  PluginsBench bench;
  bench.AddAnswer("p", Answer(row.key, row.more));
  CHECK(bench.Ask("a.example/app").size() == 1);
  CHECK(bench.Ask("a.example/app").size() == 1);
  CHECK(bench.Runs("p") == row.same);
  bench.Ask("a.example/sibling");
  CHECK(bench.Runs("p") == row.sibling);
  bench.Ask("b.example/app");
  CHECK(bench.Runs("p") == row.other);
  bench.loop.clock.Advance(11min);
  bench.Ask("b.example/app");
  CHECK(bench.Runs("p") == row.later);
}

TEST_CASE("what plugins do wrong costs their own answer only") {
  PluginsBench bench;
  bench.Add("fails", "echo broken >&2; exit 3");
  bench.Add("mute", "exit 0");
  bench.Add("old",
            "echo "
            "'{\"kind\":\"CredentialProviderResponse\",\"apiVersion\":\"credentialprovider.kubelet."
            "k8s.io/"
            "v1beta1\",\"cacheKeyType\":\"Image\"}'");
  bench.Add("unkeyed", "echo '" + Answer("Nothing") + "'");
  bench.Add("unknown", "echo '" + Answer("Image", ",\"more\":1") + "'");
  bench.AddAnswer("good", Answer("Image"));
  CHECK(bench.Ask("a.example/app").size() == 1);
  CHECK(bench.metrics.Render().find(
            "kubelet_credential_provider_plugin_errors_total{plugin_name=\"fails\"} 1") !=
        std::string::npos);
}

TEST_CASE("a plugin that hangs is killed after a minute with what it started") {
  PluginsBench bench;
  bench.Add("hangs", "echo $$ > " + bench.dir.path() + "/pid; mv " + bench.dir.path() + "/pid " +
                         bench.dir.path() + "/begun; sleep 1000 & wait");
  bench.Open();
  auto ring = std::make_shared<Keyring>();
  bool done = false;
  base::TaskScope scope(bench.loop.io.get_executor());
  scope.Spawn("ask",
              test::Loop::Mark(bench.plugins->Provide(PodOf("1"), "a.example/app", ring), &done));
  // The start of the program is an event of the loop; that it has begun is one of the file system.
  while (ReadText(bench.dir / "begun").empty()) bench.loop.io.run_one_for(1ms);
  bench.loop.clock.Advance(59s, [&] { bench.loop.io.poll(); });
  CHECK_FALSE(done);
  bench.loop.clock.Advance(2s, [&] { bench.loop.io.poll(); });
  bench.loop.RunUntil([&] { return done; });
  CHECK(ring->empty());
}

TEST_CASE("questions that are alike run the program once") {
  PluginsBench bench;
  bench.AddAnswer("p", Answer("Image", ",\"cacheDuration\":\"0s\""));
  bench.Open();
  std::vector<std::shared_ptr<Keyring>> rings;
  bool done[3] = {};
  base::TaskScope scope(bench.loop.io.get_executor());
  for (bool& one : done) {
    rings.push_back(std::make_shared<Keyring>());
    scope.Spawn(
        "ask",
        test::Loop::Mark(bench.plugins->Provide(PodOf("1"), "a.example/app", rings.back()), &one));
  }
  bench.loop.RunUntil([&] { return done[0] && done[1] && done[2]; });
  CHECK(bench.Runs("p") == 1);
  for (const auto& ring : rings) CHECK_FALSE(ring->empty());
}

TEST_CASE("service account tokens go to plugins that want them") {
  PluginsBench bench;
  bench.objects.accounts["sa"] = {"sa-uid", {{"need", "1"}, {"may", "2"}, {"other", "3"}}};
  bench.objects.accounts["plain"] = {"plain-uid", {}};
  auto& spec = bench.AddAnswer("p", Answer("Global"));
  spec.token.emplace();
  spec.token->audience = "aud";
  spec.token->require_service_account = true;
  spec.token->required_annotations = {"need"};
  spec.token->optional_annotations = {"may", "absent"};
  auto found = bench.Ask("a.example/app", PodOf("1", "sa"));
  REQUIRE(found.size() == 1);
  CHECK(found[0].source ==
        CredentialSource{CredentialSource::Kind::kServiceAccount, "sa-uid", "ns", "sa"});
  CHECK(ReadText(bench.dir / "p.asked")
            .find("\"serviceAccountToken\":\"token-1-aud-sa-uid\","
                  "\"serviceAccountAnnotations\":{\"may\":\"2\",\"need\":\"1\"}") !=
        std::string::npos);
  CHECK(bench.Ask("a.example/app", PodOf("2", "sa")).size() == 1);
  CHECK(bench.Runs("p") == 1);  // kept for the account
  CHECK(bench.Ask("a.example/app", PodOf("3")).empty());
  CHECK(bench.Ask("a.example/app", PodOf("4", "plain")).empty());
  CHECK(bench.Ask("a.example/app", PodOf("5", "missing")).empty());
  CHECK(bench.Runs("p") == 1);
}

TEST_CASE("a token given back as password may only be kept by token") {
  for (bool by_token : {false, true}) {
    PluginsBench bench;
    bench.objects.accounts["sa"] = {"sa-uid", {}};
    auto& spec = bench.AddAnswer("p", Answer("Global", "", "token-1-aud-sa-uid"));
    spec.token.emplace();
    spec.token->audience = "aud";
    spec.token->cache_by_token = by_token;
    CHECK(bench.Ask("a.example/app", PodOf("1", "sa")).size() == (by_token ? 1 : 0));
    bench.Ask("a.example/app", PodOf("2", "sa"));
    CHECK(bench.Runs("p") == 2);
  }
}

TEST_CASE("configurations of plugins") {
  TempDir dir;
  WriteText(dir / "bin/p", "#!/bin/sh");
  chmod((dir / "bin/p").c_str(), 0755);
  WriteText(dir / "bin/q", "not executable");
  const std::string head =
      "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n";
  const std::string good =
      "- name: p\n  matchImages: ['*.example']\n  defaultCacheDuration: 10m\n  apiVersion: " +
      std::string(kV1) + "\n";
  WriteText(dir / "good.yaml", head + good + "  args: [a]\n  env: [{name: K, value: V}]\n");
  auto config = LoadPluginConfig(dir / "good.yaml", dir / "bin", true);
  REQUIRE(config.ok());
  REQUIRE(config->plugins.size() == 1);
  CHECK(config->plugins[0].program == dir / "bin/p");
  CHECK(config->plugins[0].cache_for == 10min);
  CHECK(config->plugins[0].environment == std::vector<std::string>{"K=V"});
  CHECK(config->hash.size() == 71);
  const std::string token =
      "  tokenAttributes: {serviceAccountTokenAudience: a, cacheType: Token, "
      "requireServiceAccount: true}\n";
  struct Row {
    std::string text, error;
  };
  auto row = GENERATE_COPY(
      Row{head, "providers"}, Row{head + good + good, "duplicate provider name"},
      Row{head + good + "  more: 1\n", "more"},
      Row{"kind: CredentialProviderConfig\napiVersion: kubelet.config.k8s.io/v2\nproviders:\n" +
              good,
          "apiVersion"},
      Row{"kind: Other\napiVersion: kubelet.config.k8s.io/v1\nproviders:\n" + good, "kind"},
      Row{head + "- name: q\n  matchImages: [x]\n  defaultCacheDuration: 0s\n  apiVersion: " + kV1 +
              "\n",
          "bin/q"},
      Row{head + "- name: a/b\n  matchImages: [x]\n  defaultCacheDuration: 0s\n  apiVersion: " +
              kV1 + "\n",
          "name"},
      Row{head + "- name: p\n  matchImages: ['x:y']\n  defaultCacheDuration: 0s\n  apiVersion: " +
              kV1 + "\n",
          "matchImages"},
      Row{head + "- name: p\n  matchImages: [x]\n  apiVersion: " + kV1 + "\n",
          "defaultCacheDuration"},
      Row{head + "- name: p\n  matchImages: [x]\n  defaultCacheDuration: -1s\n  apiVersion: " +
              kV1 + "\n",
          "negative"},
      Row{head + "- name: p\n  matchImages: [x]\n  defaultCacheDuration: 0s\n  apiVersion: v1\n",
          "apiVersion"},
      Row{head + good + "  tokenAttributes: {}\n", "serviceAccountTokenAudience"},
      Row{head + good +
              "  tokenAttributes: {serviceAccountTokenAudience: a, requireServiceAccount: true}\n",
          "cacheType"},
      Row{"kind: CredentialProviderConfig\napiVersion: "
          "kubelet.config.k8s.io/v1beta1\nproviders:\n" +
              good + token,
          "tokenAttributes"});
  INFO(row.text);
  WriteText(dir / "bad.yaml", row.text);
  auto bad = LoadPluginConfig(dir / "bad.yaml", dir / "bin", true);
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.status().ToString().find(row.error) != std::string::npos);
  CHECK(bad.status().ToString().find("bad.yaml") + bad.status().ToString().find("bin/q") !=
        2 * std::string::npos);
  WriteText(dir / "token.yaml", head + good + token);
  CHECK(LoadPluginConfig(dir / "token.yaml", dir / "bin", true).ok());
  CHECK_FALSE(LoadPluginConfig(dir / "token.yaml", dir / "bin", false).ok());
}

TEST_CASE("a directory of configurations is one, by name") {
  TempDir dir;
  for (const char* name : {"a", "b"}) {
    std::string n = name;
    WriteText(dir / ("bin/" + n), "#!/bin/sh");
    chmod((dir / ("bin/" + n)).c_str(), 0755);
    WriteText(dir / ("conf/" + std::string(n == "a" ? "2.json" : "1.yml")),
              "{\"apiVersion\":\"kubelet.config.k8s.io/"
              "v1\",\"kind\":\"CredentialProviderConfig\",\"providers\":[{"
              "\"name\":\"" +
                  n +
                  "\",\"matchImages\":[\"x\"],\"defaultCacheDuration\":\"1s\",\"apiVersion\":\"" +
                  kV1 + "\"}]}");
  }
  WriteText(dir / "conf/ignored.txt", "{");
  auto config = LoadPluginConfig(dir / "conf", dir / "bin", true);
  REQUIRE(config.ok());
  REQUIRE(config->plugins.size() == 2);
  CHECK(config->plugins[0].name == "b");
  WriteText(dir / "empty/x.txt", "");
  CHECK_FALSE(LoadPluginConfig(dir / "empty", dir / "bin", true).ok());
  CHECK_FALSE(LoadPluginConfig(dir / "conf", dir / "absent", true).ok());
}

}  // namespace
}  // namespace kubelet::image
