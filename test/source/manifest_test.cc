#include "kubelet/source/manifest.h"

#include "catch.h"
#include "kubelet/api/pod.h"

namespace kubelet::source {
namespace {

Origin FileOrigin(const std::string& path = "/m/web.yaml") {
  Origin origin;
  origin.location = path;
  origin.node_name = "node-1";
  origin.seen = base::WallFromUnixNanos(1'700'000'000'123'000'000);
  return origin;
}

Origin UrlOrigin() {
  Origin origin = FileOrigin("http://x/pods");
  origin.kind = Origin::Kind::kHttp;
  return origin;
}

constexpr char kWeb[] = R"(apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
  - name: c
    image: nginx:1.25
)";

bool Mentions(const std::vector<std::string>& texts, const std::string& what) {
  for (const auto& text : texts) {
    if (text.find(what) != std::string::npos) return true;
  }
  return false;
}

TEST_CASE("a manifest becomes a named, placed and identified pod") {
  Judged judged = JudgeManifest(kWeb, FileOrigin());
  CHECK(judged.errors == std::vector<std::string>{});
  CHECK(judged.warnings == std::vector<std::string>{});
  REQUIRE(judged.pod);
  const auto& pod = *judged.pod;
  CHECK(pod.metadata().name() == "web-node-1");
  CHECK(pod.metadata().namespace_() == "default");
  CHECK(judged.name == "default/web-node-1");
  CHECK(pod.spec().node_name() == "node-1");
  CHECK(pod.metadata().uid().size() == 32);
  CHECK(pod.metadata().uid().find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(api::Annotation(pod, api::kConfigHash) == pod.metadata().uid());
  CHECK(api::Annotation(pod, api::kConfigSource) == "file");
  CHECK(api::Annotation(pod, api::kConfigSeen) == "2023-11-14T22:13:20.123000000Z");
  CHECK(pod.status().phase() == "Pending");
  REQUIRE(pod.spec().tolerations_size() == 1);
  CHECK(pod.spec().tolerations(0).operator_() == "Exists");
  CHECK(pod.spec().tolerations(0).effect() == "NoExecute");
  // API defaults ran.
  CHECK(pod.spec().restart_policy() == "Always");
  CHECK(pod.spec().termination_grace_period_seconds() == 30);
  CHECK(api::IsStatic(pod));
}

TEST_CASE("the uid is a function of meaning, path and node") {
  std::string uid = JudgeManifest(kWeb, FileOrigin()).pod->metadata().uid();
  SECTION("comments, key order, YAML or JSON do not matter") {
    std::string other =
        "# hello\nkind: Pod\napiVersion: v1\nspec:\n  containers:\n  - {image: 'nginx:1.25', name: "
        "c}\n"
        "metadata: {name: web}\n";
    CHECK(JudgeManifest(other, FileOrigin()).pod->metadata().uid() == uid);
    std::string json = R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},
      "spec":{"containers":[{"name":"c","image":"nginx:1.25"}]}})";
    CHECK(JudgeManifest(json, FileOrigin()).pod->metadata().uid() == uid);
  }
  SECTION("content, path and node do") {
    std::string image = kWeb;
    image.replace(image.find("1.25"), 4, "1.26");
    CHECK(JudgeManifest(image, FileOrigin()).pod->metadata().uid() != uid);
    CHECK(JudgeManifest(kWeb, FileOrigin("/m/other.yaml")).pod->metadata().uid() != uid);
    Origin node = FileOrigin();
    node.node_name = "node-2";
    CHECK(JudgeManifest(kWeb, node).pod->metadata().uid() != uid);
    Origin later = FileOrigin();
    later.seen += std::chrono::hours(1);
    CHECK(JudgeManifest(kWeb, later).pod->metadata().uid() == uid);
  }
  SECTION("a uid in the manifest is kept") {
    std::string fixed = kWeb;
    fixed.insert(fixed.find("spec:"), "  uid: abc-1\n");
    auto pod = JudgeManifest(fixed, FileOrigin()).pod;
    REQUIRE(pod);
    CHECK(pod->metadata().uid() == "abc-1");
    CHECK(api::Annotation(*pod, api::kConfigHash) == "abc-1");
  }
  SECTION("from a URL it does not depend on the node, and there is no toleration") {
    Origin a = UrlOrigin(), b = UrlOrigin();
    b.node_name = "node-2";
    auto pod = JudgeManifest(kWeb, a).pod;
    CHECK(pod->metadata().uid() == JudgeManifest(kWeb, b).pod->metadata().uid());
    CHECK(pod->spec().tolerations_size() == 0);
    CHECK(api::Annotation(*pod, api::kConfigSource) == "http");
  }
}

TEST_CASE("an own NoExecute toleration is widened, not doubled") {
  std::string text = kWeb;
  text +=
      "  tolerations:\n  - {operator: Exists, effect: NoExecute, tolerationSeconds: 5}\n"
      "  - {key: a, operator: Exists, effect: NoExecute}\n";
  auto pod = JudgeManifest(text, FileOrigin()).pod;
  REQUIRE(pod);
  REQUIRE(pod->spec().tolerations_size() == 2);
  CHECK_FALSE(pod->spec().tolerations(0).has_toleration_seconds());
}

