#include "catch.h"
#include "kubelet/resource/cpu.h"
#include "kubelet/resource/oom_score.h"
#include "kubelet/resource/pod_cgroups.h"
#include "resource/pod_yaml.h"

namespace kubelet::resource {
namespace {

using os::CgroupValues;
using test::PodOf;

TEST_CASE("milli-CPU as shares") {
  const std::pair<int64_t, uint64_t> cases[] = {
      {0, 2},       {1, 2},       {2, 2},  {3, 3},           {100, 102},       {250, 256},
      {1000, 1024}, {1500, 1536}, {-5, 2}, {256000, 262144}, {300000, 262144}, {INT64_MAX, 262144}};
  for (auto [milli, shares] : cases) {
    INFO(milli);
    CHECK(MilliCpuToShares(milli) == shares);
  }
}

TEST_CASE("milli-CPU as quota") {
  CHECK(MilliCpuToQuota(0) == 0);
  CHECK(MilliCpuToQuota(1) == 1000);
  CHECK(MilliCpuToQuota(10) == 1000);
  CHECK(MilliCpuToQuota(11) == 1100);
  CHECK(MilliCpuToQuota(1500) == 150000);
  CHECK(MilliCpuToQuota(1500, 5000) == 7500);
  CHECK(MilliCpuToQuota(INT64_MAX) == (int64_t{1} << 44) - 1);
}

const char kGuaranteed[] =
    "containers: [{name: a, resources: {limits: {cpu: 500m, memory: 64Mi}, "
    "requests: {cpu: 500m, memory: 64Mi}}}]";
const char kBurstable[] = "containers: [{name: a, resources: {requests: {cpu: 250m}}}, {name: b}]";
const char kBurstableLimited[] =
    "containers: [{name: a, resources: {requests: {cpu: 100m, memory: 1Mi}, limits: {cpu: '1', "
    "memory: 8Mi}}}]";

TEST_CASE("a pod's group: quota and memory limit only when everything is limited") {
  PodCgroupOptions options;
  CgroupValues values;
  values.cpu_shares = 512;
  values.cpu_quota_us = 50000;
  values.cpu_period_us = 100000;
  values.memory_bytes = 64 << 20;
  CHECK(ComputePodCgroup(PodOf(kGuaranteed), options) == values);

  values = {};
  values.cpu_shares = 256;
  CHECK(ComputePodCgroup(PodOf(kBurstable), options) == values);

  values.cpu_shares = 102;
  values.cpu_quota_us = 100000;
  values.cpu_period_us = 100000;
  values.memory_bytes = 8 << 20;
  CHECK(ComputePodCgroup(PodOf(kBurstableLimited), options) == values);

  values = {};
  values.cpu_shares = 2;
  CHECK(ComputePodCgroup(PodOf("containers: [{name: a}]"), options) == values);
}

TEST_CASE("a memory limit on one of two containers is none of the pod") {
  auto values = ComputePodCgroup(
      PodOf("containers: [{name: a, resources: {limits: {cpu: '1', memory: 8Mi}}}, "
            "{name: b, resources: {limits: {cpu: '1'}}}]"),
      {});
  CHECK_FALSE(values.memory_bytes);
  CHECK(values.cpu_quota_us == 200000);
}

TEST_CASE("limits of the pod itself count for unlimited containers") {
  auto values = ComputePodCgroup(
      PodOf("{resources: {limits: {cpu: '2', memory: 16Mi}}, containers: [{name: a}]}"), {});
  CHECK(values.cpu_quota_us == 200000);
  CHECK(values.memory_bytes == 16 << 20);
}

TEST_CASE("quota off, another period, a limit of processes") {
  PodCgroupOptions options;
  options.cpu_cfs_quota = false;
  options.quota_period = std::chrono::microseconds(10000);
  options.pod_pids_limit = 77;
  auto values = ComputePodCgroup(PodOf(kGuaranteed), options);
  CHECK(values.cpu_quota_us == -1);
  CHECK(values.cpu_period_us == 10000);
  CHECK(values.pids == 77);
  options.cpu_cfs_quota = true;
  CHECK(ComputePodCgroup(PodOf(kGuaranteed), options).cpu_quota_us == 5000);
  options.pod_pids_limit = 0;
  CHECK_FALSE(ComputePodCgroup(PodOf(kGuaranteed), options).pids);
}

TEST_CASE("huge pages: what is asked for, and 0 of every other size") {
  PodCgroupOptions options;
  options.huge_page_sizes = {2 << 20, 1 << 30};
  auto values = ComputePodCgroup(
      PodOf("containers: [{name: a, resources: {limits: {hugepages-2Mi: 4Mi, cpu: 1, memory: 1Mi}, "
            "requests: {hugepages-2Mi: 4Mi}}}]"),
      options);
  CHECK(values.hugetlb_bytes == std::map<std::string, int64_t>{{"2MB", 4 << 20}, {"1GB", 0}});
  CHECK(ComputeQosCgroup(api::QosClass::kBurstable, 1000, options).hugetlb_bytes ==
        std::map<std::string, int64_t>{{"2MB", -1}, {"1GB", -1}});
}

TEST_CASE("the groups of the classes") {
  PodCgroupOptions options;
  CHECK(ComputeQosCgroup(api::QosClass::kBestEffort, std::nullopt, options).cpu_shares == 2);
  CHECK_FALSE(ComputeQosCgroup(api::QosClass::kBurstable, std::nullopt, options).cpu_shares);
  CHECK(ComputeQosCgroup(api::QosClass::kBurstable, 1500, options).cpu_shares == 1536);
  CHECK(ComputeQosCgroup(api::QosClass::kBurstable, 0, options).cpu_shares == 2);
  CHECK(QosCgroupName("/", api::QosClass::kGuaranteed) == os::CgroupName{"kubepods"});
  CHECK(PodCgroupName("/a/b", api::QosClass::kBestEffort, "1-2") ==
        os::CgroupName{"a", "b", "kubepods", "besteffort", "pod1-2"});
}

TEST_CASE("kubepods gets what is not reserved, or all of it when that is not enforced") {
  PodCgroupOptions options;
  options.capacity = {4000, 8 << 20, 1000, {{2 << 20, 8 << 20}}};
  options.kube_reserved.cpu_milli = 500;
  options.kube_reserved.memory_bytes = 1 << 20;
  options.system_reserved = {500, 9 << 20, 100, {{2 << 20, 2 << 20}}};
  options.huge_page_sizes = {2 << 20, 1 << 30};
  auto values = ComputeRootCgroup(options);
  CHECK(values.cpu_shares == 3072);
  CHECK(values.memory_bytes == 0);  // more reserved than there is
  CHECK(values.pids == 900);
  CHECK(values.hugetlb_bytes == std::map<std::string, int64_t>{{"2MB", 6 << 20}, {"1GB", 0}});
  options.enforce_pods = false;
  values = ComputeRootCgroup(options);
  CHECK(values.cpu_shares == 4096);
  CHECK(values.memory_bytes == 8 << 20);
  CHECK(values.pids == 1000);
}

TEST_CASE("reserved groups: everything, CPU only, nothing") {
  PodCgroupOptions options;
  NodeAmounts reserved{500, 1 << 20, 10, {}};
  auto all = ComputeReservedCgroup(reserved, Enforcement::kAll, options);
  CHECK(all.cpu_shares == 512);
  CHECK(all.memory_bytes == 1 << 20);
  CHECK(all.pids == 10);
  CgroupValues cpu;
  cpu.cpu_shares = 512;
  CHECK(ComputeReservedCgroup(reserved, Enforcement::kCompressible, options) == cpu);
  CHECK(ComputeReservedCgroup(reserved, Enforcement::kNone, options) == CgroupValues());
  CHECK(ComputeReservedCgroup({}, Enforcement::kAll, options) == CgroupValues());
}

int64_t ScoreOf(const api::core::Pod& pod, int container = 0, int64_t capacity = 1000 << 20) {
  return ComputeOomScoreAdj(pod, pod.spec().containers(container), capacity);
}

api::core::Pod Requesting(const std::string& memory) {
  return PodOf("containers: [{name: a, resources: {requests: {memory: " + memory + "}}}]");
}

TEST_CASE("the OOM score follows the class, and the request in Burstable pods") {
  CHECK(ScoreOf(PodOf(kGuaranteed)) == -997);
  CHECK(ScoreOf(PodOf("containers: [{name: a}]")) == 1000);
  CHECK(ScoreOf(Requesting("500Mi")) == 500);
  CHECK(ScoreOf(Requesting("1Mi")) == 999);
  CHECK(ScoreOf(Requesting("1")) == 999);     // never as bad as BestEffort
  CHECK(ScoreOf(Requesting("1000Mi")) == 3);  // never as good as Guaranteed
  CHECK(ScoreOf(Requesting("8Ei")) == 3);
  CHECK(ScoreOf(Requesting("1Mi"), 0, 0) == 999);
  CHECK(ScoreOf(PodOf(kBurstable), 1) == 999);
}

TEST_CASE("node critical pods are the last: the class name alone does not do it") {
  auto pod = PodOf("{priorityClassName: system-node-critical, containers: [{name: a}]}");
  CHECK(ScoreOf(pod) == 1000);
  pod.mutable_spec()->set_priority(2000001000);
  CHECK(ScoreOf(pod) == -997);
  pod.mutable_spec()->set_priority_class_name("system-cluster-critical");
  CHECK(ScoreOf(pod) == 1000);
}

TEST_CASE("what a pod asks for beyond its containers counts for all of them alike") {
  auto pod = PodOf(
      "{resources: {requests: {memory: 400Mi}}, initContainers: [{name: i}], overhead: {memory: "
      "500Mi}, "
      "containers: [{name: a, resources: {requests: {memory: 100Mi}}}, {name: b}]}");
  CHECK(ScoreOf(pod, 0) == 800);  // 100 + 300/3 of 1000
  CHECK(ScoreOf(pod, 1) == 900);
}

TEST_CASE("a sidecar is not killed before the smallest regular container") {
  auto pod = PodOf(
      "{initContainers: [{name: s, restartPolicy: Always, resources: {requests: {memory: 10Mi}}}, "
      "{name: i}], "
      "containers: [{name: a, resources: {requests: {memory: 300Mi}}}, "
      "{name: b, resources: {requests: {memory: 200Mi}}}]}");
  CHECK(ComputeOomScoreAdj(pod, pod.spec().init_containers(0), 1000 << 20) == 800);
  CHECK(ComputeOomScoreAdj(pod, pod.spec().init_containers(1), 1000 << 20) == 999);
  CHECK(ScoreOf(pod, 0) == 700);
}

}  // namespace
}  // namespace kubelet::resource
