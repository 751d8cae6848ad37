#include "volume/plan.h"

#include "catch.h"
#include "resource/pod_yaml.h"

namespace kubelet::volume {
namespace {

using test::PodOf;
using Medium = EmptyDirPlan::Medium;

constexpr int64_t kGi = int64_t{1} << 30;

std::string Refusal(const api::core::Pod& pod) {
  auto plan = PlanVolumes(pod, kGi);
  return plan.ok() ? "" : plan.status().ToString();
}

TEST_CASE("only what a container mounts is prepared") {
  auto plan = PlanVolumes(
      PodOf("{volumes: [{name: a, emptyDir: {}}, {name: b, hostPath: {path: /x, type: File}}, "
            "{name: idle, secret: {secretName: s}}, {name: bare}], "
            "initContainers: [{name: i, volumeMounts: [{name: b, mountPath: /b}]}], "
            "containers: [{name: c, volumeMounts: [{name: a, mountPath: /a}, "
            "{name: a, mountPath: /a2, subPath: x/y}, {name: bare, mountPath: /z}]}]}"),
      kGi);
  REQUIRE(plan.ok());
  REQUIRE(plan->empty_dirs.size() == 2);
  CHECK(plan->empty_dirs[0].name == "a");
  CHECK(plan->empty_dirs[0].medium == Medium::kDisk);
  CHECK(plan->empty_dirs[1].name == "bare");  // a volume that says nothing is an emptyDir
  REQUIRE(plan->host_paths.size() == 1);
  CHECK(plan->host_paths[0].path == "/x");
  CHECK(plan->host_paths[0].type == "File");
}

TEST_CASE("an image is the runtime's to mount") {
  auto plan = PlanVolumes(
      PodOf("{volumes: [{name: v, image: {reference: x}}], containers: [{name: c, volumeMounts: "
            "[{name: v, mountPath: /v}, {name: v, mountPath: /w, subPath: ../x}]}]}"),
      kGi);
  REQUIRE(plan.ok());
  CHECK(plan->empty_dirs.empty());
}

TEST_CASE("a kind that is not built is refused with pod, volume and kind") {
  auto text =
      Refusal(PodOf("{volumes: [{name: v, iscsi: {targetPortal: x}}], "
                    "containers: [{name: c, volumeMounts: [{name: v, mountPath: /v}]}]}"));
  CHECK(text ==
        "FAILED_PRECONDITION: pod shop/web: MountVolume.SetUp failed for volume \"v\" : volumes of "
        "kind iscsi are not built yet");
}

TEST_CASE("refusals name what is wrong") {
  const std::pair<const char*, const char*> cases[] = {
      {"{containers: [{name: c, volumeMounts: [{name: v, mountPath: /v}]}]}", "no such volume"},
      {"{volumes: [{name: v, hostPath: {path: /a/../b}}], containers: [{name: c, volumeMounts: "
       "[{name: v, mountPath: /v}]}]}",
       "invalid HostPath `/a/../b`: must not contain '..'"},
      {"{volumes: [{name: ../v}], containers: [{name: c, volumeMounts: [{name: ../v, mountPath: "
       "/v}]}]}",
       "no directory name"},
      {"{volumes: [{name: v, emptyDir: {medium: Paper}}], containers: [{name: c, volumeMounts: "
       "[{name: v, mountPath: /v}]}]}",
       "unknown storage medium `Paper`"},
      {"{volumes: [{name: v, emptyDir: {medium: HugePages}}], containers: [{name: c, volumeMounts: "
       "[{name: v, mountPath: /v}]}]}",
       "no container requests huge pages"}};
  for (const auto& [spec, message] : cases) {
    INFO(spec);
    auto text = Refusal(PodOf(spec));
    CHECK(text.find(message) != std::string::npos);
    CHECK(text.find("pod shop/web") != std::string::npos);
  }
  CHECK(Refusal(PodOf("containers: [{name: c}]", "../x")).find("metadata.uid") !=
        std::string::npos);
}

EmptyDirPlan MemoryPlan(const std::string& volume, const std::string& container,
                        int64_t node = kGi) {
  auto plan =
      PlanVolumes(PodOf("{volumes: [{name: v, emptyDir: {medium: Memory" + volume +
                        "}}], containers: [{name: c, volumeMounts: [{name: v, mountPath: /v}]" +
                        container + "}]}"),
                  node);
  REQUIRE(plan.ok());
  REQUIRE(plan->empty_dirs.size() == 1);
  return plan->empty_dirs[0];
}

TEST_CASE("a memory volume is as large as the node, the pod or itself may be, whichever is least") {
  CHECK(MemoryPlan("", "").medium == Medium::kMemory);
  CHECK(MemoryPlan("", "").size_bytes == kGi);
  CHECK(MemoryPlan("", "", 0).size_bytes == 0);
  CHECK(MemoryPlan(", sizeLimit: 8Mi", "").size_bytes == 8 << 20);
  CHECK(MemoryPlan(", sizeLimit: 8Mi", "", 0).size_bytes == 8 << 20);
  CHECK(MemoryPlan(", sizeLimit: 0", "").size_bytes == kGi);
  CHECK(MemoryPlan(", sizeLimit: 8Gi", "").size_bytes == kGi);
  std::string limited = ", resources: {requests: {memory: 1Mi}, limits: {memory: 64Mi}}";
  CHECK(MemoryPlan("", limited).size_bytes == 64 << 20);
  CHECK(MemoryPlan(", sizeLimit: 128Mi", limited).size_bytes == 64 << 20);
  CHECK(MemoryPlan(", sizeLimit: 2Mi", limited).size_bytes == 2 << 20);
}

TEST_CASE("huge pages are of the size that is requested") {
  const char* spec =
      "{volumes: [{name: v, emptyDir: {medium: MEDIUM}}], containers: [{name: c, volumeMounts: "
      "[{name: v, mountPath: /v}], "
      "resources: {requests: {hugepages-2Mi: 4Mi MORE}}}]}";
  auto plan = [&](std::string medium, std::string more) {
    std::string text = spec;
    text.replace(text.find("MEDIUM"), 6, medium);
    text.replace(text.find(" MORE"), 5, more);
    return PlanVolumes(PodOf(text), kGi);
  };
  CHECK(plan("HugePages", "")->empty_dirs[0].page_bytes == 2 << 20);
  CHECK(plan("HugePages-2Mi", "")->empty_dirs[0].page_bytes == 2 << 20);
  CHECK(plan("HugePages-1Gi", ", hugepages-1Gi: 1Gi")->empty_dirs[0].page_bytes == kGi);
  CHECK_FALSE(plan("HugePages-1Gi", "").ok());
  CHECK_FALSE(plan("HugePages", ", hugepages-1Gi: 1Gi").ok());
  CHECK_FALSE(plan("HugePages-x", "").ok());
}

}  // namespace
}  // namespace kubelet::volume