TEST_CASE("bad manifests are refused with file, pod and field") {
  struct Case {
    std::string what, text, error;
  };
  std::string web = kWeb;
  auto with = [&](const std::string& from, const std::string& to) {
    std::string text = web;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  const Case cases[] = {
      {"empty", "", "empty"},
      {"blank", " \n\t\n", "empty"},
      {"only a comment", "# nothing\n", "empty"},
      {"half a document", web.substr(0, web.find("containers:")), "spec.containers"},
      {"no kind", with("kind: Pod\n", ""), "kind: Required value"},
      {"no apiVersion", with("apiVersion: v1\n", ""), "apiVersion: Required value"},
      {"a list", "apiVersion: v1\nkind: PodList\nitems: []\n", "kind: Invalid value: \"PodList\""},
      {"another version", with("apiVersion: v1", "apiVersion: v2"),
       "apiVersion: Invalid value: \"v2\""},
      {"no name", with("  name: web", "  labels: {}"), "metadata.name: Required value"},
      {"a key twice", with("  name: web", "  name: web\n  name: web2"), "name"},
      {"a key twice in JSON",
       R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","name":"b"},"spec":{"containers":[{"name":"c","image":"i"}]}})",
       "name"},
      {"a wrong type", with("image: nginx:1.25", "image: {a: b}"), "spec.containers[0].image"},
      {"no image", with("    image: nginx:1.25\n", ""), "spec.containers[0].image: Required value"},
      {"broken YAML", with("metadata:", "metadata: [\n"), ""},
      {"a secret", web + "  imagePullSecrets: [{name: s}]\n",
       "static pods may not reference secrets"},
      {"a config map", web + "  volumes: [{name: v, configMap: {name: m}}]\n",
       "static pods may not reference configmaps"},
      {"too long", web + "#" + std::string(kMaxManifest, 'x'), "longer than 10485760 bytes"},
  };
  for (const auto& c : cases) {
    INFO(c.what);
    Judged judged = JudgeManifest(c.text, FileOrigin());
    CHECK_FALSE(judged.pod);
    CHECK_FALSE(judged.errors.empty());
    std::string all;
    for (const auto& error : judged.errors) all += error + "\n";
    INFO(all);
    CHECK(Mentions(judged.errors, c.error));
    auto status = DecodeManifest(c.text, FileOrigin()).status();
    CHECK(absl::IsInvalidArgument(status));
    CHECK(std::string(status.message()).find("file /m/web.yaml:") == 0);
  }
  auto status = DecodeManifest(with("    image: nginx:1.25\n", ""), FileOrigin()).status();
  CHECK(std::string(status.message()) ==
        "file /m/web.yaml: pod default/web-node-1: spec.containers[0].image: Required value");
}

TEST_CASE("what cannot be decoded is still named when it says its name") {
  CHECK(JudgeManifest("apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: b}\nspec: 5\n",
                      FileOrigin())
            .name == "b/a-node-1");
}

TEST_CASE("unknown fields and further documents are accepted with a warning") {
  std::string text = kWeb;
  text.insert(text.find("    image"), "    imagee: x\n");
  text += "---\nkind: Pod\n";
  Judged judged = JudgeManifest(text, FileOrigin());
  CHECK(judged.pod);
  CHECK(Mentions(judged.warnings, "spec.containers[0].imagee"));
  CHECK(Mentions(judged.warnings, "2 YAML documents"));
  CHECK(JudgeManifest(std::string("---\n") + kWeb + "---\n# end\n...\n", FileOrigin())
            .warnings.empty());
}

TEST_CASE("without the gate only resource claims and trust bundles are refused") {
  Origin origin = FileOrigin();
  origin.references = References::kAllowed;
  std::string web = kWeb;
  CHECK(JudgeManifest(web + "  imagePullSecrets: [{name: s}]\n", origin).pod);
  Judged claims =
      JudgeManifest(web + "  resourceClaims: [{name: c, resourceClaimName: d}]\n", origin);
  CHECK_FALSE(claims.pod);
  CHECK(Mentions(claims.errors, "resourceclaims"));
  Judged bundle = JudgeManifest(web +
                                    "  volumes: [{name: v, projected: {sources: "
                                    "[{clusterTrustBundle: {name: b, path: p}}]}}]\n",
                                origin);
  CHECK_FALSE(bundle.pod);
  CHECK(Mentions(bundle.errors, "clustertrustbundles"));
}

TEST_CASE("a URL may give one pod or a list, judged item by item") {
  CHECK(JudgeManifests(kWeb, UrlOrigin()).size() == 1);
  CHECK(JudgeManifests("apiVersion: v1\nkind: PodList\nitems: []\n", UrlOrigin()).empty());
  CHECK(
      JudgeManifests(R"({"apiVersion":"v1","kind":"PodList","items":null})", UrlOrigin()).empty());
  std::string list = R"(apiVersion: v1
kind: PodList
items:
- metadata: {name: a}
  spec: {containers: [{name: c, image: i}]}
- metadata: {name: b}
  spec: {containers: 7}
- apiVersion: v1
  kind: Pod
  metadata: {name: "c"}
  spec: {containers: [{name: c, image: "}]"}]}
)";
  auto judged = JudgeManifests(list, UrlOrigin());
  REQUIRE(judged.size() == 3);
  CHECK(judged[0].pod);
  CHECK_FALSE(judged[1].pod);
  CHECK(judged[1].name == "default/b-node-1");
  CHECK(Mentions(judged[1].errors, "items[1]."));
  CHECK(judged[2].name == "default/c-node-1");
  for (std::string bad :
       {"", "{", "x", "apiVersion: v1\nkind: PodList\nitems: 3\n", "kind: PodList\nitems: []\n"}) {
    INFO(bad);
    auto entries = JudgeManifests(bad, UrlOrigin());
    REQUIRE(entries.size() == 1);
    CHECK_FALSE(entries[0].pod);
    CHECK_FALSE(entries[0].errors.empty());
  }
}

}  // namespace
}  // namespace kubelet::source
