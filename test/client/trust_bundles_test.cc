#include "kubelet/client/trust_bundles.h"

#include "client/loop.h"
#include "client/pem.h"
#include "k8s/certificates/v1alpha1/certificates.pb.h"
#include "kubelet/api/codec.h"
#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

namespace beta = ::k8s::io::api::certificates::v1beta1;
namespace alpha = ::k8s::io::api::certificates::v1alpha1;
using Source = api::core::ClusterTrustBundleProjection;
using namespace std::chrono_literals;

const std::string kA = PemText("CERTIFICATE", "first"), kB = PemText("CERTIFICATE", "second");

template <typename Bundle>
Bundle Make(const std::string& name, const std::string& signer, const std::string& text,
            const std::string& label = "") {
  Bundle bundle;
  bundle.mutable_metadata()->set_name(name);
  if (!label.empty()) (*bundle.mutable_metadata()->mutable_labels())["env"] = label;
  bundle.mutable_spec()->set_signer_name(signer);
  bundle.mutable_spec()->set_trust_bundle(text);
  return bundle;
}

Source SourceOf(const std::string& yaml) {
  Source source;
  REQUIRE(api::DecodeYaml(yaml, source).ok());
  return source;
}

struct TrustBundlesFixture : test::ApiLoop {
  std::vector<std::string> changes;
  TrustBundles bundles{Reflector::Deps{io.get_executor(), clock, api, nullptr, [] { return 0.5; }},
                       [this](const std::string& uid) { changes.push_back(uid); }};
  ObjectPath where{Resource{"certificates.k8s.io", "v1beta1", "clustertrustbundles", false}, "", "",
                   ""};

  std::string Get(const std::string& source, const std::string& uid = "u1") {
    auto got = Await(bundles.Get(uid, SourceOf(source)));
    return got.ok() ? *got : "! " + base::Message(got.status());
  }
};

TEST_CASE("PEM blocks: text around them, headers and damage are passed over") {
  CHECK(PemBlocks("hello\n" + kA + "between\n" + kB) ==
        std::vector<std::string>{"first", "second"});
  CHECK(PemBlocks("-----BEGIN X-----\nName: value\n\nZmlyc3Q=\n-----END X-----\n") ==
        std::vector<std::string>{"first"});
  CHECK(PemBlocks("-----BEGIN X-----\n***\n-----END X-----\n" + kA) ==
        std::vector<std::string>{"first"});
  CHECK(PemBlocks("-----BEGIN X-----\nZmlyc3Q=\n") == std::vector<std::string>{});
  std::string lines = PemText("T", std::string(49, 'a'));
  CHECK(lines.find("\n", 16) <= 16 + 65);
  CHECK(PemBlocks(lines) == std::vector<std::string>{std::string(49, 'a')});
}

TEST_CASE("anchors are normal, each once, in an order that the seed decides alone") {
  std::string once = NormalizeAnchors({"x\n" + kA + kB, kB + kA}, 1);
  CHECK(PemBlocks(once).size() == 2);
  CHECK(once == NormalizeAnchors({kB, kA}, 1));
  CHECK(once.size() == kA.size() + kB.size());
  bool other = false;
  for (uint64_t seed = 2; seed < 40; ++seed)
    other = other || NormalizeAnchors({kA, kB}, seed) != once;
  CHECK(other);
}

TEST_CASE("label selectors") {
  google::protobuf::Map<std::string, std::string> labels;
  labels["env"] = "prod";
  const std::pair<const char*, bool> cases[] = {
      {"{}", true},
      {"{matchLabels: {env: prod}}", true},
      {"{matchLabels: {env: test}}", false},
      {"{matchLabels: {zone: a}}", false},
      {"{matchExpressions: [{key: env, operator: In, values: [a, prod]}]}", true},
      {"{matchExpressions: [{key: env, operator: NotIn, values: [prod]}]}", false},
      {"{matchExpressions: [{key: zone, operator: NotIn, values: [a]}]}", true},
      {"{matchExpressions: [{key: env, operator: Exists}]}", true},
      {"{matchExpressions: [{key: zone, operator: DoesNotExist}]}", true}};
  for (const auto& [text, takes] : cases) {
    api::meta::LabelSelector selector;
    REQUIRE(api::DecodeYaml(text, selector).ok());
    INFO(text);
    CHECK(*Matches(selector, labels) == takes);
  }
  api::meta::LabelSelector bad;
  REQUIRE(api::DecodeYaml("{matchExpressions: [{key: env, operator: Like}]}", bad).ok());
  CHECK(absl::IsInvalidArgument(Matches(bad, labels).status()));
}

