// Lists in one piece and as streams, and the calls for statistics.
#include "catch.h"
#include "cri/harness.h"
#include "kubelet/cri/container_stats.h"

namespace kubelet::cri {
namespace {

struct Streaming {
  explicit Streaming(bool runtime_can, base::Nanos timeout = 30s) {
    fakes::FakeCriOptions server_options;
    server_options.socket = dir / "cri.sock";
    server_options.list_streams = runtime_can;
    server = std::make_unique<fakes::FakeCriServer>(server_options);
    if (!server->Start()) throw std::runtime_error("the fake does not listen");
    auto options = EndpointOptions(server->socket(), timeout);
    options.list_streaming = true;
    options.observer = [this](const std::string& operation, base::Nanos,
                              const absl::Status& status) {
      observed.push_back(operation + " " + std::string(absl::StatusCodeToString(status.code())));
    };
    client = std::make_unique<Client>(options);
    stats = std::make_unique<GrpcContainerStats>(*client->connection);
  }
  runtime::SandboxId AddPod(const std::string& name, const std::string& uid) {
    auto pod = PodNamed(name, uid);
    auto sandbox = client->Await(client->runtime->RunPodSandbox(pod));
    if (!sandbox.ok()) throw std::runtime_error(sandbox.status().ToString());
    auto container = ContainerNamed("main", pod, "busybox", "sleep infinity");
    auto made = client->Await(client->runtime->CreateContainer(*sandbox, container, pod));
    if (!made.ok()) throw std::runtime_error(made.status().ToString());
    last_container = *made;
    return *sandbox;
  }
  std::vector<std::string> Called(const std::string& method) const {
    std::vector<std::string> out;
    for (const auto& call : server->calls())
      if (call.method.find(method) != std::string::npos) out.push_back(call.method);
    return out;
  }

