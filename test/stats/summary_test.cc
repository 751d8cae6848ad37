// /stats/summary of a node of fake control groups.
#include <boost/json.hpp>

#include "kubelet/os/disk_usage.h"
#include "stats/rig.h"

namespace kubelet::stats {
namespace {

namespace json = boost::json;
using std::chrono::seconds;
using test::GroupNumbers;
using test::Rig;
using test::WriteText;

json::value Summary(Rig& rig, bool only_cpu_and_memory = false) {
  return json::parse(rig.Await(rig.stats().Summary(only_cpu_and_memory)));
}

const json::object& PodOf(const json::value& summary, const std::string& name) {
  for (const auto& pod : summary.at("pods").as_array())
    if (pod.at("podRef").at("name").as_string() == name) return pod.as_object();
  FAIL("no pod " + name);
  throw 0;
}

int64_t UsedBy(const std::string& path) {
  auto usage = os::UsageOfTree(path);
  REQUIRE(usage.ok());
  REQUIRE(usage->bytes > 0);
  return static_cast<int64_t>(usage->bytes);
}

int64_t Number(const json::value& value) {
  return value.is_double() ? static_cast<int64_t>(value.as_double()) : value.to_number<int64_t>();
}

TEST_CASE("the node, its system containers and a pod") {
  bool v2 = GENERATE(false, true);
  Rig rig(v2);
  GroupNumbers n;
  n.memory_limit = "20000000";
  n.pids = {5, 6};
  rig.AddPod("a", n);
  auto summary = Summary(rig);
  const auto& node = summary.at("node");
  CHECK(node.at("nodeName").as_string() == "n1");
  CHECK(node.at("startTime").as_string() == "2020-09-13T12:26:40Z");
  CHECK(Number(node.at("cpu").at("usageCoreNanoSeconds")) == 1'500'000'000);
  // The machine's memory is the limit of the root.
  int64_t used = Number(node.at("memory").at("workingSetBytes"));
  CHECK(Number(node.at("memory").at("availableBytes")) == 16'000'000 - used);
  CHECK(node.at("network").at("name").as_string().empty());
  CHECK(node.at("network").at("interfaces").at(0).at("name").as_string() == "ens5");
  CHECK(Number(node.at("rlimit").at("maxpid")) == 4096);
  CHECK(Number(node.at("rlimit").at("curproc")) == 77);
  CHECK(Number(node.at("fs").at("capacityBytes")) > 0);
  std::set<std::string> system;
  for (const auto& c : node.at("systemContainers").as_array())
    system.insert(std::string(c.at("name").as_string()));
  CHECK(system == std::set<std::string>{"kubelet", "pods"});

  const auto& pod = PodOf(summary, "a");
  CHECK(pod.at("podRef").at("uid").as_string() == "uid-a");
  CHECK(pod.at("startTime").as_string() == "2023-11-14T22:13:20Z");
  CHECK(Number(pod.at("network").at("rxBytes")) == 5000);
  CHECK(Number(pod.at("network").at("txErrors")) == 7);
  CHECK(Number(pod.at("process_stats").at("process_count")) == 2);
  const auto& container = pod.at("containers").at(0);
  CHECK(container.at("name").as_string() == "c");
  const auto& memory = container.at("memory");
  CHECK(Number(memory.at("usageBytes")) == 9'000'000);
  CHECK(Number(memory.at("workingSetBytes")) == 8'000'000);
  CHECK(Number(memory.at("availableBytes")) == 12'000'000);
  CHECK(Number(memory.at("rssBytes")) == 3'000'000);
  CHECK(Number(memory.at("pageFaults")) == 123);
  CHECK(Number(memory.at("majorPageFaults")) == 7);
  CHECK(Number(container.at("swap").at("swapUsageBytes")) == 70'000);
  const auto& psi = container.at("cpu").at("psi").at("some");
  CHECK(Number(psi.at("total")) == (v2 ? 2'500'000 : 0));
  CHECK(container.at("io").at("psi").at("full").as_object().contains("avg300"));
}

TEST_CASE("speeds are those of now: a second look when nobody has looked for long") {
  Rig rig;
  rig.AddPod("a");
  const std::string pod = "/kubepods/burstable/poduid-a", group = pod + "/id-a";
  auto cpu_of = [&] {
    auto summary = Summary(rig);
    return Number(PodOf(summary, "a").at("containers").at(0).at("cpu").at("usageNanoCores"));
  };
  auto began = rig.clock.Mono();
  CHECK(cpu_of() == 0);  // nothing was used between the two looks
  CHECK(rig.clock.Mono() - began >= std::chrono::milliseconds(500));
  GroupNumbers n;
  rig.clock.Advance(seconds(10));
  n.cpu_us += 5'000'000;
  for (const auto& g : {pod, group}) rig.tree.Set(g, n);
  int64_t half = cpu_of();  // five seconds of CPU in ten
  CHECK(half > 450'000'000);
  CHECK(half < 510'000'000);
  rig.clock.Advance(std::chrono::minutes(10));
  n.cpu_us += 60'000'000;
  for (const auto& g : {pod, group}) rig.tree.Set(g, n);
  CHECK(cpu_of() == 0);  // of the last half second, not of ten minutes
}

TEST_CASE("CPU and memory only") {
  Rig rig;
  rig.AddPod("a");
  auto summary = Summary(rig, true);
  const auto& node = summary.at("node").as_object();
  for (const char* key : {"cpu", "memory", "swap"}) CHECK(node.contains(key));
  for (const char* key : {"network", "fs", "rlimit", "runtime", "io"})
    CHECK_FALSE(node.contains(key));
  const auto& pod = PodOf(summary, "a");
  for (const char* key : {"network", "volume", "ephemeral-storage", "process_stats", "io"})
    CHECK_FALSE(pod.contains(key));
  CHECK(pod.at("containers").at(0).at("cpu").is_object());
  CHECK_FALSE(pod.at("containers").at(0).as_object().contains("rootfs"));
  CHECK(rig.cri.asked == 0);
}

TEST_CASE("disk: writable layers from the runtime, volumes and logs by their files") {
  base::Registry registry;  // outlives the rig, whose last walks still count in it
  Rig rig;
  rig.AddPod("a");
  auto at = base::WallFromUnixNanos(1'699'999'990'000'000'000);
  rig.cri.Wrote("id-a", {at, rig.disk.path(), 4444, 44});
  rig.cri.info.image_filesystems.push_back({at, rig.disk.path(), 5555, 55});
  std::string data = rig.options.root_dir + "/pods/uid-a/volumes/kubernetes.io~empty-dir/data";
  WriteText(data + "/file", std::string(9000, 'x'));
  rig.volumes["a"] = {{"data", data, true}};
  os::Filesystem room;
  room.capacity = 1000;
  room.free = 400;
  room.available = 300;
  room.inodes = 50;
  room.inodes_free = 20;
  rig.own["a"] = {{"claimed", "pvc", "ns", room}, {"share", "", "", room}};
  WriteText(rig.options.pod_logs_dir + "/ns_a_uid-a/c/0.log", std::string(5000, 'x'));
  rig.own["a"].push_back({"device", "", "", room, true, seconds(3)});
  rig.stats().AddMetrics(registry);
  auto summary = Summary(rig);
  const auto& pod = PodOf(summary, "a");
  const auto& container = pod.at("containers").at(0);
  CHECK(Number(container.at("rootfs").at("usedBytes")) == 4444);
  CHECK(container.at("rootfs").at("time").as_string() == "2023-11-14T22:13:10Z");
  CHECK(Number(container.at("rootfs").at("capacityBytes")) > 0);
  int64_t log = UsedBy(rig.options.pod_logs_dir + "/ns_a_uid-a/c/0.log");
  CHECK(Number(container.at("logs").at("usedBytes")) == log);
  CHECK(Number(container.at("logs").at("inodesUsed")) == 1);
  REQUIRE(pod.at("volume").as_array().size() == 4);
  const auto& volume = pod.at("volume").at(0);
  CHECK(volume.at("name").as_string() == "data");
  int64_t bytes = Number(volume.at("usedBytes"));
  CHECK(bytes == UsedBy(data));
  CHECK(Number(volume.at("inodesUsed")) == 2);
  const auto& claimed = pod.at("volume").at(1);
  CHECK(claimed.at("pvcRef").at("name").as_string() == "pvc");
  CHECK(claimed.at("pvcRef").at("namespace").as_string() == "ns");
  CHECK(Number(claimed.at("capacityBytes")) == 1000);
  CHECK(Number(claimed.at("usedBytes")) == 600);
  CHECK(Number(claimed.at("availableBytes")) == 300);
  CHECK(Number(claimed.at("inodesUsed")) == 30);
  CHECK_FALSE(pod.at("volume").at(2).as_object().contains("pvcRef"));
  CHECK(Number(pod.at("ephemeral-storage").at("usedBytes")) == 4444 + log + bytes);
  CHECK(Number(summary.at("node").at("runtime").at("imageFs").at("usedBytes")) == 5555);
  CHECK(Number(summary.at("node").at("runtime").at("containerFs").at("inodesUsed")) == 55);

  rig.stats().FillMetrics();
  std::string text = registry.Render();
  for (const char* line : {"count{metric_source=\"du\"} 1", "count{metric_source=\"statfs\"} 2",
                           "sum{metric_source=\"statfs\"} 0", "count{metric_source=\"block\"} 1",
                           "sum{metric_source=\"block\"} 3"}) {
    INFO(line);
    CHECK(text.find(std::string("kubelet_volume_metric_collection_duration_seconds_") + line +
                    "\n") != std::string::npos);
  }
  const std::string of = "{namespace=\"ns\",persistentvolumeclaim=\"pvc\"} ";
  for (const auto& [name, value] : std::map<std::string, int>{{"capacity_bytes", 1000},
                                                              {"available_bytes", 300},
                                                              {"used_bytes", 600},
                                                              {"inodes", 50},
                                                              {"inodes_free", 20},
                                                              {"inodes_used", 30}}) {
    INFO(name);
    CHECK(text.find("kubelet_volume_stats_" + name + of + std::to_string(value) + "\n") !=
          std::string::npos);
  }
  // One that answers no more has no figures.
  rig.own.clear();
  rig.clock.Advance(seconds(70));
  for (int i = 0; i < 500; ++i) {
    Summary(rig);
    rig.clock.Advance(std::chrono::milliseconds(10));
    rig.stats().FillMetrics();
    if (registry.Render().find("kubelet_volume_stats_capacity_bytes{") == std::string::npos) break;
  }
  CHECK(registry.Render().find("kubelet_volume_stats_capacity_bytes{") == std::string::npos);
  CHECK(text.find(
            "kubelet_container_log_filesystem_used_bytes{uid=\"uid-a\",namespace=\"ns\",pod=\"a\","
            "container=\"c\"} " +
            std::to_string(log) + "\n") != std::string::npos);
}

TEST_CASE("what containers write may lie on another disk than images") {
  Rig rig;
  auto at = rig.clock.Now();
  std::string here = rig.disk.path(), below = rig.disk / "below", elsewhere = "/proc";
  std::filesystem::create_directories(below);
  auto used = [&](const std::string& containers) {
    rig.cri.info.image_filesystems = {{at, here, 5555, 55}};
    rig.cri.info.container_filesystems = {{at, containers, 6666, 66}};
    rig.clock.Advance(seconds(11));
    auto summary = Summary(rig);
    const auto& runtime = summary.at("node").at("runtime");
    CHECK(Number(runtime.at("imageFs").at("usedBytes")) == 5555);
    CHECK(Number(runtime.at("imageFs").at("capacityBytes")) > 0);
    CHECK(runtime.at("containerFs").as_object().contains("capacityBytes"));
    return Number(runtime.at("containerFs").at("usedBytes"));
  };
  CHECK(used(elsewhere) == 6666);
  CHECK(used(here) == 5555);
  CHECK(used(below) == 5555);
}

TEST_CASE("a container without a control group has the figures of the runtime") {
  Rig rig;
  rig.AddPod("a");
  bool per_qos = GENERATE(true, false);
  rig.per_qos = per_qos;
  if (per_qos) rig.tree.Remove("/kubepods/burstable/poduid-a/id-a");
  rig.cri.Used("id-a", rig.clock.Now());
  bool only = GENERATE(true, false);
  auto summary = Summary(rig, only);
  const auto& shown = PodOf(summary, "a");
  CHECK(shown.contains("cpu") == per_qos);
  CHECK(shown.contains("memory") == per_qos);
  const auto& container = shown.at("containers").at(0);
  CHECK(container.at("name").as_string() == "c");
  CHECK(Number(container.at("cpu").at("usageCoreNanoSeconds")) == 2'500'000'000);
  CHECK(Number(container.at("cpu").at("usageNanoCores")) == 100'000'000);
  CHECK(container.at("cpu").at("time").as_string() == "2023-11-14T22:13:20Z");
  const auto& memory = container.at("memory");
  CHECK(Number(memory.at("workingSetBytes")) == 3'000'000);
  CHECK(Number(memory.at("usageBytes")) == 4'000'000);
  CHECK(Number(memory.at("rssBytes")) == 2'000'000);
  CHECK(Number(memory.at("availableBytes")) == 5'000'000);
  CHECK(Number(memory.at("pageFaults")) == 11);
  CHECK(Number(memory.at("majorPageFaults")) == 12);
  CHECK(Number(container.at("swap").at("swapUsageBytes")) == 13);
  // Nobody told of pressure.
  CHECK_FALSE(container.as_object().contains("io"));
  CHECK_FALSE(container.at("cpu").as_object().contains("psi"));
  CHECK(rig.cri.asked == 1);
}

TEST_CASE("speed by what the runtime said before, when it tells none; no limit, no room") {
  Rig rig;
  rig.AddPod("a");
  rig.per_qos = false;
  auto told = rig.clock.Now();
  auto tell = [&](uint64_t used_ns) {
    rig.cri.containers.clear();
    rig.cri.Used("id-a", rig.clock.Now());
    rig.cri.containers[0].cpu->used_ns = used_ns;
    rig.cri.containers[0].cpu->nano_cores.reset();
    rig.cri.containers[0].memory->available = 0;
    auto summary = Summary(rig);
    return PodOf(summary, "a").at("containers").at(0);
  };
  auto first = tell(1'000'000'000);
  CHECK_FALSE(first.at("cpu").as_object().contains("usageNanoCores"));
  CHECK_FALSE(first.at("memory").as_object().contains("availableBytes"));
  rig.clock.Advance(seconds(20));
  auto passed = rig.clock.Now() - told;
  auto second = tell(1'000'000'000 + static_cast<uint64_t>(passed.count()) / 4);
  CHECK(Number(second.at("cpu").at("usageNanoCores")) / 1000 == 250'000);
}

TEST_CASE("files are counted once a minute, and the answer tells how old that is") {
  Rig rig;
  rig.AddPod("a");
  std::string data = rig.options.root_dir + "/pods/uid-a/v";
  WriteText(data + "/file", "x");
  rig.volumes["a"] = {{"data", data, true}};
  auto inodes = [&] {
    auto summary = Summary(rig);
    return Number(PodOf(summary, "a").at("volume").at(0).at("inodesUsed"));
  };
  CHECK(inodes() == 2);
  WriteText(data + "/more", "x");
  rig.clock.Advance(seconds(30));
  CHECK(inodes() == 2);
  rig.clock.Advance(seconds(40));
  inodes();  // begins to count, answers with what there is
  for (int i = 0; i < 200 && inodes() == 2; ++i) rig.clock.Advance(std::chrono::milliseconds(10));
  CHECK(inodes() == 3);
}

TEST_CASE("a runtime that does not answer costs its own figures only") {
  Rig rig;
  rig.AddPod("a");
  rig.cri.fail = absl::UnavailableError("down");
  auto summary = Summary(rig);
  CHECK(PodOf(summary, "a").at("containers").at(0).at("cpu").is_object());
  CHECK_FALSE(PodOf(summary, "a").at("containers").at(0).as_object().contains("rootfs"));
  CHECK_FALSE(summary.at("node").as_object().contains("runtime"));
}

TEST_CASE("text of pods is JSON whatever it holds") {
  Rig rig;
  auto pod = rig.AddPod("a");
  pod->containers[0].name = "q\"\\\n\x01";
  auto summary = Summary(rig);
  CHECK(PodOf(summary, "a").at("containers").at(0).at("name").as_string() == "q\"\\\n\x01");
}

TEST_CASE("pods of which nothing runs are not there") {
  Rig rig;
  auto pod = rig.AddPod("a");
  pod->containers[0].state = runtime::ContainerState::kExited;
  CHECK(Summary(rig).at("pods").as_array().empty());
}

}  // namespace
}  // namespace kubelet::stats
