#include "kubelet/eviction/choice.h"

#include "catch.h"
#include "kubelet/api/codec.h"

namespace kubelet::eviction {
namespace {

using std::chrono::seconds;
using Names = std::vector<std::string>;

constexpr FsLayout kOneDisk{}, kImageDisk{true, false}, kSplit{true, true};

// `spec` is the inside of a pod's spec besides containers and priority.
struct PodRow {
  std::string name;
  int priority = 0;
  std::string resources = "{}";  // of its container `c`
  std::string spec;
};

api::PodPtr Make(const PodRow& row) {
  std::string json = R"({"metadata":{"name":")" + row.name + R"(","uid":")" + row.name +
                     R"("},"spec":{"priority":)" + std::to_string(row.priority) +
                     (row.spec.empty() ? "" : "," + row.spec) +
                     R"(,"containers":[{"name":"c","resources":)" + row.resources + "}]}}";
  auto pod = std::make_shared<api::core::Pod>();
  auto decoded = api::DecodeJson(json, *pod);
  INFO(json << " " << decoded.ToString());
  REQUIRE(decoded.ok());
  return pod;
}

Names NamesOf(const Pods& pods) {
  Names out;
  for (const auto& pod : pods) out.push_back(pod->metadata().name());
  return out;
}

runtime::PodUsage Memory(uint64_t bytes) {
  runtime::PodUsage usage;
  usage.memory = bytes;
  usage.containers.push_back({"c", bytes, {}, {}});
  return usage;
}

runtime::PodUsage Files(uint64_t rootfs, uint64_t logs, uint64_t volume, uint64_t inodes = 1) {
  runtime::PodUsage usage;
  usage.containers.push_back(
      {"c", {}, runtime::FilesUsage{rootfs, inodes}, runtime::FilesUsage{logs, 0}});
  usage.volumes["v"] = {volume, 0};
  usage.ephemeral = runtime::FilesUsage{rootfs + logs + volume, inodes};
  return usage;
}

constexpr char kVolume[] = R"("volumes":[{"name":"v","emptyDir":{}}])";

std::string Request(const char* resource, const char* amount) {
  return std::string(R"({"requests":{")") + resource + "\":\"" + amount + "\"}}";
}
std::string Limit(const char* resource, const char* amount) {
  return std::string(R"({"limits":{")") + resource + "\":\"" + amount + "\"}}";
}

TEST_CASE("memory: unknown, beyond requests, lower priority, larger use beyond requests") {
  Pods pods = {Make({"within", 0, Request("memory", "100")}),
               Make({"important", 10, Request("memory", "10")}),
               Make({"small", 5}),
               Make({"large", 5}),
               Make({"asked", 5, Request("memory", "400")}),
               Make({"new", 1000})};
  runtime::PodUsages usages = {{"within", Memory(100)},
                               {"important", Memory(5000)},
                               {"small", Memory(50)},
                               {"large", Memory(60)},
                               {"asked", Memory(455)}};
  Rank(Signal::kMemoryAvailable, kOneDisk, usages, pods);
  CHECK(NamesOf(pods) == Names{"new", "large", "asked", "small", "important", "within"});
}

TEST_CASE("process ids: lower priority, then more processes") {
  Pods pods = {Make({"one"}), Make({"many"}), Make({"most", 7}), Make({"unknown"})};
  runtime::PodUsages usages;
  usages["one"].processes = 1;
  usages["many"].processes = 100;
  usages["most"].processes = 1000;
  Rank(Signal::kPidAvailable, kOneDisk, usages, pods);
  CHECK(NamesOf(pods) == Names{"unknown", "many", "one", "most"});
}

