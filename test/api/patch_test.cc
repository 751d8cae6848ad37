// Strategic merge patches against upstream's behaviour, and what applying them leaves.
#include "kubelet/api/patch.h"

#include <iostream>

#include "api/golden.h"
#include "api/json_value.h"
#include "api/mutator.h"
#include "catch.h"
#include "k8s/core/v1/node.pb.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/types.h"
#include "kubelet/base/status.h"

namespace kubelet::api {
namespace {

using test::ParseValue;

core::Pod Pod(const std::string& json) {
  core::Pod pod;
  absl::Status status = DecodeJson(json, pod, {.strict = true});
  if (!status.ok()) throw std::runtime_error(base::Message(status));
  return pod;
}

boost::json::value Diff(const std::string& from, const std::string& to) {
  auto patch = StrategicMergeDiff(Pod(from), Pod(to));
  if (!patch.ok()) throw std::runtime_error(base::Message(patch.status()));
  return ParseValue(*patch);
}

// The part of the pod's JSON that tests speak of.
boost::json::value Applied(const std::string& object, const std::string& patch,
                           const char* pointer) {
  core::Pod pod = Pod(object);
  absl::Status status = ApplyStrategicMerge(patch, pod);
  if (!status.ok()) throw std::runtime_error(base::Message(status));
  return ParseValue(EncodeJson(pod)).at_pointer(pointer);
}

TEST_CASE("equal objects differ by an empty patch", "[patch]") {
  std::string json =
      R"({"metadata":{"name":"a"},"spec":{"containers":[{"name":"c","image":"i"}]}})";
  CHECK(*StrategicMergeDiff(Pod(json), Pod(json)) == "{}");
}

TEST_CASE("a diff holds what changed, in upstream's form", "[patch]") {
  struct Case {
    const char* what;
    const char* from;
    const char* to;
    const char* patch;
  };
  auto row = GENERATE(values<Case>(
      {{"maps: changed, added, gone", R"({"metadata":{"labels":{"a":"1","b":"2"}}})",
        R"({"metadata":{"labels":{"a":"3","c":"4"}}})",
        R"({"metadata":{"labels":{"a":"3","c":"4","b":null}}})"},
       {"a whole map gone", R"({"metadata":{"labels":{"a":"1"}}})", R"({"metadata":{}})",
        R"({"metadata":{"labels":null}})"},
       {"merge list: changed item carries its key and the order of all",
        R"({"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"1"}]}})",
        R"({"spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"2"}]}})",
        R"({"spec":{"$setElementOrder/containers":[{"name":"a"},{"name":"b"}],
            "containers":[{"name":"b","image":"2"}]}})"},
       {"merge list: items in the new order, deletions last",
        R"({"spec":{"containers":[{"name":"z","image":"1"},{"name":"b","image":"1"},{"name":"a","image":"1"}]}})",
        R"({"spec":{"containers":[{"name":"n","image":"1"},{"name":"b","image":"2"}]}})",
        R"({"spec":{"$setElementOrder/containers":[{"name":"n"},{"name":"b"}],
            "containers":[{"name":"n","image":"1","resources":{}},{"name":"b","image":"2"},
                          {"$patch":"delete","name":"a"},{"$patch":"delete","name":"z"}]}})"},
       {"merge list: only the order changed",
        R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
        R"({"spec":{"containers":[{"name":"b"},{"name":"a"}]}})",
        R"({"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}]}})"},
       {"merge list: from nothing it is just there", R"({"status":{}})",
        R"({"status":{"conditions":[{"type":"Ready","status":"True"}]}})",
        R"({"status":{"conditions":[{"type":"Ready","status":"True","lastProbeTime":null,"lastTransitionTime":null}]}})"},
       {"list without a strategy is replaced whole",
        R"({"spec":{"tolerations":[{"key":"a"},{"key":"b"}]}})",
        R"({"spec":{"tolerations":[{"key":"b"}]}})", R"({"spec":{"tolerations":[{"key":"b"}]}})"},
       {"scalars: added and taken out", R"({"metadata":{"finalizers":["b","a","c"]}})",
        R"({"metadata":{"finalizers":["c","n"]}})",
        R"({"metadata":{"finalizers":["n"],"$deleteFromPrimitiveList/finalizers":["a","b"],
            "$setElementOrder/finalizers":["c","n"]}})"},
       {"retainKeys names what stays",
        R"({"spec":{"volumes":[{"name":"v","emptyDir":{}}],"containers":null}})",
        R"({"spec":{"volumes":[{"name":"v","hostPath":{"path":"/x"}}],"containers":null}})",
        R"({"spec":{"$setElementOrder/volumes":[{"name":"v"}],
            "volumes":[{"name":"v","emptyDir":null,"hostPath":{"path":"/x"},"$retainKeys":["hostPath","name"]}]}})"},
       {"numbers as keys",
        R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80},{"containerPort":81}]}]}})",
        R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80,"name":"n"}]}]}})",
        R"({"spec":{"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"a",
            "$setElementOrder/ports":[{"containerPort":80}],
            "ports":[{"containerPort":80,"name":"n"},{"$patch":"delete","containerPort":81}]}]}})"}}));
  INFO(row.what);
  CHECK(Diff(row.from, row.to) == ParseValue(row.patch));
}

