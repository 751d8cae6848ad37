#include <map>

#include "kubelet/api/pod.h"
#include "pod_text.h"

namespace kubelet::api {
namespace {

using test::MakePod;

std::string Resources(const std::string& requests, const std::string& limits) {
  return "'resources':{'requests':{" + requests + "},'limits':{" + limits + "}}";
}

TEST_CASE("QoS class of a pod") {
  struct Row {
    std::string spec, container, qos;
  };
  const std::string both = "'cpu':'1','memory':'1Gi'";
  const std::vector<Row> rows = {
      {"", "", "BestEffort"},
      {"", Resources("'cpu':'0'", "'memory':'0'"), "BestEffort"},
      {"", Resources("'example.com/gpu':'1'", "'example.com/gpu':'1'"), "BestEffort"},
      {"", Resources("'ephemeral-storage':'1Gi'", ""), "BestEffort"},
      {"", Resources("'cpu':'100m'", ""), "Burstable"},
      {"", Resources("", "'memory':'1Gi'"), "Burstable"},
      {"", Resources(both, both), "Guaranteed"},
      {"", Resources("'cpu':'1000m','memory':'1024Mi'", both), "Guaranteed"},
      {"", Resources("'cpu':'500m','memory':'1Gi'", both), "Burstable"},
      {"", Resources("'cpu':'1'", "'cpu':'1'"), "Burstable"},
      // One init container without limits spoils it.
      {"'initContainers':[{'name':'i','image':'i'}]", Resources(both, both), "Burstable"},
      {"'initContainers':[{'name':'i','image':'i'," + Resources(both, both) + "}]",
       Resources(both, both), "Guaranteed"},
      // Containers that even each other out do not count: every one needs both limits.
      {"'containers':[{'name':'a','image':'i'," + Resources("'cpu':'1'", "'cpu':'1'") +
           "},{'name':'b','image':'i'," + Resources("'memory':'1'", "'memory':'1'") + "}]",
       "", "Burstable"},
      // The pod level decides alone.
      {Resources(both, both), "", "Guaranteed"},
      {Resources(both, both), Resources("'cpu':'1m'", ""), "Guaranteed"},
      {Resources("'cpu':'1'", "'cpu':'1'"), Resources(both, both), "Burstable"},
      {"'resources':{}", Resources(both, both), "BestEffort"},
  };
  for (const Row& row : rows) {
    INFO(row.spec << " / " << row.container);
    CHECK(std::string(QosName(ComputeQos(MakePod(row.spec, row.container)))) == row.qos);
  }
}

TEST_CASE("QoS after defaults: limits alone make a pod guaranteed") {
  core::Pod pod = MakePod("", "'resources':{'limits':{'cpu':'1','memory':'1Gi'}}");
  CHECK(ComputeQos(pod) == QosClass::kBurstable);
  ApplyPodDefaults(pod);
  CHECK(ComputeQos(pod) == QosClass::kGuaranteed);
}

TEST_CASE("where a pod comes from") {
  auto annotated = [](const std::string& annotations) {
    return MakePod("", "", "'annotations':{" + annotations + "}");
  };
  CHECK_FALSE(IsStatic(MakePod("")));
  CHECK(IsStatic(annotated("'kubernetes.io/config.source':'file'")));
  CHECK(IsStatic(annotated("'kubernetes.io/config.source':'http'")));
  CHECK_FALSE(IsStatic(annotated("'kubernetes.io/config.source':'api'")));
  CHECK(IsMirror(annotated("'kubernetes.io/config.mirror':'x'")));
  CHECK(IsMirror(annotated("'kubernetes.io/config.mirror':''")));
  CHECK_FALSE(IsMirror(annotated("'kubernetes.io/config.hash':'x'")));
  CHECK(Annotation(annotated("'kubernetes.io/config.hash':'x'"), kConfigHash) == "x");
  CHECK(Annotation(MakePod(""), kConfigHash).empty());

  CHECK(IsCritical(annotated("'kubernetes.io/config.source':'file'")));
  CHECK(IsCritical(annotated("'kubernetes.io/config.mirror':'x'")));
  CHECK(IsCritical(MakePod("'priority':2000000000")));
  CHECK_FALSE(IsCritical(MakePod("'priority':1999999999")));
  CHECK_FALSE(IsCritical(MakePod("")));
}

struct SumRow {
  std::string name, spec, container;
  int64_t cpu_request, cpu_limit, memory_request, memory_limit;
  bool all_cpu, all_memory;
};

std::string Init(const std::string& name, const std::string& resources, bool sidecar) {
  return "{'name':'" + name + "','image':'i'," + resources +
         (sidecar ? ",'restartPolicy':'Always'" : "") + "}";
}

TEST_CASE("effective resources of a pod") {
  auto cpu = [](const std::string& amount) {
    return Resources("'cpu':'" + amount + "'", "'cpu':'" + amount + "'");
  };
  const std::vector<SumRow> rows = {
      {"nothing", "", "", 0, 0, 0, 0, false, false},
      {"one container", "", Resources("'cpu':'250m','memory':'64Mi'", "'cpu':'1','memory':'128Mi'"),
       250, 1000, 64 << 20, 128 << 20, true, true},
      {"two containers add up",
       "'containers':[{'name':'a','image':'i'," + cpu("100m") + "},{'name':'b','image':'i'," +
           Resources("'cpu':'50m'", "") + "}]",
       "", 150, 100, 0, 0, false, false},
      {"an init container sets the floor", "'initContainers':[" + Init("i", cpu("2"), false) + "]",
       cpu("1"), 2000, 2000, 0, 0, true, false},
      {"init containers do not add up",
       "'initContainers':[" + Init("i", cpu("1"), false) + "," + Init("j", cpu("1500m"), false) +
           "]",
       cpu("1"), 1500, 1500, 0, 0, true, false},
      {"a sidecar adds to the containers", "'initContainers':[" + Init("s", cpu("1"), true) + "]",
       cpu("1"), 2000, 2000, 0, 0, true, false},
      {"an init container runs beside the sidecars before it",
       "'initContainers':[" + Init("s", cpu("1"), true) + "," + Init("i", cpu("3"), false) + "]",
       cpu("1"), 4000, 4000, 0, 0, true, false},
      {"and not beside those after it",
       "'initContainers':[" + Init("i", cpu("3"), false) + "," + Init("s", cpu("1"), true) + "]",
       cpu("1"), 3000, 3000, 0, 0, true, false},
      {"overhead adds to requests and to limits that are there",
       "'overhead':{'cpu':'100m','memory':'1Mi'}", cpu("1"), 1100, 1100, 1 << 20, 0, true, false},
      {"the pod level replaces the sums", Resources("'cpu':'3','memory':'1Gi'", "'memory':'2Gi'"),
       cpu("1"), 3000, 1000, 1 << 30, int64_t{2} << 30, true, true},
      {"the pod level limits a pod of unlimited containers", Resources("", "'cpu':'2'"), "", 0,
       2000, 0, 0, true, false},
      {"overhead on top of the pod level",
       Resources("'cpu':'1'", "'cpu':'1'") + ",'overhead':{'cpu':'1'}", "", 2000, 2000, 0, 0, true,
       false},
      {"fractions round up", "", Resources("'cpu':'0.0001','memory':'1.5'", ""), 1, 0, 2, 0, false,
       false},
  };
  for (const SumRow& row : rows) {
    INFO(row.name);
    PodResources sums = ComputePodResources(MakePod(row.spec, row.container));
    CHECK(sums.cpu_request_milli == row.cpu_request);
    CHECK(sums.cpu_limit_milli == row.cpu_limit);
    CHECK(sums.memory_request == row.memory_request);
    CHECK(sums.memory_limit == row.memory_limit);
    CHECK(sums.all_cpu_limited == row.all_cpu);
    CHECK(sums.all_memory_limited == row.all_memory);
  }
}

TEST_CASE("huge pages of a pod") {
  core::Pod pod = MakePod(
      "'initContainers':[{'name':'i','image':'i','resources':{'limits':{'hugepages-1Gi':'2Gi'}}}]",
      "'resources':{'limits':{'hugepages-2Mi':'4Mi','memory':'1Gi'}}");
  ApplyPodDefaults(pod);
  std::map<std::string, int64_t> expected = {{"hugepages-2Mi", 4 << 20},
                                             {"hugepages-1Gi", int64_t{2} << 30}};
  CHECK(ComputePodResources(pod).hugepage_limits == expected);
}

TEST_CASE("request and limit of a container") {
  core::Pod pod = MakePod("", Resources("'cpu':'250m'", "'memory':'1Gi'"));
  CHECK(Request(pod.spec().containers(0), "cpu").MilliValue() == 250);
  CHECK(Request(pod.spec().containers(0), "memory").IsZero());
  CHECK(Limit(pod.spec().containers(0), "memory").Value() == 1 << 30);
}

TEST_CASE("container hash is the one of every other kubelet") {
  CHECK(ContainerHash("test_container", "foo/image:v1") == "8e45cbd0");
  CHECK(ContainerHash("a<b", "nginx:1") == "a8f255ca");
  CHECK(ContainerHash("a", "nginx:1") != ContainerHash("a", "nginx:2"));
}

}  // namespace
}  // namespace kubelet::api
