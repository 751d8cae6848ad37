#include "kubelet/runtime/environment.h"

#include <boost/asio/io_context.hpp>

#include "catch.h"
#include "fakes/fake_ports.h"
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
  scope.Spawn("fetch", Store(FetchEnvironment(objects, pod, &pod->spec().containers(0), {4000, 1 << 30, 0}), out));
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

TEST_CASE("without an API server a limit that is not set is what the node has") {
  auto env = Make(nullptr, "{name: c, env: [{name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}]}");
  REQUIRE(env.ok());
  CHECK(*env == EnvList{{"CPU", "4"}});
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
          "couldn't find key z in ConfigMap ns/cm"},
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
  auto refused = Make(nullptr, "{name: c, envFrom: [{secretRef: {name: s}}]}");
  CHECK(absl::IsFailedPrecondition(refused.status()));
  CHECK(base::Message(refused.status()) == "couldn't get secret ns/s, no kubeClient defined");
  refused = Make(nullptr, "{name: c, env: [{name: E, valueFrom: {configMapKeyRef: {name: m, key: k}}}]}");
  CHECK(base::Message(refused.status()) == "couldn't get configMap ns/m, no kubeClient defined");
}

TEST_CASE("values out of files in volumes") {
  test::FakeNode node;
  node.files["e/dir/app.env"] = "A='one'\nEMPTY=''\n";
  node.files["e/bad"] = "A=one";
  test::FakeVolumes volumes({node});
  auto make = [&](const std::string& ref, bool read = true) -> absl::StatusOr<EnvList> {
    auto pod = PodOf("{name: c, env: [{name: E, valueFrom: {fileKeyRef: {" + ref + "}}}, {name: F, value: 'f$(E)'}]}");
    EnvInputs inputs;
    inputs.volume_paths["e"].host_path = "/pods/u/e";
    boost::asio::io_context io;
    base::TaskScope scope(io.get_executor());
    if (read) scope.Spawn("read", ReadEnvFiles(volumes, pod, &pod->spec().containers(0), &inputs));
    io.run();
    return MakeEnvironment(*pod, pod->spec().containers(0), inputs, {});
  };
  auto text = [&](const std::string& ref) { return base::Message(make(ref).status()); };
  CHECK(*make("volumeName: e, path: dir/app.env, key: A") == EnvList{{"E", "one"}, {"F", "fone"}});
  CHECK(*make("volumeName: e, path: dir/app.env, key: NONE, optional: true") == EnvList{{"F", "f$(E)"}});
  CHECK(*make("volumeName: e, path: dir/app.env, key: EMPTY, optional: true") == EnvList{{"F", "f$(E)"}});
  CHECK(text("volumeName: e, path: dir/app.env, key: NONE") ==
        "environment variable key \"NONE\" not found in file \"/pods/u/e/dir/app.env\"");
  // Optional is the key, not the file.
  CHECK(text("volumeName: e, path: none, key: A, optional: true") == "couldn't parse env file");
  CHECK(text("volumeName: e, path: bad, key: A") == "couldn't parse env file");
  CHECK(text("volumeName: x, path: a, key: A") == "cannot find the volume \"x\" referenced by FileKeyRef");
  // The gate EnvFiles is off.
  CHECK(*make("volumeName: e, path: dir/app.env, key: A", false) == EnvList{{"E", ""}, {"F", "f"}});
}

TEST_CASE("a node without an address holds back what asks for it") {
  for (const char* path : {"status.hostIP", "status.hostIPs"}) {
    auto pod = PodOf(std::string("{name: c, env: [{name: IP, valueFrom: {fieldRef: {fieldPath: ") + path + "}}}]}");
    auto made = MakeEnvironment(*pod, pod->spec().containers(0), {}, {"n1", {}, {"10.1.0.2"}});
    CHECK(absl::IsFailedPrecondition(made.status()));
    CHECK(base::Message(made.status()).find("host IP unknown") == 0);
  }
}

TEST_CASE("addresses come in the order of the node's families, one each") {
  auto pod = PodOf("{name: c, env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}},"
                   " {name: IPS, valueFrom: {fieldRef: {fieldPath: status.podIPs}}},"
                   " {name: HOSTS, valueFrom: {fieldRef: {fieldPath: status.hostIPs}}}]}");
  auto make = [&](std::vector<std::string> hosts, std::vector<std::string> pods) {
    return *MakeEnvironment(*pod, pod->spec().containers(0), {}, {"n1", std::move(hosts), std::move(pods)});
  };
  CHECK(make({"10.0.0.1"}, {"fd00::2", "10.1.0.2", "10.1.0.3"}) ==
        EnvList{{"IP", "10.1.0.2"}, {"IPS", "10.1.0.2,fd00::2"}, {"HOSTS", "10.0.0.1"}});
  CHECK(make({"fd00::1", "10.0.0.1"}, {"10.1.0.2", "fd00:0::2"}) ==
        EnvList{{"IP", "fd00::2"}, {"IPS", "fd00::2,10.1.0.2"}, {"HOSTS", "fd00::1,10.0.0.1"}});
}