TEST_CASE("disk: what counts depends on where images and containers lie") {
  Pods made = {Make({"layer", 0, "{}", kVolume}), Make({"logger", 0, "{}", kVolume}),
               Make({"volume", 0, "{}", kVolume})};
  runtime::PodUsages usages = {
      {"layer", Files(300, 1, 1)}, {"logger", Files(1, 200, 2)}, {"volume", Files(2, 3, 150)}};
  struct Row {
    Signal signal;
    FsLayout layout;
    Names want;
  };
  auto row = GENERATE(values<Row>({
      {Signal::kNodeFsAvailable, kOneDisk, {"layer", "logger", "volume"}},
      {Signal::kImageFsAvailable, kOneDisk, {"layer", "logger", "volume"}},
      {Signal::kNodeFsAvailable, kImageDisk, {"logger", "volume", "layer"}},
      {Signal::kImageFsAvailable, kImageDisk, {"layer", "volume", "logger"}},
      {Signal::kContainerFsAvailable, kImageDisk, {"layer", "volume", "logger"}},
      {Signal::kNodeFsAvailable, kSplit, {"layer", "logger", "volume"}},
      {Signal::kContainerFsAvailable, kSplit, {"layer", "logger", "volume"}},
      {Signal::kImageFsAvailable, kSplit, {"layer", "logger", "volume"}},  // all zero: stable
  }));
  INFO(SignalName(row.signal) << " " << row.layout.dedicated_image_fs
                              << row.layout.split_container_fs);
  Pods pods = made;
  Rank(row.signal, row.layout, usages, pods);
  CHECK(NamesOf(pods) == row.want);
}

TEST_CASE("volumes count when they take room on the node's disk") {
  Pods pods = {
      Make({"memory", 0, "{}", R"("volumes":[{"name":"v","emptyDir":{"medium":"Memory"}}])"}),
      Make({"secret", 0, "{}", R"("volumes":[{"name":"v","secret":{"secretName":"s"}}])"}),
      Make({"host", 0, "{}", R"("volumes":[{"name":"v","hostPath":{"path":"/x"}}])"}),
      Make({"map", 0, "{}", R"("volumes":[{"name":"v","configMap":{"name":"m"}}])"})};
  runtime::PodUsages usages;
  for (const auto& pod : pods) usages[pod->metadata().name()] = Files(0, 0, 100);
  usages["map"] = Files(0, 0, 50);
  Rank(Signal::kNodeFsAvailable, kOneDisk, usages, pods);
  CHECK(NamesOf(pods) == Names{"host", "map", "memory", "secret"});
}

TEST_CASE("inodes are counted as such") {
  Pods pods = {Make({"none"}), Make({"few"}), Make({"many"})};
  runtime::PodUsages usages = {
      {"none", Files(9000, 0, 0, 0)}, {"few", Files(1, 0, 0, 3)}, {"many", Files(1, 0, 0, 9)}};
  Rank(Signal::kNodeFsInodesFree, kOneDisk, usages, pods);
  CHECK(NamesOf(pods) == Names{"many", "few", "none"});
}

TEST_CASE("what the node removes before any pod") {
  struct Row {
    Signal signal;
    FsLayout layout;
    bool containers, images;
  };
  auto row = GENERATE(values<Row>({
      {Signal::kMemoryAvailable, kOneDisk, false, false},
      {Signal::kPidAvailable, kOneDisk, false, false},
      {Signal::kNodeFsAvailable, kOneDisk, true, true},
      {Signal::kImageFsInodesFree, kOneDisk, true, true},
      {Signal::kNodeFsAvailable, kImageDisk, false, false},
      {Signal::kImageFsAvailable, kImageDisk, true, true},
      {Signal::kContainerFsAvailable, kImageDisk, true, true},
      {Signal::kNodeFsInodesFree, kSplit, true, false},
      {Signal::kContainerFsAvailable, kSplit, true, false},
      {Signal::kImageFsAvailable, kSplit, false, true},
  }));
  auto reclaim = ReclaimFor(row.signal, row.layout);
  CHECK(reclaim.dead_containers == row.containers);
  CHECK(reclaim.unused_images == row.images);
}