TEST_CASE("addresses of one type are replaced together", "[patch]") {
  core::Node from;
  auto add = [](core::Node& node, const char* type, const char* address) {
    auto* entry = node.mutable_status()->add_addresses();
    entry->set_type(type);
    entry->set_address(address);
  };
  add(from, "InternalIP", "10.0.0.1");
  add(from, "Hostname", "n");
  core::Node to = from;
  CHECK(*StrategicMergeDiff(from, to) == "{}");
  to.mutable_status()->clear_addresses();
  add(to, "InternalIP", "10.0.0.1");
  add(to, "InternalIP", "fd00::1");
  add(to, "Hostname", "n");
  std::string patch = *StrategicMergeDiff(from, to);
  CHECK(ParseValue(patch) ==
        ParseValue(R"({"status":{"addresses":[{"type":"InternalIP","address":"10.0.0.1"},
      {"type":"InternalIP","address":"fd00::1"},{"type":"Hostname","address":"n"},{"$patch":"replace"}]}})"));
  REQUIRE(ApplyStrategicMerge(patch, from).ok());
  CHECK(EncodeJson(from) == EncodeJson(to));
  CHECK(*StrategicMergeDiff(from, to) == "{}");
}

TEST_CASE("no diff between kinds, nor without a merge key", "[patch]") {
  CHECK(StrategicMergeDiff(core::Pod(), core::Node()).status().code() ==
        absl::StatusCode::kInvalidArgument);
  core::Pod from;
  from.mutable_spec()->add_image_pull_secrets();
  core::Pod to;
  to.mutable_spec()->add_image_pull_secrets()->set_name("s");
  absl::Status status = StrategicMergeDiff(from, to).status();
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  CHECK(base::Message(status) == "spec: imagePullSecrets: an item has no merge key name");
}

const char kPod[] = R"({"metadata":{"name":"p","labels":{"a":"1"},"finalizers":["x","y"]},
  "spec":{"containers":[{"name":"a","image":"1"},{"name":"b","image":"1"}],
          "volumes":[{"name":"v","emptyDir":{}}],"tolerations":[{"key":"k"}]}})";

// Results as kubectl 1.36 computes them (kubectl patch --local).
TEST_CASE("a strategic merge patch does what upstream's does", "[patch]") {
  struct Case {
    const char* what;
    const char* patch;
    const char* pointer;
    const char* result;
  };
  auto row = GENERATE(values<Case>(
      {{"maps merge", R"({"metadata":{"labels":{"b":"2"}}})", "/metadata/labels",
        R"({"a":"1","b":"2"})"},
       {"null deletes", R"({"metadata":{"labels":{"a":null,"b":"2"}}})", "/metadata/labels",
        R"({"b":"2"})"},
       {"a map is replaced", R"({"metadata":{"labels":{"$patch":"replace","b":"2"}}})",
        "/metadata/labels", R"({"b":"2"})"},
       {"a new item comes first", R"({"spec":{"containers":[{"name":"n","image":"2"}]}})",
        "/spec/containers",
        R"([{"name":"n","image":"2","resources":{}},{"name":"a","image":"1","resources":{}},
            {"name":"b","image":"1","resources":{}}])"},
       {"items merge in place", R"({"spec":{"containers":[{"name":"b","image":"2"}]}})",
        "/spec/containers",
        R"([{"name":"a","image":"1","resources":{}},{"name":"b","image":"2","resources":{}}])"},
       {"an item is deleted", R"({"spec":{"containers":[{"name":"a","$patch":"delete"}]}})",
        "/spec/containers", R"([{"name":"b","image":"1","resources":{}}])"},
       {"a list is replaced", R"({"spec":{"containers":[{"$patch":"replace"},{"name":"n"}]}})",
        "/spec/containers", R"([{"name":"n","resources":{}}])"},
       {"wanted order", R"({"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}]}})",
        "/spec/containers",
        R"([{"name":"b","image":"1","resources":{}},{"name":"a","image":"1","resources":{}}])"},
       {"order that does not know an item",
        R"({"spec":{"$setElementOrder/containers":[{"name":"n"},{"name":"b"}],"containers":[{"name":"n"}]}})",
        "/spec/containers",
        R"([{"name":"n","resources":{}},{"name":"a","image":"1","resources":{}},
            {"name":"b","image":"1","resources":{}}])"},
       {"scalars",
        R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["x"],"finalizers":["z"]}})",
        "/metadata/finalizers", R"(["z","y"])"},
       {"retainKeys clears the rest",
        R"({"spec":{"volumes":[{"name":"v","$retainKeys":["name","hostPath"],"hostPath":{"path":"/x"}}]}})",
        "/spec/volumes", R"([{"name":"v","hostPath":{"path":"/x"}}])"},
       {"no strategy: the new list", R"({"spec":{"tolerations":[{"key":"m"}]}})",
        "/spec/tolerations", R"([{"key":"m"}])"},
       {"nulls in what is new do nothing",
        R"({"spec":{"securityContext":{"runAsUser":5,"runAsGroup":null}}})",
        "/spec/securityContext", R"({"runAsUser":5})"}}));
  INFO(row.what);
  CHECK(Applied(kPod, row.patch, row.pointer) == ParseValue(row.result));
}

