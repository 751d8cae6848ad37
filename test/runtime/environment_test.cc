#include "kubelet/runtime/environment.h"

#include <boost/asio/io_context.hpp>

#include "catch.h"
#include "kubelet/api/codec.h"
#include "kubelet/base/status.h"

using namespace kubelet;
using namespace kubelet::runtime;

namespace {

api::PodPtr PodOf(const std::string& container) {
  auto pod = std::make_shared<api::core::Pod>();
  auto status = api::DecodeYaml("{metadata: {name: p, namespace: ns}, spec: {containers: [" + container + "]}}", *pod);
  INFO(status);
  REQUIRE(status.ok());
  return pod;
}

struct FakeObjects : EnvObjects {
  std::map<std::string, std::shared_ptr<const api::core::ConfigMap>> config_maps;
  std::map<std::string, std::shared_ptr<const api::core::Secret>> secrets;
  EnvList services;

  base::Task<absl::StatusOr<std::shared_ptr<const api::core::ConfigMap>>> ConfigMap(std::string ns,
                                                                                    std::string name) override {
    auto it = config_maps.find(ns + "/" + name);
    if (it == config_maps.end()) co_return absl::NotFoundError("x");
    co_return it->second;
  }
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::Secret>>> Secret(std::string ns,
                                                                              std::string name) override {
    auto it = secrets.find(ns + "/" + name);
    if (it == secrets.end()) co_return absl::NotFoundError("x");
    co_return it->second;
  }
  base::Task<absl::StatusOr<EnvList>> ServiceEnvironment(api::PodPtr) override { co_return services; }
  api::NodeAllocatable Allocatable() const override { return {4000, 1 << 30, 0}; }
  base::Task<absl::StatusOr<std::string>> RuntimeHandler(std::string) override { co_return std::string(); }

  void Map(const std::string& name, const std::string& key, const std::string& value) {
    auto map = std::make_shared<api::core::ConfigMap>();
    (*map->mutable_data())[key] = value;
    (*map->mutable_data())["bad=name"] = "x";
    config_maps["ns/" + name] = map;
  }
};

base::Task<void> Store(base::Task<absl::StatusOr<EnvInputs>> task, std::optional<absl::StatusOr<EnvInputs>>& out) {
  out = co_await std::move(task);
}

absl::StatusOr<EnvInputs> Fetch(EnvObjects* objects, const api::PodPtr& pod) {
  boost::asio::io_context io;
  std::optional<absl::StatusOr<EnvInputs>> out;
  base::TaskScope scope(io.get_executor());
  scope.Spawn("fetch", Store(FetchEnvironment(objects, pod, &pod->spec().containers(0)), out));
  io.run();
  REQUIRE(out);
  return *out;
}

absl::StatusOr<EnvList> Make(EnvObjects* objects, const std::string& container) {
  auto pod = PodOf(container);
  auto inputs = Fetch(objects, pod);
  if (!inputs.ok()) return inputs.status();
  return MakeEnvironment(*pod, pod->spec().containers(0), *inputs, {"n1", {"10.0.0.1"}, {"10.1.0.2"}});
}

}  // namespace

TEST_CASE("envFrom comes first, env overrides it, services fill in what nobody named") {
  FakeObjects objects;
  objects.Map("cm", "A", "from map");
  objects.services = {{"A", "service"}, {"SVC_HOST", "1.2.3.4"}};
  auto env = Make(&objects,
                  "{name: c, envFrom: [{prefix: P_, configMapRef: {name: cm}}, {configMapRef: {name: cm}}],"
                  " env: [{name: A, value: own}, {name: B, value: '$(A) $(P_A) $(SVC_HOST) $(NONE) $$(A)'}]}");
  INFO(env.status());
  REQUIRE(env.ok());
  CHECK(*env == EnvList{{"P_A", "from map"},
                        {"A", "own"},
                        {"B", "own from map 1.2.3.4 $(NONE) $(A)"},
                        {"SVC_HOST", "1.2.3.4"}});
}

TEST_CASE("values come from keys, fields and resources") {
  FakeObjects objects;
  objects.Map("cm", "k", "v");
  auto secret = std::make_shared<api::core::Secret>();
  (*secret->mutable_data())["pw"] = "hush";
  objects.secrets["ns/s"] = secret;
  auto env = Make(&objects,
                  "{name: c, resources: {limits: {memory: 64Mi}}, env: ["
                  "{name: K, valueFrom: {configMapKeyRef: {name: cm, key: k}}},"
                  "{name: P, valueFrom: {secretKeyRef: {name: s, key: pw}}},"
                  "{name: NONE, valueFrom: {secretKeyRef: {name: s, key: none, optional: true}}},"
                  "{name: GONE, valueFrom: {configMapKeyRef: {name: none, key: none, optional: true}}},"
                  "{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}},"
                  "{name: MEM, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}},"
                  "{name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]}");
  INFO(env.status());
  REQUIRE(env.ok());
  CHECK(*env == EnvList{{"K", "v"}, {"P", "hush"}, {"NODE", "n1"}, {"MEM", "64"}, {"CPU", "4"}});
}

TEST_CASE("what is missing is named as upstream names it") {
  FakeObjects objects;
  objects.Map("cm", "k", "v");
  struct Row {
    const char* container;
    const char* text;
  };
  auto row = GENERATE(
      Row{"{name: c, envFrom: [{configMapRef: {name: none}}]}", "configmap \"none\" not found"},
      Row{"{name: c, envFrom: [{secretRef: {name: none}}]}", "secret \"none\" not found"},
      Row{"{name: c, env: [{name: E, valueFrom: {configMapKeyRef: {name: cm, key: z}}}]}",
          "pod ns/p, container c: env E: couldn't find key z in ConfigMap ns/cm"},
      // One optional reference to an object does not make another one optional.
      Row{"{name: c, envFrom: [{secretRef: {name: none, optional: true}}],"
          " env: [{name: E, valueFrom: {secretKeyRef: {name: none, key: z}}}]}",
          "secret \"none\" not found"});
  auto env = Make(&objects, row.container);
  CHECK(base::Message(env.status()) == row.text);
  CHECK(absl::IsFailedPrecondition(env.status()));
}

TEST_CASE("keys that cannot be names are skipped and told") {
  FakeObjects objects;
  objects.Map("cm", "A", "a");
  auto pod = PodOf("{name: c, envFrom: [{configMapRef: {name: cm}}]}");
  auto inputs = Fetch(&objects, pod);
  REQUIRE(inputs.ok());
  CHECK(InvalidEnvironmentNames(*pod, pod->spec().containers(0), *inputs) ==
        std::vector<std::string>{"Keys [bad=name] from the EnvFrom configMap ns/cm were skipped since they are "
                                 "considered invalid environment variable names."});
}

TEST_CASE("without an API server only what names no object can be had") {
  CHECK(Make(nullptr, "{name: c, env: [{name: A, value: b}]}").ok());
  CHECK(absl::IsFailedPrecondition(Make(nullptr, "{name: c, envFrom: [{secretRef: {name: s}}]}").status()));
}