Shortage Short(const char* signal, const char* value, Left left, base::Nanos grace = {}) {
  Config config;
  (grace == base::Nanos(0) ? config.hard : config.soft)[signal] = value;
  config.soft_grace[signal] = grace;
  config.allocatable_memory = false;
  Shortage shortage;
  shortage.due = MakeThresholds(config);
  shortage.observations[*SignalOf(signal)] = left;
  return shortage;
}

TEST_CASE("critical pods are never chosen") {
  Pods pods = {Make({"system", 2000000000}), Make({"ordinary", 1999999999})};
  auto shortage = Short("memory.available", "1Gi", {1 << 20, 1 << 30});
  auto victim = ChooseVictim(shortage, {}, pods);
  REQUIRE(victim);
  CHECK(victim->pod->metadata().name() == "ordinary");
  pods.pop_back();
  CHECK_FALSE(ChooseVictim(shortage, {}, pods));
}

TEST_CASE("the grace period: a second for hard thresholds, the smaller one for soft ones") {
  struct Row {
    base::Nanos grace;
    int cap;
    const char* spec;
    int want;
  };
  auto row = GENERATE(values<Row>({
      {seconds(0), 60, R"("terminationGracePeriodSeconds":30)", 1},
      {seconds(5), 60, R"("terminationGracePeriodSeconds":30)", 30},
      {seconds(5), 10, R"("terminationGracePeriodSeconds":30)", 10},
      {seconds(5), 0, R"("terminationGracePeriodSeconds":30)", 0},
  }));
  auto shortage = Short("memory.available", "1Gi", {1 << 20, 1 << 30}, row.grace);
  shortage.max_grace = seconds(row.cap);
  auto victim = ChooseVictim(shortage, {}, {Make({"p", 0, "{}", row.spec})});
  REQUIRE(victim);
  CHECK(victim->grace == seconds(row.want));
  CHECK(victim->disruption);
}

TEST_CASE("message and annotations of a pod that had to go") {
  SECTION("memory") {
    auto shortage = Short("memory.available", "100Mi", {50 << 20, 1 << 30});
    auto victim = ChooseVictim(shortage, {{"p", Memory(3 << 20)}},
                               {Make({"p", 0, Request("memory", "1Mi")})});
    REQUIRE(victim);
    CHECK(victim->signal == "memory.available");
    CHECK(victim->message ==
          "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
          "Container c was using 3Mi, request is 1Mi, has larger consumption of memory. ");
    CHECK(victim->annotations ==
          std::map<std::string, std::string>{{"offending_containers", "c"},
                                             {"offending_containers_usage", "3Mi"},
                                             {"starved_resource", "memory"}});
  }
  SECTION("nothing beyond requests") {
    auto shortage = Short("memory.available", "10%", {50 << 20, 1 << 30});
    auto victim = ChooseVictim(shortage, {{"p", Memory(1 << 20)}},
                               {Make({"p", 0, Request("memory", "1Mi")})});
    REQUIRE(victim);
    CHECK(victim->message ==
          "The node was low on resource: memory. Threshold quantity: 107374184, available: 50Mi. ");
    CHECK(victim->annotations["offending_containers"].empty());
  }
  SECTION("pod level resources") {
    auto shortage = Short("memory.available", "100Mi", {50 << 20, 1 << 30});
    auto pod = Make({"p", 0, "{}", R"("resources":{"requests":{"memory":"1Gi"}})"});
    auto victim = ChooseVictim(shortage, {{"p", Memory(3 << 20)}}, {pod});
    REQUIRE(victim);
    CHECK(victim->message.find("Pod p was using 3Mi, request is 1Gi, has larger consumption of "
                               "memory. Container c was using 3Mi, request is 0,") !=
          std::string::npos);
    CHECK(victim->annotations["offending_pod_usage"] == "3Mi");
    shortage.pod_level_resources = false;
    CHECK(ChooseVictim(shortage, {{"p", Memory(3 << 20)}}, {pod})->message.find("Pod p") ==
          std::string::npos);
  }
  SECTION("disk") {
    auto shortage = Short("nodefs.available", "1Gi", {1 << 20, 1 << 30});
    auto victim = ChooseVictim(shortage, {{"p", Files(4096, 1, 7)}}, {Make({"p"})});
    REQUIRE(victim);
    CHECK(victim->message ==
          "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi, available: "
          "1Mi. Container c was using 4097, request is 0, has larger consumption of "
          "ephemeral-storage. ");
  }
  SECTION("process ids, of a pod of which nothing is known") {
    auto shortage = Short("pid.available", "2k", {1000, 32768});
    auto victim = ChooseVictim(shortage, {}, {Make({"p"})});
    REQUIRE(victim);
    CHECK(victim->message ==
          "The node was low on resource: pids. Threshold quantity: 2k, available: 1k. ");
    CHECK(victim->annotations.empty());
  }
}