TEST_CASE("a bad strategic merge patch leaves the object alone", "[patch]") {
  struct Case {
    const char* patch;
    absl::StatusCode code;
  };
  auto row = GENERATE(values<Case>({
      {"{", absl::StatusCode::kInvalidArgument},
      {"[]", absl::StatusCode::kInvalidArgument},
      {R"({"metadata":{"labels":{"$patch":"what"}}})", absl::StatusCode::kInvalidArgument},
      {R"({"metadata":{"name":{}}})", absl::StatusCode::kInvalidArgument},
      {R"({"metadata":{"$setElementOrder/finalizers":"x"}})", absl::StatusCode::kInvalidArgument},
      {R"({"spec":{"volumes":[{"name":"v","$retainKeys":["name"],"emptyDir":{}}]}})",
       absl::StatusCode::kInvalidArgument},
      {R"({"spec":{"containers":[{"image":"x"}]}})", absl::StatusCode::kFailedPrecondition},
      {R"({"spec":{"containers":["a"]}})", absl::StatusCode::kFailedPrecondition},
      {R"({"spec":{"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"b","image":"2"}]}})",
       absl::StatusCode::kFailedPrecondition},
  }));
  INFO(row.patch);
  core::Pod pod = Pod(kPod);
  CHECK(ApplyStrategicMerge(row.patch, pod).code() == row.code);
  CHECK(EncodeJson(pod) == EncodeJson(Pod(kPod)));
}