TEST_CASE("a bundle by name, optional or not") {
  TrustBundlesFixture f;
  CHECK(f.Get("{name: ca, path: x}") ==
        "! while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io \"ca\" not "
        "found");
  CHECK(f.Get("{name: ca, path: x, optional: true}") == "");
  f.api.Put(f.where, Make<beta::ClusterTrustBundle>("ca", "", kA + kA));
  f.Run();
  CHECK(f.Get("{name: ca, path: x}") == kA);
  CHECK(f.Get("{path: x}") ==
        "! ClusterTrustBundle projection requires either name or signerName to be set");
}

TEST_CASE("bundles of a signer by their labels: no selector takes none, an empty one all") {
  TrustBundlesFixture f;
  f.api.Put(f.where, Make<beta::ClusterTrustBundle>("s:a", "example.com/s", kA, "prod"));
  f.api.Put(f.where, Make<beta::ClusterTrustBundle>("s:b", "example.com/s", kB, "test"));
  f.api.Put(f.where, Make<beta::ClusterTrustBundle>("t:c", "example.com/t",
                                                    PemText("CERTIFICATE", "third"), "prod"));
  CHECK(PemBlocks(f.Get("{signerName: example.com/s, labelSelector: {}, path: x}")).size() == 2);
  CHECK(f.Get("{signerName: example.com/s, labelSelector: {matchLabels: {env: prod}}, path: x}") ==
        kA);
  CHECK(f.Get("{signerName: example.com/s, path: x}") ==
        "! combination of signerName and labelSelector matched zero ClusterTrustBundles");
  CHECK(f.Get("{signerName: example.com/none, labelSelector: {}, path: x, optional: true}") == "");
}

TEST_CASE("who shows a bundle is told of its changes; the last one that goes ends the watch") {
  TrustBundlesFixture f;
  CHECK(f.api.open_watches("clustertrustbundles") == 0);
  f.api.Put(f.where, Make<beta::ClusterTrustBundle>("ca", "", kA));
  f.Get("{name: ca, path: x}", "u1");
  f.Get("{signerName: example.com/s, labelSelector: {}, path: x, optional: true}", "u2");
  CHECK(f.api.open_watches("clustertrustbundles") == 1);
  CHECK(f.changes.empty());
  f.api.Put(f.where, Make<beta::ClusterTrustBundle>("ca", "", kB));
  f.Run();
  CHECK(f.changes == std::vector<std::string>{"u1"});
  CHECK(f.Get("{name: ca, path: x}", "u1") == kB);
  f.changes.clear();
  f.api.Put(f.where, Make<beta::ClusterTrustBundle>("s:1", "example.com/s", kA));
  f.Run();
  CHECK(f.changes == std::vector<std::string>{"u2"});
  f.changes.clear();
  ObjectPath one = f.where;
  one.name = "s:1";
  CHECK(f.api.Remove(one).ok());
  f.Run();
  CHECK(f.changes == std::vector<std::string>{"u2"});
  f.bundles.ForgetPod("u1");
  CHECK(f.api.open_watches("clustertrustbundles") == 1);
  f.bundles.ForgetPod("u2");
  f.Run();
  CHECK(f.api.open_watches("clustertrustbundles") == 0);
}

TEST_CASE("an older server has v1alpha1, another none at all") {
  TrustBundlesFixture f;
  bool has_alpha = true;
  f.api.set_handler(
      [&](const Call& call, google::protobuf::Message*) -> std::optional<absl::Status> {
        bool missing = std::string(call.path.resource.version) == "v1beta1" || !has_alpha;
        if (!missing) return std::nullopt;
        return ToStatus(ApiError{404, "NotFound", "the server could not find the resource", {}});
      });
  has_alpha = false;
  CHECK(f.Get("{name: ca, path: x}") ==
        "! the API server has no clustertrustbundles.certificates.k8s.io");
  has_alpha = true;
  f.where.resource.version = "v1alpha1";
  f.api.Put(f.where, Make<alpha::ClusterTrustBundle>("ca", "", kA));
  CHECK(f.Get("{name: ca, path: x}") == kA);
}

TEST_CASE("a server that is away is asked again later") {
  TrustBundlesFixture f;
  f.api.Down();
  auto got = f.Await(f.bundles.Get("u1", SourceOf("{name: ca, path: x, optional: true}")));
  CHECK(absl::IsUnavailable(got.status()));
}

}  // namespace
}  // namespace kubelet::client
