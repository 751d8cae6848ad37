#include "volume/payload.h"

#include "catch.h"
#include "kubelet/api/codec.h"
#include "kubelet/base/status.h"

using namespace kubelet;
using namespace kubelet::volume;

namespace {

api::core::Pod PodOf(const std::string& spec) {
  api::core::Pod pod;
  auto status = api::DecodeYaml(
      "{metadata: {name: p, namespace: ns, uid: u1, labels: {b: 'two', a: \"o\\\"ne\"}}, spec: " +
          spec + "}",
      pod);
  INFO(status);
  REQUIRE(status.ok());
  return pod;
}

ObjectSet Objects() {
  auto map = std::make_shared<api::core::ConfigMap>();
  (*map->mutable_data())["k"] = "v";
  (*map->mutable_data())["other"] = "w";
  (*map->mutable_binary_data())["bin"] = std::string("\0\1", 2);
  auto secret = std::make_shared<api::core::Secret>();
  (*secret->mutable_data())["pw"] = "hush";
  ObjectSet set;
  set.config_maps["cm"] = map;
  set.secrets["s"] = secret;
  set.tokens[0] = "T0";
  return set;
}

absl::StatusOr<Payload> Make(const std::string& volume, const std::string& more = "containers: []") {
  auto pod = PodOf("{volumes: [" + volume + "], " + more + "}");
  return MakePayload(pod, pod.spec().volumes(0), Objects(), {2000, 1 << 30, 0});
}

}  // namespace

TEST_CASE("a configMap without items is all its keys") {
  auto payload = Make("{name: v, configMap: {name: cm, defaultMode: 0400}}");
  REQUIRE(payload.ok());
  CHECK(payload->size() == 3);
  CHECK((*payload)["k"] == PayloadFile{"v", 0400, {}});
  CHECK((*payload)["bin"].bytes == std::string("\0\1", 2));
}

TEST_CASE("items choose keys, paths and modes") {
  auto payload = Make("{name: v, secret: {secretName: s, items: [{key: pw, path: a/b, mode: 256}]}}");
  REQUIRE(payload.ok());
  CHECK(*payload == Payload{{"a/b", {"hush", 0400, {}}}});
}

TEST_CASE("a key that is missing fails, unless it is optional") {
  std::string items = "items: [{key: none, path: x}, {key: k, path: z}]";
  auto strict = Make("{name: v, configMap: {name: cm, " + items + "}}");
  CHECK(base::Message(strict.status()) == "references non-existent config key: none");
  auto lenient = Make("{name: v, configMap: {name: cm, optional: true, " + items + "}}");
  REQUIRE(lenient.ok());
  CHECK(lenient->size() == 1);
}

TEST_CASE("paths stay inside the volume") {
  for (const char* path : {"../x", "/etc/passwd", "a/../../b", "..data", "a//b"}) {
    INFO(path);
    auto payload = Make(std::string("{name: v, configMap: {name: cm, items: [{key: k, path: '") +
                        path + "'}]}}");
    CHECK(absl::IsInvalidArgument(payload.status()));
  }
}

TEST_CASE("downward fields are what the pod says of itself") {
  auto payload = Make(
      "{name: v, downwardAPI: {items: ["
      "{path: labels, fieldRef: {fieldPath: metadata.labels}},"
      "{path: b, fieldRef: {fieldPath: \"metadata.labels['b']\"}},"
      "{path: cpu, resourceFieldRef: {containerName: c, resource: limits.cpu, divisor: 1m}},"
      "{path: mem, resourceFieldRef: {containerName: c, resource: limits.memory, divisor: 1Mi}},"
      "{path: req, resourceFieldRef: {containerName: c, resource: requests.cpu}}]}}",
      "containers: [{name: c, resources: {limits: {cpu: 1500m}, requests: {cpu: 1200m}}}]");
  INFO(payload.status());
  REQUIRE(payload.ok());
  CHECK((*payload)["labels"].bytes == "a=\"o\\\"ne\"\nb=\"two\"");
  CHECK((*payload)["b"].bytes == "two");
  CHECK((*payload)["cpu"].bytes == "1500");
  CHECK((*payload)["mem"].bytes == "1024");  // no limit: what the node has
  CHECK((*payload)["req"].bytes == "2");     // rounded up
}

TEST_CASE("a projected volume joins its sources") {
  std::string volume =
      "{name: v, projected: {defaultMode: 0640, sources: ["
      "{serviceAccountToken: {path: token, expirationSeconds: 600}},"
      "{configMap: {name: cm, items: [{key: k, path: ca.crt}]}},"
      "{downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}}]}}";
  auto payload = Make(volume);
  REQUIRE(payload.ok());
  CHECK((*payload)["token"] == PayloadFile{"T0", 0640, {}});
  CHECK((*payload)["ca.crt"].bytes == "v");
  CHECK((*payload)["namespace"].bytes == "ns");
  auto one_user = Make(volume, "containers: [{name: c, securityContext: {runAsUser: 7}}]");
  REQUIRE(one_user.ok());
  CHECK((*one_user)["token"] == PayloadFile{"T0", 0600, 7});
  auto two_users = Make(volume,
                        "containers: [{name: c, securityContext: {runAsUser: 7}}, {name: d}]");
  REQUIRE(two_users.ok());
  CHECK((*two_users)["token"].mode == 0640);
}

TEST_CASE("a source of no known kind says so with its place") {
  auto payload = Make("{name: v, projected: {sources: [{}]}}");
  CHECK(base::Message(payload.status()) ==
        "projected.sources[0]: no kind of source that is known here");
}

TEST_CASE("bundles and certificates are for the pod's user alone, where there is one") {
  const std::string volume =
      "{name: v, projected: {defaultMode: 0440, sources: [{clusterTrustBundle: {name: b, path: "
      "ca.pem}}, {podCertificate: {credentialBundlePath: both, keyPath: k/key, "
      "certificateChainPath: chain}}, {podCertificate: {credentialBundlePath: other}}]}}";
  auto make = [&](const std::string& more) {
    auto pod = PodOf("{volumes: [" + volume + "], " + more + "}");
    ObjectSet objects;
    objects.anchors[0] = "ANCHORS";
    objects.certificates[1] = PodCertificate{"KEY", "CHAIN"};
    objects.certificates[2] = PodCertificate{"K2", "C2"};
    return MakePayload(pod, pod.spec().volumes(0), objects, {});
  };
  auto payload = make("containers: [{name: c}]");
  REQUIRE(payload.ok());
  CHECK(*payload == Payload{{"ca.pem", {"ANCHORS", 0440, {}}},
                            {"both", {"KEYCHAIN", 0440, {}}},
                            {"k/key", {"KEY", 0440, {}}},
                            {"chain", {"CHAIN", 0440, {}}},
                            {"other", {"K2C2", 0440, {}}}});
  payload = make("securityContext: {runAsUser: 7}, containers: [{name: c}]");
  REQUIRE(payload.ok());
  CHECK(payload->at("ca.pem") == PayloadFile{"ANCHORS", 0600, 7});
  CHECK(payload->at("k/key") == PayloadFile{"KEY", 0600, 7});
  payload = make("securityContext: {fsGroup: 9}, containers: [{name: c}]");
  REQUIRE(payload.ok());
  CHECK(payload->at("chain") == PayloadFile{"CHAIN", 0600, {}});
}
