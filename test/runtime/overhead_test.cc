#include "catch.h"
#include "kubelet/runtime/config.h"

namespace kubelet::runtime {
namespace {

TEST_CASE("the sandbox is told the pod's overhead apart from what its containers ask for") {
  api::core::Pod pod;
  pod.mutable_metadata()->set_name("p");
  pod.mutable_metadata()->set_namespace_("ns");
  pod.mutable_metadata()->set_uid("u");
  auto* resources = pod.mutable_spec()->add_containers()->mutable_resources();
  for (auto* side : {resources->mutable_requests(), resources->mutable_limits()}) {
    (*side)["cpu"].set_string("500m");
    (*side)["memory"].set_string("1000");
  }
  NodeContext node;
  auto plain = MakeSandboxConfig(pod, 0, "", node);
  REQUIRE(plain.ok());
  CHECK(plain->overhead == LinuxResources());
  (*pod.mutable_spec()->mutable_overhead())["cpu"].set_string("250m");
  (*pod.mutable_spec()->mutable_overhead())["memory"].set_string("120");
  auto config = MakeSandboxConfig(pod, 0, "", node);
  REQUIRE(config.ok());
  CHECK(config->resources == plain->resources);
  CHECK(config->resources.cpu_shares == 512);
  CHECK(config->resources.memory_limit_bytes == 1000);
  CHECK(config->overhead.cpu_shares == 256);
  CHECK(config->overhead.memory_limit_bytes == 120);
  CHECK(config->overhead.cpu_quota == 25000);
  CHECK(config->overhead.cpu_period == 100000);
}

}  // namespace
}  // namespace kubelet::runtime