  TempDir dir;
  std::vector<std::string> observed;
  std::unique_ptr<fakes::FakeCriServer> server;
  std::unique_ptr<Client> client;
  std::unique_ptr<GrpcContainerStats> stats;
  runtime::ContainerId last_container;
};

TEST_CASE("every list can be read as a stream, with its filter") {
  Streaming rig(true);
  auto& client = *rig.client;
  CHECK(client.Await(client.runtime->ListPodSandbox(""))->empty());
  for (int i = 0; i < 3; ++i) rig.AddPod("p" + std::to_string(i), "u" + std::to_string(i));
  CHECK(client.Await(client.runtime->ListPodSandbox(""))->size() == 3);
  auto one = client.Await(client.runtime->ListPodSandbox("u1"));
  REQUIRE(one->size() == 1);
  CHECK(one->at(0).name == "p1");
  CHECK(client.Await(client.runtime->ListContainers(""))->size() == 3);
  CHECK(client.Await(client.runtime->ListContainers("u2"))->size() == 1);
  CHECK(client.Await(client.images->ListImages())->size() == 1);
  CHECK(client.Await(rig.stats->ListContainerStats()).ok());
  CHECK(client.Await(rig.stats->ListPodSandboxStats())->size() == 3);
  CHECK(client.Await(rig.stats->ListPodSandboxMetrics())->size() == 3);
  CHECK(rig.Called("List").empty());
  CHECK(rig.Called("Stream").size() == 9);
}

TEST_CASE("a runtime without streams is asked for whole lists from its first answer on") {
  Streaming rig(false);
  auto& client = *rig.client;
  rig.AddPod("web", "u1");
  CHECK(client.Await(client.runtime->ListPodSandbox(""))->size() == 1);
  CHECK(client.Await(client.runtime->ListContainers(""))->size() == 1);
  CHECK(client.Await(client.images->ListImages())->size() == 1);
  CHECK(client.Await(client.images->ListImages())->size() == 1);
  // Each of the two services says it for itself.
  CHECK(rig.Called("Stream") == std::vector<std::string>{"StreamPodSandboxes", "StreamImages"});
  CHECK(rig.Called("List") ==
        std::vector<std::string>{"ListPodSandbox", "ListContainers", "ListImages", "ListImages"});
}

TEST_CASE("a stream that breaks is an error, and no list in part") {
  Streaming rig(true);
  auto& client = *rig.client;
  rig.AddPod("web", "u1");
  fakes::Fault fault;
  fault.method = "StreamPodSandboxes";
  fault.code = fakes::kFakeInternal;
  fault.message = "half way";
  rig.server->Inject(fault);
  auto broken = client.Await(client.runtime->ListPodSandbox(""));
  CHECK(broken.status() == absl::InternalError("half way"));
  CHECK(client.Await(client.runtime->ListPodSandbox(""))->size() == 1);
  REQUIRE(rig.observed.size() >= 2);
  CHECK(rig.observed[rig.observed.size() - 2] == "list_podsandbox INTERNAL");
  CHECK(rig.observed.back() == "list_podsandbox OK");
}

TEST_CASE("a list above 16 MiB is no matter for a stream") {
  Streaming rig(true);
  auto& client = *rig.client;
  for (int i = 0; i < 2; ++i) {
    auto pod = PodNamed("p" + std::to_string(i), "u" + std::to_string(i));
    pod.annotations["big"] = std::string(10'000'000, 'x');
    REQUIRE(client.Await(client.runtime->RunPodSandbox(pod)).ok());
  }
  auto list = client.Await(client.runtime->ListPodSandbox(""));
  REQUIRE(list.ok());
  REQUIRE(list->size() == 2);
  CHECK(list->at(1).annotations["big"].size() == 10'000'000);
}

TEST_CASE("a stream to a runtime that is not there is Unavailable") {
  TempDir dir;
  auto options = EndpointOptions(dir / "none.sock");
  options.list_streaming = true;
  Client client(options);
  CHECK(absl::IsUnavailable(client.Await(client.runtime->ListPodSandbox("")).status()));
  // And it was no reason to give streams up: nobody has said Unimplemented.
}

TEST_CASE("statistics of one container and of pods, with their containers") {
  Streaming rig(true);
  auto& client = *rig.client;
  auto sandbox = rig.AddPod("web", "u1");
  REQUIRE(client.Await(client.runtime->StartContainer(rig.last_container)).ok());
  auto container = client.Await(rig.stats->ContainerStats(rig.last_container));
  REQUIRE(container.ok());
  CHECK(container->container == rig.last_container);
  CHECK(container->memory->working_set == 4 << 20);
  auto gone = client.Await(rig.stats->ContainerStats(runtime::ContainerId("nope")));
  CHECK(absl::IsNotFound(gone.status()));

  auto pod = client.Await(rig.stats->PodSandboxStats(sandbox));
  REQUIRE(pod.ok());
  CHECK(pod->sandbox == sandbox);
  CHECK(pod->pod_uid == "u1");
  CHECK(pod->pod_name == "web");
  CHECK(pod->pod_namespace == "default");
  CHECK(pod->cpu->nano_cores == 1'000'000u);
  CHECK(pod->memory->rss == 3 << 20);
  CHECK(pod->processes == 1u);
  REQUIRE(pod->network);
  CHECK(pod->network->main.name == "eth0");
  CHECK(pod->network->main.rx_bytes == 1000u);
  CHECK_FALSE(pod->network->main.rx_errors);
  REQUIRE(pod->containers.size() == 1);
  CHECK(pod->containers[0].container == rig.last_container);
  auto no_pod = client.Await(rig.stats->PodSandboxStats(runtime::SandboxId("nope")));
  CHECK(absl::IsNotFound(no_pod.status()));
}

TEST_CASE("metrics that the runtime words: descriptors, and values of pods and containers") {
  Streaming rig(false);
  auto& client = *rig.client;
  auto sandbox = rig.AddPod("web", "u1");
  auto descriptors = client.Await(rig.stats->ListMetricDescriptors());
  REQUIRE(descriptors.ok());
  REQUIRE(descriptors->size() == 2);
  CHECK(descriptors->at(0).label_keys == std::vector<std::string>{"id", "interface"});
  auto metrics = client.Await(rig.stats->ListPodSandboxMetrics());
  REQUIRE(metrics.ok());
  REQUIRE(metrics->size() == 1);
  CHECK(metrics->at(0).sandbox == sandbox);
  const auto& values = metrics->at(0).values;
  REQUIRE(values.size() == 2);
  CHECK(values[0].name == descriptors->at(0).name);
  CHECK(values[0].counter);
  CHECK(values[0].label_values == std::vector<std::string>{sandbox.str(), "eth0"});
  CHECK(values[0].value == 1000);
  CHECK(values[1].name == descriptors->at(1).name);
  CHECK_FALSE(values[1].counter);
  CHECK(values[1].label_values == std::vector<std::string>{rig.last_container.str()});
}

}  // namespace
}  // namespace kubelet::cri
