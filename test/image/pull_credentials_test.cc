// Credentials of pods against images that want them: what is tried, what is recorded, who may use
// what is there.
#include "fakes/fake_runtime.h"
#include "image/loop.h"
#include "kubelet/image/image_manager.h"
#include "os/temp_dir.h"

namespace kubelet::image {
namespace {

using kubelet::test::TempDir;
using kubelet::test::WriteText;
using runtime::WaitingReason;

struct Secrets : Objects {
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::Secret>>> Secret(
      std::string, std::string name) override {
    auto it = known.find(name);
    if (it == known.end()) co_return absl::NotFoundError("secret \"" + name + "\" not found");
    co_return it->second;
  }
  base::Task<absl::StatusOr<ServiceAccountFacts>> ServiceAccount(std::string,
                                                                 std::string) override {
    co_return absl::NotFoundError("none");
  }
  base::Task<absl::StatusOr<std::string>> PullToken(api::PodPtr, std::string,
                                                    std::string) override {
    co_return absl::NotFoundError("none");
  }
  void Set(const std::string& name, const std::string& user,
           const std::string& registry = "a.example") {
    auto secret = std::make_shared<api::core::Secret>();
    secret->mutable_metadata()->set_uid("uid-" + name);
    secret->set_type("kubernetes.io/dockerconfigjson");
    (*secret->mutable_data())[".dockerconfigjson"] =
        "{\"auths\":{\"" + registry + "\":{\"username\":\"" + user + "\",\"password\":\"pw\"}}}";
    known[name] = secret;
  }
  std::map<std::string, std::shared_ptr<const api::core::Secret>> known;
};

api::PodPtr PodWith(const std::string& uid, const std::vector<std::string>& secrets) {
  auto pod = std::make_shared<api::core::Pod>();
  pod->mutable_metadata()->set_uid(uid);
  pod->mutable_metadata()->set_name("p" + uid);
  pod->mutable_metadata()->set_namespace_("ns");
  for (const auto& name : secrets) pod->mutable_spec()->add_image_pull_secrets()->set_name(name);
  return pod;
}

struct PullCredentialsBench {
  test::Loop loop;
  TempDir dir;
  Secrets secrets;
  base::Registry metrics;
  kubelet::test::FakeRuntime world{loop.io.get_executor(), loop.clock};
  kubelet::test::FakeRuntimeClient service{world};
  std::vector<std::string> texts;
  std::set<std::string> woken;
  std::unique_ptr<ImageManager> manager;
  struct Drain {
    PullCredentialsBench& bench;
    ~Drain() {
      bench.manager.reset();
      bench.loop.io.restart();
      bench.loop.io.poll();
    }
  } drain{*this};

