#include "kubelet/runtime/swap.h"

#include "catch.h"
#include "kubelet/api/pod.h"
#include "kubelet/api/quantity.h"
#include "runtime/resources.h"

namespace kubelet::runtime {
namespace {

constexpr int64_t kMi = int64_t{1} << 20;

// Amounts in Mi; 0: none.
api::core::Pod PodWith(int64_t request, int64_t limit) {
  api::core::Pod pod;
  pod.mutable_metadata()->set_name("web");
  pod.mutable_metadata()->set_namespace_("ns");
  pod.mutable_metadata()->set_uid("u");
  auto* container = pod.mutable_spec()->add_containers();
  container->set_name("c");
  auto& resources = *container->mutable_resources();
  auto set = [](auto& map, const char* name, int64_t bytes) {
    if (bytes > 0) map[name] = api::Quantity::FromBytes(bytes).ToMessage();
  };
  set(*resources.mutable_requests(), "memory", request * kMi);
  set(*resources.mutable_limits(), "memory", limit * kMi);
  return pod;
}

NodeContext Node(bool v2, bool limited, bool controlled = true) {
  NodeContext node;
  node.cgroup_v2 = v2;
  node.single_process_oom_kill = true;
  node.swap = {controlled, limited, 1000 * kMi, 500 * kMi};
  return node;
}

LinuxResources Resources(const api::core::Pod& pod, const NodeContext& node) {
  return MakeContainerResources(pod, pod.spec().containers(0), 0, node);
}

std::string SwapMax(const api::core::Pod& pod, const NodeContext& node) {
  auto unified = Resources(pod, node).unified;
  return unified.contains("memory.swap.max") ? unified.at("memory.swap.max") : "-";
}

TEST_CASE("no container swaps under NoSwap") {
  for (auto [request, limit] : {std::pair{0, 0}, {100, 0}, {100, 200}, {200, 200}}) {
    INFO(request << " " << limit);
    auto v2 = Resources(PodWith(request, limit), Node(true, false));
    CHECK(v2.unified == StringMap{{"memory.swap.max", "0"}});
    CHECK(v2.memory_swap_limit_bytes == 0);
    // Memory and swap together get what memory alone gets; that is no limit without one.
    auto v1 = Resources(PodWith(request, limit), Node(false, false));
    CHECK(v1.memory_swap_limit_bytes == limit * kMi);
    CHECK(v1.unified.empty());
  }
}

TEST_CASE("where the kernel does not count swap nothing is said of it") {
  CHECK(Resources(PodWith(100, 200), Node(true, true, false)).unified.empty());
  CHECK(Resources(PodWith(100, 200), Node(false, false, false)).memory_swap_limit_bytes == 0);
}

TEST_CASE("under LimitedSwap a Burstable container may swap its request's share") {
  CHECK(SwapMax(PodWith(100, 200), Node(true, true)) == std::to_string(50 * kMi));
  CHECK(SwapMax(PodWith(100, 0), Node(true, true)) == std::to_string(50 * kMi));
  CHECK(SwapMax(PodWith(1000, 0), Node(true, true)) == std::to_string(500 * kMi));
  // The share is cut down, never rounded up.
  NodeContext odd = Node(true, true);
  odd.swap.memory_bytes = 3 * kMi;
  odd.swap.swap_bytes = 1000;
  CHECK(SwapMax(PodWith(1, 2), odd) == "333");
}

TEST_CASE("LimitedSwap is not for everybody") {
  NodeContext node = Node(true, true);
  CHECK(SwapMax(PodWith(0, 0), node) == "0");      // BestEffort
  CHECK(SwapMax(PodWith(200, 200), node) == "0");  // the request is the limit
  CHECK(SwapMax(PodWith(2000, 0), node) == "0");   // more than there is
  auto critical = PodWith(100, 200);
  critical.mutable_spec()->set_priority(2'000'000'000);
  CHECK(SwapMax(critical, node) == "0");
  // A container that asks for nothing, in a pod that is Burstable by another one.
  auto mixed = PodWith(100, 200);
  mixed.mutable_spec()->add_containers()->set_name("d");
  auto of_second = MakeContainerResources(mixed, mixed.spec().containers(1), 0, node);
  CHECK(of_second.unified.at("memory.swap.max") == "0");
  // cgroup v1 does not have it.
  CHECK(Resources(PodWith(100, 200), Node(false, true)).memory_swap_limit_bytes == 200 * kMi);
}

TEST_CASE("the limit of swap is no part of what a container is known by") {
  auto pod = PodWith(100, 200);
  NodeContext before;
  before.cgroup_v2 = true;
  auto old = MakeContainerConfig(pod, pod.spec().containers(0), {}, before);
  auto now = MakeContainerConfig(pod, pod.spec().containers(0), {}, Node(true, true));
  REQUIRE(old.ok());
  REQUIRE(now.ok());
  CHECK(now->resources.unified.contains("memory.swap.max"));
  CHECK(old->annotations == now->annotations);
  CHECK(old->labels == now->labels);
}

}  // namespace
}  // namespace kubelet::runtime