TEST_CASE("a JSON merge patch knows no strategies", "[patch]") {
  core::Pod pod = Pod(kPod);
  REQUIRE(ApplyMergePatch(R"({"metadata":{"labels":{"a":null,"b":"2"},"finalizers":["z"]},
                              "spec":{"containers":[{"name":"n"}]}})",
                          pod)
              .ok());
  CHECK(EncodeJson(pod) ==
        EncodeJson(Pod(R"({"metadata":{"name":"p","labels":{"b":"2"},"finalizers":["z"]},
      "spec":{"containers":[{"name":"n"}],"volumes":[{"name":"v","emptyDir":{}}],"tolerations":[{"key":"k"}]}})")));
  CHECK(ApplyMergePatch("[1]", pod).code() == absl::StatusCode::kInvalidArgument);
  CHECK(ApplyMergePatch(R"({"spec":3})", pod).code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("JSON patch operations", "[patch]") {
  struct Case {
    const char* patch;
    absl::StatusCode code;
    const char* pointer;
    const char* result;
  };
  constexpr auto kOk = absl::StatusCode::kOk;
  constexpr auto kUnfit = absl::StatusCode::kFailedPrecondition;
  constexpr auto kBad = absl::StatusCode::kInvalidArgument;
  auto row = GENERATE(values<Case>({
      {R"([{"op":"add","path":"/metadata/labels/x~1y~0z","value":"2"}])", kOk, "/metadata/labels",
       R"({"a":"1","x/y~z":"2"})"},
      {R"([{"op":"add","path":"/metadata/finalizers/1","value":"n"}])", kOk, "/metadata/finalizers",
       R"(["x","n","y"])"},
      {R"([{"op":"add","path":"/metadata/finalizers/-","value":"n"}])", kOk, "/metadata/finalizers",
       R"(["x","y","n"])"},
      {R"([{"op":"remove","path":"/metadata/finalizers/0"}])", kOk, "/metadata/finalizers",
       R"(["y"])"},
      {R"([{"op":"replace","path":"/metadata/labels/a","value":"9"}])", kOk, "/metadata/labels",
       R"({"a":"9"})"},
      {R"([{"op":"move","from":"/metadata/finalizers/0","path":"/metadata/finalizers/1"}])", kOk,
       "/metadata/finalizers", R"(["y","x"])"},
      {R"([{"op":"copy","from":"/metadata/labels/a","path":"/metadata/labels/b"}])", kOk,
       "/metadata/labels", R"({"a":"1","b":"1"})"},
      {R"([{"op":"test","path":"/metadata/name","value":"p"},{"op":"remove","path":"/metadata/labels/a"}])",
       kOk, "/metadata/name", R"("p")"},
      {R"([{"op":"remove","path":"/metadata/labels/a"},{"op":"test","path":"/metadata/name","value":"q"}])",
       kUnfit, "/metadata/labels", R"({"a":"1"})"},
      {R"([{"op":"remove","path":"/metadata/labels/no"}])", kUnfit, "/metadata/name", R"("p")"},
      {R"([{"op":"add","path":"/metadata/finalizers/3","value":"n"}])", kUnfit, "/metadata/name",
       R"("p")"},
      {R"([{"op":"replace","path":"/metadata/finalizers/01","value":"n"}])", kUnfit,
       "/metadata/name", R"("p")"},
      {R"([{"op":"move","from":"/metadata","path":"/metadata/x"}])", kUnfit, "/metadata/name",
       R"("p")"},
      {R"([{"op":"what","path":"/a","value":1}])", kBad, "/metadata/name", R"("p")"},
      {R"([{"op":"add","path":"/a"}])", kBad, "/metadata/name", R"("p")"},
      {R"([{"op":"copy","path":"/a"}])", kBad, "/metadata/name", R"("p")"},
      {R"([7])", kBad, "/metadata/name", R"("p")"},
      {R"({})", kBad, "/metadata/name", R"("p")"},
  }));
  INFO(row.patch);
  core::Pod pod = Pod(kPod);
  CHECK(ApplyJsonPatch(row.patch, pod).code() == row.code);
  CHECK(ParseValue(EncodeJson(pod)).at_pointer(row.pointer) == ParseValue(row.result));
}

TEST_CASE("applying a diff gives the other object", "[patch]") {
  uint64_t seed = 0;
  int patches = 0;
  for (const std::filesystem::path& path : test::GoldenFiles(".json")) {
    std::string text = test::ReadFile(path);
    auto type = PeekTypeMeta(text);
    auto golden = type.ok() ? test::NewKind(type->api_version, type->kind) : nullptr;
    if (!golden || !DecodeJson(text, *golden).ok()) continue;
    INFO(path.filename().string());
    for (int round = 0; round < 20; ++round) {
      test::Mutator mutator(++seed);
      auto mutate = [&](const google::protobuf::Message& message, int changes) {
        std::unique_ptr<google::protobuf::Message> next(message.New());
        next->CopyFrom(message);
        for (int i = 0; i < changes; ++i) mutator.Mutate(*next);
        std::unique_ptr<google::protobuf::Message> canonical(message.New());
        REQUIRE(DecodeJson(EncodeJson(*next), *canonical).ok());
        return canonical;
      };
      auto from = mutate(*golden, 200);
      auto to = mutate(*from, 1 + round * 3);
      auto patch = StrategicMergeDiff(*from, *to);
      INFO("seed " << seed << "\nfrom " << EncodeJson(*from) << "\nto " << EncodeJson(*to) << "\n"
                   << patch.status().ToString());
      REQUIRE(patch.ok());
      INFO(*patch);
      absl::Status status = ApplyStrategicMerge(*patch, *from);
      INFO(status.ToString());
      REQUIRE(status.ok());
      REQUIRE(ParseValue(EncodeJson(*from)) == ParseValue(EncodeJson(*to)));
      CHECK(*StrategicMergeDiff(*from, *to) == "{}");
      patches += *patch != "{}";
    }
  }
  if (seed == 0) {
    std::cout << "SKIPPED: no golden objects; set KUBELET_SHARED\n";
  } else {
    CHECK(patches > static_cast<int>(seed) / 4);
  }
}

}  // namespace
}  // namespace kubelet::api