  explicit PullCredentialsBench(VerifyPolicy policy = VerifyPolicy::kNeverPreloaded) {
    ImageManager::Options options;
    options.verify.dir = dir / "image_manager";
    options.verify.policy = policy;
    options.config_json = {dir / "config.json"};
    manager = std::make_unique<ImageManager>(
        ImageManager::Deps{
            loop.io.get_executor(), loop.clock, service,
            [this](const std::string& uid) { woken.insert(uid); },
            [this](const auto&, const runtime::PodEvent& event) { texts.push_back(event.message); },
            &metrics, &secrets, &loop.pool},
        options);
  }
  runtime::Images::Answer Ask(api::PodPtr pod, const std::string& policy = "IfNotPresent") {
    return loop.Await(
        manager->Ensure(pod, "c", "a.example/app:1", policy, runtime::SandboxConfig()));
  }
  // To the end of what the first question begins.
  runtime::Images::Answer Get(api::PodPtr pod, const std::string& policy = "IfNotPresent") {
    const std::string uid = pod->metadata().uid();
    woken.erase(uid);
    auto answer = Ask(pod, policy);
    if (!answer.pulling) return answer;
    loop.RunUntil([&] { return woken.contains(uid); });
    return Ask(pod, policy);
  }
  bool Told(const std::string& part) const {
    return std::any_of(texts.begin(), texts.end(),
                       [&](const auto& text) { return text.find(part) != std::string::npos; });
  }
};

TEST_CASE("pull secrets are tried in turn, those of the node after them") {
  PullCredentialsBench bench;
  bench.world.pull_user["a.example/app:1"] = "node";
  bench.secrets.Set("one", "bob");
  bench.secrets.Set("two", "eve");
  bench.secrets.Set("elsewhere", "joe", "b.example");
  WriteText(bench.dir / "config.json",
            R"({"auths":{"a.example":{"username":"node","password":"pw"}}})");
  CHECK(bench.Get(PodWith("1", {"one", "elsewhere", "two"})).image.has_value());
  CHECK(bench.world.pulled_as == std::vector<std::string>{"bob", "eve", "node"});
}

TEST_CASE("a pull secret that is not there is told and the pull goes on") {
  PullCredentialsBench bench;
  bench.secrets.Set("two", "eve");
  CHECK(bench.Get(PodWith("1", {"absent", "", "two", "gone"})).image.has_value());
  CHECK(bench.world.pulled_as == std::vector<std::string>{"eve"});
  CHECK(
      bench.Told("Unable to retrieve some image pull secrets (absent, gone); attempting to pull "
                 "the image may not "
                 "succeed."));
}

TEST_CASE("without the right credential the errors of all tries are shown") {
  PullCredentialsBench bench;
  bench.world.pull_user["a.example/app:1"] = "alice";
  bench.secrets.Set("one", "bob");
  bench.secrets.Set("two", "eve");
  auto answer = bench.Get(PodWith("1", {"one", "two"}));
  CHECK(answer.waiting.reason == WaitingReason::kErrImagePull);
  CHECK(answer.waiting.message ==
        "[rpc error: code = Unauthenticated desc = not for \"bob\", rpc error: code = "
        "Unauthenticated desc = not for \"eve\"]");
}

TEST_CASE("an image pulled with a pod's secret is not for a pod without it") {
  PullCredentialsBench bench;
  bench.world.pull_user["a.example/app:1"] = "bob";
  bench.secrets.Set("mine", "bob");
  REQUIRE(bench.Get(PodWith("1", {"mine"})).image.has_value());
  auto stranger = bench.Get(PodWith("2", {}));
  CHECK(stranger.waiting.reason == WaitingReason::kErrImagePull);
  auto never = bench.Get(PodWith("3", {}), "Never");
  CHECK(never.waiting.reason == WaitingReason::kErrImageNeverPull);
  CHECK(never.waiting.message ==
        "Container image \"a.example/app:1\" is not present with pull policy of Never");
  size_t pulls = bench.world.pulled_as.size();
  CHECK(bench.Get(PodWith("4", {"mine"})).image.has_value());
  CHECK(bench.Get(PodWith("5", {"mine"}), "Never").image.has_value());
  bench.secrets.Set("same-account", "bob");
  CHECK(bench.Get(PodWith("6", {"same-account"})).image.has_value());
  CHECK(bench.world.pulled_as.size() == pulls);
  CHECK(
      bench.Told("Container image \"a.example/app:1\" already present on machine and can be "
                 "accessed by the pod"));
  auto text = bench.metrics.Render();
  CHECK(text.find("kubelet_image_manager_ensure_image_requests_total{pull_policy=\"never\",present_"
                  "locally=\"true\","
                  "pull_required=\"false\"} 1") != std::string::npos);
  CHECK(text.find("kubelet_imagemanager_ondisk_pulledrecords 1") != std::string::npos);
}

TEST_CASE(
    "an image pulled without credentials is for all; one that was there before, as the policy "
    "says") {
  for (auto policy : {VerifyPolicy::kNeverPreloaded, VerifyPolicy::kAlways}) {
    PullCredentialsBench bench(policy);
    bench.world.images.insert("a.example/app:1");
    CHECK(bench.Get(PodWith("1", {})).image.has_value());
    CHECK(bench.world.pulled_as.size() == (policy == VerifyPolicy::kAlways ? 1 : 0));
    CHECK(bench.Get(PodWith("2", {})).image.has_value());
    CHECK(bench.world.pulled_as.size() == (policy == VerifyPolicy::kAlways ? 1 : 0));
  }
}

TEST_CASE("a changed credential file of the node counts at the next pull") {
  PullCredentialsBench bench;
  bench.world.pull_user["a.example/app:1"] = "node";
  CHECK_FALSE(bench.Get(PodWith("1", {})).image.has_value());
  WriteText(bench.dir / "config.json", R"({"auths":{"a.example":{"username":"node"}}})");
  CHECK(bench.Get(PodWith("2", {})).image.has_value());
}

TEST_CASE("two containers of a pod with one image are one pull") {
  PullCredentialsBench bench;
  auto pod = PodWith("1", {});
  CHECK(bench.Ask(pod).pulling);
  CHECK(bench.Ask(pod).pulling);
  bench.loop.RunUntil([&] { return bench.woken.contains("1"); });
  CHECK(bench.Ask(pod).image.has_value());
  CHECK(bench.Ask(pod).image.has_value());
  CHECK(bench.world.pulled_as.size() == 1);
}

}  // namespace
}  // namespace kubelet::image
