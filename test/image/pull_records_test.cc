#include "image/pull_records.h"

#include <filesystem>

#include "image/loop.h"
#include "kubelet/base/hash.h"
#include "os/temp_dir.h"

namespace kubelet::image {
namespace {

using kubelet::test::ReadText;
using kubelet::test::TempDir;
using kubelet::test::WriteText;
using Verdict = PullRecords::Verdict;

Credential SecretCredential(const std::string& name, const std::string& hash,
                            const std::string& uid = "u") {
  Credential out;
  out.hash = hash;
  out.source = {CredentialSource::Kind::kSecret, uid, "ns", name};
  return out;
}
Credential AccountCredential(const std::string& name) {
  Credential out;
  out.source = {CredentialSource::Kind::kServiceAccount, "sa-uid", "ns", name};
  return out;
}

struct PullRecordsBench {
  test::Loop loop;
  TempDir dir;
  std::unique_ptr<PullRecords> records;

  explicit PullRecordsBench(VerifyPolicy policy = VerifyPolicy::kNeverPreloaded) { Open(policy); }
  void Open(VerifyPolicy policy = VerifyPolicy::kNeverPreloaded) {
    VerifyOptions options;
    options.dir = dir.path();
    options.policy = policy;
    records = std::make_unique<PullRecords>(
        PullRecords::Deps{loop.io.get_executor(), loop.clock, loop.pool, nullptr}, options);
    loop.Await(records->Load());
  }
  std::string Path(const char* kind, const std::string& name) {
    return dir / (std::string(kind) + "/sha256-" + base::Sha256Hex(name));
  }
  void Pull(const std::string& image, const std::string& id, const Credential* credential) {
    REQUIRE(loop.Await(records->Intend(image)).ok());
    auto credentials = ToPullCredentials(credential);
    loop.Await(records->Pulled(image, id, credentials));
  }
  bool Allows(const std::string& image, const std::string& id, std::vector<Credential> with) {
    auto verdict = records->Check(image, id);
    if (verdict != Verdict::kAskCredentials) return verdict == Verdict::kUse;
    return loop.Await(records->CheckCredentials(image, id, std::move(with)));
  }
};

TEST_CASE(
    "files of a pull under way and of one that is done, byte for byte as upstream writes them") {
  PullRecordsBench bench;
  REQUIRE(bench.loop.Await(bench.records->Intend("a.example/app:1")).ok());
  CHECK(ReadText(bench.Path("pulling", "a.example/app:1")) ==
        "{\"kind\":\"ImagePullIntent\",\"apiVersion\":\"kubelet.config.k8s.io/"
        "v1beta1\",\"image\":\"a.example/app:1\"}\n");
  CHECK(kubelet::test::ModeOf(bench.dir / "pulling") == 0700);
  auto credential = SecretCredential("s", "h");
  auto credentials = ToPullCredentials(&credential);
  bench.loop.Await(bench.records->Pulled("a.example/app:1", "sha256:1", credentials));
  CHECK_FALSE(std::filesystem::exists(bench.Path("pulling", "a.example/app:1")));
  CHECK(ReadText(bench.Path("pulled", "sha256:1")) ==
        "{\"kind\":\"ImagePulledRecord\",\"apiVersion\":\"kubelet.config.k8s.io/"
        "v1beta1\",\"lastUpdatedTime\":"
        "\"2023-11-14T22:13:20Z\",\"imageRef\":\"sha256:1\",\"credentialMapping\":{\"a.example/"
        "app\":{"
        "\"kubernetesSecrets\":[{\"uid\":\"u\",\"namespace\":\"ns\",\"name\":\"s\","
        "\"credentialHash\":\"h\"}]}}}\n");
  bench.Pull("a.example/app:2", "sha256:2", nullptr);
  CHECK(ReadText(bench.Path("pulled", "sha256:2"))
            .find("{\"a.example/app\":{\"nodePodsAccessible\":true}}") != std::string::npos);
}

TEST_CASE("policies against images that we pulled and that were there before") {
  struct Row {
    VerifyPolicy policy;
    bool preloaded, pulled;  // must a credential be shown
  };
  auto row = GENERATE(
      Row{VerifyPolicy::kNever, false, false}, Row{VerifyPolicy::kNeverPreloaded, false, true},
      Row{VerifyPolicy::kAlways, true, true}, Row{VerifyPolicy::kNeverAllowlisted, true, true});
  VerifyOptions options;
  options.policy = row.policy;
  CHECK(MustVerify(options, "a.example/app:1", false) == row.preloaded);
  CHECK(MustVerify(options, "a.example/app:1", true) == row.pulled);
}

TEST_CASE("the list of images that are never verified") {
  VerifyOptions options;
  options.policy = VerifyPolicy::kNeverAllowlisted;
  options.allowlist = {"a.example/app", "b.example/team/*"};
  CHECK_FALSE(MustVerify(options, "a.example/app:1", true));
  CHECK_FALSE(MustVerify(options, "a.example/app@sha256:" + std::string(64, 'a'), true));
  CHECK(MustVerify(options, "a.example/app/more:1", true));
  CHECK_FALSE(MustVerify(options, "b.example/team/x", true));
  CHECK_FALSE(MustVerify(options, "b.example/team/x/y:2", true));
  CHECK(MustVerify(options, "b.example/teams/x", true));
}

TEST_CASE("an image pulled with a secret is for pods that show it") {
  PullRecordsBench bench;
  auto mine = SecretCredential("s", "h");
  CHECK(bench.Allows("a.example/app:1", "sha256:1", {}));  // preloaded
  bench.Pull("a.example/app:1", "sha256:1", &mine);
  CHECK_FALSE(bench.Allows("a.example/app:1", "sha256:1", {}));
  CHECK(bench.Allows("a.example/app:1", "sha256:1", {mine}));
  CHECK(bench.Allows("a.example/app:other", "sha256:1", {mine}));
  CHECK_FALSE(bench.Allows("a.example/copy:1", "sha256:1",
                           {mine}));  // another repository of the same image
  CHECK_FALSE(bench.Allows("a.example/app:1", "sha256:1", {SecretCredential("t", "other")}));
  CHECK(bench.Allows("a.example/app:1", "sha256:1",
                     {SecretCredential("t", "h")}));  // the same account
  CHECK(bench.Allows("a.example/app:1", "sha256:1",
                     {SecretCredential("s", "new")}));  // the same secret, rotated
  // Both are remembered, also by the next process.
  bench.Open();
  CHECK(bench.Allows("a.example/app:1", "sha256:1", {SecretCredential("t", "later")}));
  CHECK(bench.records->Find("sha256:1")
            ->credential_mapping()
            .at("a.example/app")
            .kubernetes_secrets_size() == 2);
}

TEST_CASE("service accounts match by all three of their coordinates") {
  PullRecordsBench bench;
  auto mine = AccountCredential("sa");
  bench.Pull("a.example/app:1", "sha256:1", &mine);
  CHECK(bench.Allows("a.example/app:1", "sha256:1", {mine}));
  CHECK_FALSE(bench.Allows("a.example/app:1", "sha256:1", {AccountCredential("other")}));
}

TEST_CASE("a pull without credentials opens the image to every pod, for good") {
  PullRecordsBench bench;
  auto mine = SecretCredential("s", "h");
  bench.Pull("a.example/app:1", "sha256:1", &mine);
  bench.Pull("a.example/app:1", "sha256:1", nullptr);
  CHECK(bench.Allows("a.example/app:1", "sha256:1", {}));
  bench.Pull("a.example/app:1", "sha256:1", &mine);
  CHECK(bench.Allows("a.example/app:1", "sha256:1", {}));
}

TEST_CASE("an image whose pull an earlier process began belongs to nobody known") {
  PullRecordsBench bench;
  REQUIRE(bench.loop.Await(bench.records->Intend("busybox:1")).ok());
  bench.Open();
  CHECK(bench.records->HasLeftovers());
  CHECK_FALSE(bench.Allows("busybox:1", "sha256:1", {}));
  runtime::Image image;
  image.id = "sha256:1";
  image.repo_tags = {"docker.io/library/busybox:1"};
  std::vector<runtime::Image> images = {image};
  bench.loop.Await(bench.records->Adopt(images));
  CHECK_FALSE(bench.records->HasLeftovers());
  CHECK_FALSE(std::filesystem::exists(bench.Path("pulling", "busybox:1")));
  CHECK(std::filesystem::exists(bench.Path("pulled", "sha256:1")));
  CHECK_FALSE(bench.Allows("busybox:1", "sha256:1", {}));
}

TEST_CASE("two pulls of one image: the intent stays until the last has ended") {
  PullRecordsBench bench;
  REQUIRE(bench.loop.Await(bench.records->Intend("a:1")).ok());
  REQUIRE(bench.loop.Await(bench.records->Intend("a:1")).ok());
  bench.loop.Await(bench.records->Failed("a:1"));
  CHECK(std::filesystem::exists(bench.Path("pulling", "a:1")));
  bench.loop.Await(bench.records->Failed("a:1"));
  CHECK_FALSE(std::filesystem::exists(bench.Path("pulling", "a:1")));
}

TEST_CASE(
    "records of the version before are read and written anew; what is no record opens nothing") {
  PullRecordsBench bench;
  WriteText(
      bench.Path("pulled", "sha256:1"),
      R"({"kind":"ImagePulledRecord","apiVersion":"kubelet.config.k8s.io/v1alpha1","lastUpdatedTime":null,)"
      R"("imageRef":"sha256:1","credentialMapping":{"a":{"nodePodsAccessible":true}}})");
  WriteText(bench.Path("pulled", "sha256:2"),
            R"({"kind":"ImagePulledRecord","apiVersion":"x/v9","imageRef":"2"})");
  WriteText(bench.dir / "pulled/README", "not ours");
  bench.Open();
  CHECK(bench.Allows("a:1", "sha256:1", {}));
  CHECK(ReadText(bench.Path("pulled", "sha256:1")).find("kubelet.config.k8s.io/v1beta1") !=
        std::string::npos);
  CHECK(bench.records->Check("b:1", "sha256:2") == Verdict::kPull);
}

TEST_CASE("a directory that cannot be read lets nobody in without a pull") {
  PullRecordsBench bench;
  VerifyOptions options;
  options.dir = bench.dir / "file";
  WriteText(options.dir, "in the way");
  PullRecords records({bench.loop.io.get_executor(), bench.loop.clock, bench.loop.pool, nullptr},
                      options);
  bench.loop.Await(records.Load());
  CHECK_FALSE(records.loaded());
  CHECK(records.Check("a:1", "sha256:1") == Verdict::kPull);
  CHECK_FALSE(bench.loop.Await(records.Intend("a:1")).ok());
}

TEST_CASE("records of removed images go, newer ones stay") {
  PullRecordsBench bench;
  bench.Pull("a:1", "sha256:1", nullptr);
  bench.Pull("b:1", "sha256:2", nullptr);
  bench.loop.clock.Advance(std::chrono::seconds(10));
  auto since = bench.loop.clock.Now();
  bench.Pull("c:1", "sha256:3", nullptr);
  std::set<std::string> left = {"sha256:2"};
  bench.loop.Await(bench.records->Prune(left, since));
  CHECK(bench.records->Find("sha256:1") == nullptr);
  CHECK_FALSE(std::filesystem::exists(bench.Path("pulled", "sha256:1")));
  CHECK(bench.records->Find("sha256:2") != nullptr);
  CHECK(bench.records->Find("sha256:3") != nullptr);
}

}  // namespace
}  // namespace kubelet::image