TEST_CASE("limits of storage: emptyDir, all containers together, one of them") {
  const char* sized = R"("volumes":[{"name":"v","emptyDir":{"sizeLimit":"100"}}])";
  struct Row {
    PodRow pod;
    runtime::PodUsage usage;
    FsLayout layout;
    const char *signal, *message;
  };
  // The pod has other files as well, so its own limit does not hide the container's.
  auto container = Files(60, 41, 0);
  container.ephemeral = runtime::FilesUsage{100, 0};
  auto row = GENERATE_COPY(values<Row>({
      {{"p", 0, "{}", sized},
       Files(0, 0, 101),
       kOneDisk,
       "emptydirfs.limit",
       "Usage of EmptyDir volume \"v\" exceeds the limit \"100\". "},
      {{"p", 0, "{}", sized}, Files(500, 0, 100), kOneDisk, nullptr, nullptr},
      {{"p", 0, "{}", kVolume}, Files(500, 0, 100), kOneDisk, nullptr, nullptr},
      {{"p", 0, Limit("ephemeral-storage", "100"), kVolume},
       Files(40, 20, 41),
       kOneDisk,
       "ephemeralpodfs.limit",
       "Pod ephemeral local storage usage exceeds the total limit of containers 100. "},
      {{"p", 0, Limit("ephemeral-storage", "100"), kVolume},
       Files(40, 20, 40),
       kOneDisk,
       nullptr,
       nullptr},
      {{"p", 0, Limit("ephemeral-storage", "100")},
       container,
       kOneDisk,
       "ephemeralcontainerfs.limit",
       "Container c exceeded its local ephemeral storage limit \"100\". "},
      {{"p", 0, Limit("ephemeral-storage", "100")}, container, kImageDisk, nullptr, nullptr},
      {{"p", 2000000000, "{}", sized}, Files(0, 0, 101), kOneDisk, nullptr, nullptr},
  }));
  auto victims = OverLimits({Make(row.pod)}, {{"p", row.usage}}, row.layout);
  REQUIRE(victims.size() == (row.signal == nullptr ? 0 : 1));
  if (victims.empty()) return;
  CHECK(victims[0].signal == row.signal);
  CHECK(victims[0].message == row.message);
  CHECK(victims[0].grace == seconds(1));
  CHECK_FALSE(victims[0].disruption);
}

TEST_CASE("only pods with a limit are measured") {
  CHECK_FALSE(HasStorageLimit(*Make({"p", 0, Limit("memory", "1Gi"), kVolume})));
  CHECK(HasStorageLimit(*Make({"p", 0, Limit("ephemeral-storage", "1Gi")})));
  CHECK(HasStorageLimit(
      *Make({"p", 0, "{}", R"("volumes":[{"name":"v","emptyDir":{"sizeLimit":"1"}}])"})));
  CHECK_FALSE(HasStorageLimit(
      *Make({"p", 0, "{}", R"("volumes":[{"name":"v","emptyDir":{"sizeLimit":"0"}}])"})));
}

}  // namespace
}  // namespace kubelet::eviction
