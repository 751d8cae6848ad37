#include "kubelet/resource/memory_manager.h"

#include "catch.h"
#include "kubelet/base/status.h"
#include "resource/machines.h"
#include "resource/pod_yaml.h"

namespace kubelet::resource {
namespace {

using api::core::Pod;
using test::PodOf;

constexpr uint64_t kGi = uint64_t{1} << 30;

std::string ContainerYaml(const std::string& name, const std::string& memory,
                          const std::string& more = "") {
  std::string amounts = "{cpu: 1, memory: " + memory + "}";
  return "{name: " + name + ", image: i, resources: {requests: " + amounts +
         ", limits: " + amounts + "}" + more + "}";
}
Pod Guaranteed(const std::string& uid, const std::string& memory) {
  return PodOf("containers: [" + ContainerYaml("c", memory) + "]", uid);
}

// Nodes of 4 GiB, one of which is reserved on the first.
struct MemoryManagerFixture {
  MemoryManagerOptions options;
  std::vector<os::NumaNode> nodes;
  std::optional<std::string> file;
  std::unique_ptr<MemoryManager> manager;

  explicit MemoryManagerFixture(int count = 2) {
    options.static_policy = true;
    options.reserved[0]["memory"] = kGi;
    options.node_reserved["memory"] = kGi;
    for (int i = 0; i < count; ++i) nodes.push_back({i, int64_t{4} << 30, {}, {}});
  }
  absl::Status Start() {
    auto made = MemoryManager::Create(
        options, nodes,
        {"/k/memory_manager_state", file, [this](std::string text) { file = std::move(text); }});
    if (!made.ok()) return made.status();
    manager = *std::move(made);
    return absl::OkStatus();
  }
  absl::Status Give(const Pod& pod, TopologyHint place = {}) {
    return test::GiveAll(*manager, pod, place);
  }
  std::string Of(const std::string& uid, const std::string& container = "c") {
    return manager->NodesOf(uid, container);
  }
  // `1+ 3 `: bits of the nodes, + for the preferred.
  std::string Hints(const Pod& pod) {
    auto hints = manager->PodHints(pod);
    if (hints.empty()) return "none";
    std::string out;
    for (const auto& hint : *hints.at("memory"))
      out += std::to_string(hint.nodes->bits()) + (hint.preferred ? "+ " : " ");
    CHECK(hints == manager->ContainerHints(pod, pod.spec().containers(0)));
    return out;
  }
};

TEST_CASE("memory of one node while one has enough, else of a group") {
  MemoryManagerFixture f;
  REQUIRE(f.Start().ok());
  CHECK(f.manager->Allocatable() ==
        std::vector<MemoryBlock>{{{0}, "memory", 3 * kGi}, {{1}, "memory", 4 * kGi}});
  CHECK(f.Hints(Guaranteed("a", "2Gi")) == "1+ 2+ 3 ");
  CHECK(f.Hints(Guaranteed("a", "4Gi")) == "2+ 3 ");
  CHECK(f.Hints(Guaranteed("a", "5Gi")) == "3+ ");
  CHECK(f.Hints(Guaranteed("a", "8Gi")) == "none");
  REQUIRE(f.Give(Guaranteed("a", "2Gi")).ok());
  CHECK(f.Of("a") == "0");
  REQUIRE(f.Give(Guaranteed("b", "2Gi")).ok());
  CHECK(f.Of("b") == "1");
  // Both are used alone: there is no group of them.
  CHECK(f.Hints(Guaranteed("c", "3Gi")) == "none");
  CHECK(base::Message(f.Give(Guaranteed("c", "3Gi"))).find("no NUMA nodes with enough memory") !=
        std::string::npos);
  f.manager->Release("a");
  f.manager->Release("b");
  REQUIRE(f.Give(Guaranteed("c", "5Gi")).ok());
  CHECK(f.Of("c") == "0,1");
  // In a group: a pod that would fit on one node has to go to the group, too.
  CHECK(f.Hints(Guaranteed("d", "1Gi")) == "3 ");
  f.manager->Release("c");
  CHECK(f.Hints(Guaranteed("d", "1Gi")) == "1+ 2+ 3 ");
}

TEST_CASE("a place that was chosen with others, and is too small, is extended") {
  MemoryManagerFixture f(3);
  REQUIRE(f.Start().ok());
  REQUIRE(f.Give(Guaranteed("a", "5Gi"), {NumaMask::Of(1), false}).ok());
  CHECK(f.Of("a") == "0,1");
  CHECK(base::Message(f.Give(Guaranteed("b", "8Gi"), {NumaMask::Of(2), false}))
            .find("failed to find NUMA nodes to extend") != std::string::npos);
  REQUIRE(f.Give(Guaranteed("b", "4Gi"), {NumaMask::Of(2), true}).ok());
  CHECK(f.Of("b") == "2");
}

TEST_CASE("huge pages are memory of a kind of their own") {
  MemoryManagerFixture f;
  f.nodes[1].huge_pages[2 << 20] = 512;
  REQUIRE(f.Start().ok());
  CHECK(f.manager->Allocatable().back() == MemoryBlock{{1}, "memory", 3 * kGi});
  std::string amounts = "{cpu: 1, memory: 1Gi, hugepages-2Mi: 512Mi}";
  Pod pod = PodOf("containers: [{name: c, image: i, resources: {requests: " + amounts +
                      ", limits: " + amounts + "}}]",
                  "a");
  CHECK(f.Hints(pod) == "2+ 3 ");
  REQUIRE(f.Give(pod).ok());
  CHECK(f.manager->BlocksOf("a", "c") ==
        std::vector<MemoryBlock>{{{1}, "hugepages-2Mi", kGi / 2}, {{1}, "memory", kGi}});
  CHECK(f.manager->PodHints(pod).at("hugepages-2Mi")->size() == 1);
}

TEST_CASE("only Guaranteed pods without resources of their own are bound") {
  MemoryManagerFixture f;
  REQUIRE(f.Start().ok());
  Pod burstable =
      PodOf("containers: [{name: c, image: i, resources: {requests: {memory: 1Gi}}}]", "a");
  REQUIRE(f.Give(burstable).ok());
  CHECK(f.manager->PodHints(burstable).empty());
  CHECK(f.Of("a").empty());
  f.options.static_policy = false;
  f.file.reset();
  REQUIRE(f.Start().ok());
  REQUIRE(f.Give(Guaranteed("a", "1Gi")).ok());
  CHECK(f.Of("a").empty());
  CHECK(f.manager->Allocatable().empty());
  CHECK(f.file->find(R"({"policyName":"None","machineState":{},"checksum":)") == 0);
}

TEST_CASE("app containers take over the memory of init containers") {
  MemoryManagerFixture f;
  REQUIRE(f.Start().ok());
  Pod pod = PodOf("initContainers: [" + ContainerYaml("init", "2Gi") + ", " +
                      ContainerYaml("side", "1Gi", ", restartPolicy: Always") + "]\ncontainers: [" +
                      ContainerYaml("c", "1Gi") + "]",
                  "a");
  REQUIRE(f.Give(pod, {NumaMask::Of(1), true}).ok());
  // The sidecar and the app have a GiB each of what the first had.
  CHECK(f.manager->BlocksOf("a", "init") == std::vector<MemoryBlock>{{{1}, "memory", 0}});
  CHECK(f.Hints(Guaranteed("b", "2Gi")) == "1+ 2+ ");
  CHECK(f.Hints(Guaranteed("b", "3Gi")).substr(0, 2) == "1+");
  REQUIRE(f.Start().ok());  // the state adds up
  f.manager->Release("a");
  CHECK(f.Hints(Guaranteed("b", "4Gi")) == "2+ 3 ");
}

TEST_CASE("a restart finds what was given") {
  MemoryManagerFixture f;
  REQUIRE(f.Start().ok());
  REQUIRE(f.Give(Guaranteed("a", "5Gi")).ok());
  std::string before = *f.file;
  REQUIRE(f.Start().ok());
  CHECK(*f.file == before);
  CHECK(f.Of("a") == "0,1");
  CHECK(f.Hints(Guaranteed("a", "5Gi")) == "3+ ");
  CHECK(f.Hints(Guaranteed("a", "4Gi")) == "none");  // other than what it has
  f.nodes[1].memory_bytes += 1;
  CHECK(base::Message(f.Start()).find(
            "the expected machine state is different from the real one: the amount of memory of "
            "NUMA node 1") != std::string::npos);
  f.options.static_policy = false;
  CHECK(base::Message(f.Start()).find("configured policy \"None\" differs from state checkpoint "
                                      "policy \"Static\"") != std::string::npos);
}

TEST_CASE("reservations that do not fit keep the kubelet from starting") {
  MemoryManagerFixture f;
  auto has = [&](const std::string& part) {
    return base::Message(f.Start()).find(part) != std::string::npos;
  };
  f.options.node_reserved["memory"] = 2 * kGi;
  CHECK(has("the total amount \"1Gi\" of type \"memory\" is not equal to the value \"2Gi\""));
  f.options.reserved[7]["memory"] = kGi;
  CHECK(has("references a NUMA node 7 that does not exist"));
  f.options.reserved = {{0, {{"memory", 5 * kGi}}}};
  f.options.node_reserved["memory"] = 5 * kGi;
  CHECK(has("NUMA node 0 has 4Gi of memory, less than is reserved"));
  f.options.reserved.clear();
  f.options.node_reserved.clear();
  CHECK(has("Static needs reservedMemory of type memory"));
}

}  // namespace
}  // namespace kubelet::resource
