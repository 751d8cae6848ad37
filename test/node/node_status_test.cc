#include "kubelet/node/node_status.h"

#include "catch.h"
#include "kubelet/api/time.h"
#include "node/facts.h"

namespace kubelet::node {
namespace {

using namespace std::chrono_literals;
using test::SomeFacts;
using test::SomeOptions;
using StringMap = std::map<std::string, std::string>;

const base::WallTime kNow = base::WallFromUnixNanos(1'700'000'000'000'000'000);

core::Node Compute(const core::Node& previous, const NodeFacts& facts, const NodeOptions& options,
                   base::WallTime now = kNow) {
  return ComputeNode(previous, facts, options, now).node;
}

StringMap Addresses(const core::Node& node) {
  StringMap out;
  for (const auto& address : node.status().addresses())
    out[address.type()] += (out[address.type()].empty() ? "" : ",") + address.address();
  return out;
}

std::string Of(const google::protobuf::Map<std::string, api::resource::Quantity>& list,
               const std::string& name) {
  auto it = list.find(name);
  return it == list.end() ? "-" : it->second.string();
}

const core::NodeCondition& Condition(const core::Node& node, const std::string& type) {
  for (const auto& condition : node.status().conditions()) {
    if (condition.type() == type) return condition;
  }
  FAIL("no condition " << type);
  return core::NodeCondition::default_instance();
}

std::string Reasons(const std::vector<NodeEvent>& events) {
  std::string out;
  for (const auto& event : events) out += (out.empty() ? "" : " ") + event.reason;
  return out;
}

TEST_CASE("pods are told what the Node says: InternalIP first, one address a family") {
  struct Row {
    std::vector<std::pair<std::string, std::string>> addresses;
    std::vector<std::string> told;
  };
  for (const Row& row : std::vector<Row>{
           {{}, {}},
           {{{"Hostname", "10.0.0.9"}, {"InternalDNS", "n"}}, {}},
           {{{"ExternalIP", "198.51.100.1"}, {"InternalIP", "10.0.0.1"}}, {"10.0.0.1"}},
           {{{"InternalIP", "10.0.0.1"}, {"InternalIP", "10.0.0.2"}}, {"10.0.0.1"}},
           {{{"InternalIP", "fd00:0::1"}, {"ExternalIP", "198.51.100.1"}},
            {"fd00::1", "198.51.100.1"}},
           {{{"ExternalIP", "198.51.100.1"}}, {"198.51.100.1"}},
           {{{"InternalIP", "none"}}, {}},
       }) {
    core::Node node;
    for (const auto& [type, address] : row.addresses) {
      auto* added = node.mutable_status()->add_addresses();
      added->set_type(type);
      added->set_address(address);
    }
    CHECK(HostIps(node) == row.told);
  }
}

TEST_CASE("addresses of the node by --node-ip and cloud provider") {
  const std::string kProvided = "alpha.kubernetes.io/provided-node-ip";
  struct Case {
    const char* name;
    std::vector<std::string> node_ips;
    bool external;
    std::vector<std::string> found;  // empty: an error
    StringMap before, after;
    std::string provided;
  };
  const StringMap ccm = {{"InternalIP", "9.9.9.9"}, {"ExternalIP", "8.8.8.8"}};
  const Case cases[] = {
      {"plain", {}, false, {"10.0.0.1"}, {}, {{"InternalIP", "10.0.0.1"}, {"Hostname", "h"}}, "-"},
      {"dual stack",
       {"10.0.0.1", "fd00::1"},
       false,
       {"10.0.0.1", "fd00::1"},
       {},
       {{"InternalIP", "10.0.0.1,fd00::1"}, {"Hostname", "h"}},
       "-"},
      {"no address: what was there stays", {"10.0.0.9"}, false, {}, ccm, ccm, "stale"},
      {"none found by itself", {}, false, {}, ccm, ccm, "-"},
      {"external without --node-ip", {}, true, {"10.0.0.1"}, {}, {{"Hostname", "h"}}, "-"},
      {"external, the provider has written", {}, true, {"10.0.0.1"}, ccm, ccm, "-"},
      {"external, with --node-ip, at first",
       {"10.0.0.1"},
       true,
       {"10.0.0.1"},
       {},
       {{"InternalIP", "10.0.0.1"}, {"Hostname", "h"}},
       "10.0.0.1"},
      {"external, with --node-ip, later", {"10.0.0.1"}, true, {"10.0.0.1"}, ccm, ccm, "10.0.0.1"},
      {"external, dual stack",
       {"10.0.0.1", "fd00::1"},
       true,
       {"10.0.0.1", "fd00::1"},
       ccm,
       ccm,
       "10.0.0.1,fd00::1"},
      {"external, only a family is wanted",
       {"::"},
       true,
       {"fd00::1"},
       {},
       {{"InternalIP", "fd00::1"}, {"Hostname", "h"}},
       "-"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    auto options = SomeOptions();
    options.hostname = "h";
    options.node_ips = c.node_ips;
    options.external_cloud_provider = c.external;
    auto facts = SomeFacts();
    facts.addresses = absl::UnavailableError("none");
    if (!c.found.empty()) facts.addresses = c.found;
    core::Node before;
    (*before.mutable_metadata()->mutable_annotations())[kProvided] = "stale";
    for (const auto& [type, address] : c.before) {
      auto* added = before.mutable_status()->add_addresses();
      added->set_type(type);
      added->set_address(address);
    }
    core::Node after = Compute(before, facts, options);
    CHECK(Addresses(after) == c.after);
    const auto& annotations = after.metadata().annotations();
    CHECK((annotations.count(kProvided) ? annotations.at(kProvided) : "-") == c.provided);
  }
}

TEST_CASE("capacity is written as upstream writes it") {
  auto facts = SomeFacts();
  facts.machine.huge_pages = {{2 << 20, 512}, {1 << 30, 0}};
  auto status = ComputeStatus({}, facts, SomeOptions(), kNow);
  CHECK(Of(status.capacity(), "cpu") == "4");
  CHECK(Of(status.capacity(), "memory") == "8000000Ki");
  CHECK(Of(status.capacity(), "pods") == "110");
  CHECK(Of(status.capacity(), "ephemeral-storage") == "100000000Ki");
  CHECK(Of(status.capacity(), "hugepages-2Mi") == "1Gi");
  CHECK(Of(status.capacity(), "hugepages-1Gi") == "0");
  CHECK(Of(status.allocatable(), "cpu") == "4");
  CHECK(Of(status.allocatable(), "hugepages-2Mi") == "1Gi");
  CHECK(Of(status.allocatable(), "memory") == "6951424Ki");
}

TEST_CASE("allocatable is capacity without reservations") {
  struct Case {
    const char* name;
    StringMap kube, system, eviction;
    bool ignore_eviction;
    int reserved_cpus;
    std::string cpu, memory, storage;
  };
  const Case cases[] = {
      {"none", {}, {}, {}, false, 0, "4", "8000000Ki", "100000000Ki"},
      {"both",
       {{"cpu", "100m"}, {"memory", "1000Ki"}},
       {{"cpu", "0.5"}, {"memory", "2000Ki"}, {"ephemeral-storage", "1Ki"}, {"pid", "100"}},
       {},
       false,
       0,
       "3400m",
       "7997000Ki",
       "99999999Ki"},
      {"eviction",
       {},
       {},
       {{"memory.available", "100Mi"}, {"nodefs.available", "10%"}, {"imagefs.available", "50%"}},
       false,
       0,
       "4",
       "7897600Ki",
       // 10 % is 0.100000001490116 as a float.
       "92159999848"},
      {"eviction ignored",
       {},
       {},
       {{"memory.available", "50%"}},
       true,
       0,
       "4",
       "8000000Ki",
       "100000000Ki"},
      {"0% and 100% are no thresholds",
       {},
       {},
       {{"memory.available", "0%"}, {"nodefs.available", "100%"}},
       false,
       0,
       "4",
       "8000000Ki",
       "100000000Ki"},
      {"never negative",
       {{"cpu", "3"}},
       {{"cpu", "3"}},
       {{"memory.available", "9Gi"}},
       false,
       0,
       "0",
       "0",
       "100000000Ki"},
      {"reservedSystemCPUs",
       {{"cpu", "1"}},
       {{"cpu", "2"}},
       {},
       false,
       1,
       "3",
       "8000000Ki",
       "100000000Ki"},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    auto options = SomeOptions();
    options.kube_reserved = c.kube;
    options.system_reserved = c.system;
    options.eviction_hard = c.eviction;
    options.allocatable_ignore_eviction = c.ignore_eviction;
    options.reserved_cpus = c.reserved_cpus;
    auto status = ComputeStatus({}, SomeFacts(), options, kNow);
    CHECK(Of(status.allocatable(), "cpu") == c.cpu);
    CHECK(Of(status.allocatable(), "memory") == c.memory);
    CHECK(Of(status.allocatable(), "ephemeral-storage") == c.storage);
    CHECK(Of(status.capacity(), "memory") == "8000000Ki");
    auto valid = ValidateReservation(SomeFacts(), options);
    CHECK(valid.ok() == (c.name != std::string("never negative")));
  }
  auto options = SomeOptions();
  options.system_reserved = {{"cpu", "5"}};
  auto refused = ValidateReservation(SomeFacts(), options);
  CHECK(std::string(refused.message()) ==
        "invalid Node Allocatable configuration. Resource \"cpu\" has a reservation of 5 but "
        "capacity of 4. Expected capacity >= reservation.");
}

TEST_CASE("pods by podsPerCore, and foreign extended resources") {
  auto options = SomeOptions();
  options.pods_per_core = 10;
  core::Node before;
  (*before.mutable_status()->mutable_capacity())["example.com/dongle"].set_string("3");
  (*before.mutable_status()->mutable_allocatable())["example.com/gone"].set_string("1");
  auto node = Compute(before, SomeFacts(), options);
  CHECK(Of(node.status().capacity(), "pods") == "40");
  CHECK(Of(node.status().allocatable(), "pods") == "40");
  CHECK(Of(node.status().allocatable(), "example.com/dongle") == "3");
  CHECK(Of(node.status().allocatable(), "example.com/gone") == "-");
  options.max_pods = 30;
  CHECK(Of(Compute(before, SomeFacts(), options).status().capacity(), "pods") == "30");
}

TEST_CASE("conditions: reasons, messages, times") {
  auto options = SomeOptions();
  auto facts = SomeFacts();
  auto first = ComputeNode({}, facts, options, kNow);
  CHECK(Reasons(first.events) ==
        "NodeHasSufficientMemory NodeHasNoDiskPressure NodeHasSufficientPID");
  CHECK(first.events[0].message == "Node n1 status is now: NodeHasSufficientMemory");
  REQUIRE(first.node.status().conditions_size() == 4);
  CHECK(first.node.status().conditions(3).type() == "Ready");
  const auto& ready = Condition(first.node, "Ready");
  CHECK(ready.status() == "True");
  CHECK(ready.reason() == "KubeletReady");
  CHECK(ready.message() == "kubelet is posting ready status");
  CHECK(Condition(first.node, "DiskPressure").message() == "kubelet has no disk pressure");

  auto second = ComputeNode(first.node, facts, options, kNow + 10s);
  CHECK(second.events.empty());
  for (const auto& condition : second.node.status().conditions()) {
    CHECK(api::ToWallTime(condition.last_heartbeat_time()) == kNow + 10s);
    CHECK(api::ToWallTime(condition.last_transition_time()) == kNow);
  }
  CHECK_FALSE(NodeChanged(first.node, second.node));

  facts.memory_pressure = facts.disk_pressure = facts.pid_pressure = true;
  facts.errors = {kRuntimeDown};
  auto third = ComputeNode(second.node, facts, options, kNow + 20s);
  CHECK(NodeChanged(second.node, third.node));
  CHECK(Reasons(third.events) ==
        "NodeHasInsufficientMemory NodeHasDiskPressure NodeHasInsufficientPID NodeNotReady");
  CHECK(Condition(third.node, "MemoryPressure").reason() == "KubeletHasInsufficientMemory");
  CHECK(Condition(third.node, "MemoryPressure").message() ==
        "kubelet has insufficient memory available");
  CHECK(Condition(third.node, "PIDPressure").reason() == "KubeletHasInsufficientPID");
  CHECK(api::ToWallTime(Condition(third.node, "Ready").last_transition_time()) == kNow + 20s);
  CHECK(Reasons(ComputeNode(third.node, SomeFacts(), options, kNow).events) ==
        "NodeHasSufficientMemory NodeHasNoDiskPressure NodeHasSufficientPID NodeReady");
}

TEST_CASE("what keeps a node from being ready") {
  std::string network = NotReadyText("NetworkReady", "NetworkPluginNotReady", "cni");
  struct Case {
    std::vector<std::string> errors;
    bool shutting_down, storage_known;
    std::string warning, status, message;
  };
  const Case cases[] = {
      {{}, false, true, "w", "True", "kubelet is posting ready status. WARNING: w"},
      {{kRuntimeDown}, false, true, "", "False", "container runtime is down"},
      {{network},
       false,
       true,
       "",
       "False",
       "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
       "message:cni"},
      {{"a", "b", "a"}, true, true, "", "False", "[a, b, node is shutting down]"},
      {{"a", "a"}, false, true, "x", "False", "a. WARNING: x"},
      {{}, false, false, "", "False", "missing node capacity for resources: ephemeral-storage"},
  };
  for (const Case& c : cases) {
    INFO(c.message);
    auto facts = SomeFacts();
    facts.errors = c.errors;
    facts.shutting_down = c.shutting_down;
    facts.warning = c.warning;
    if (!c.storage_known) facts.root_fs_bytes.reset();
    auto node = Compute({}, facts, SomeOptions());
    CHECK(Condition(node, "Ready").status() == c.status);
    CHECK(Condition(node, "Ready").message() == c.message);
    CHECK(Condition(node, "Ready").reason() ==
          (c.status == "True" ? "KubeletReady" : "KubeletNotReady"));
  }
}

TEST_CASE("node info, images, handlers and features") {
  auto facts = SomeFacts();
  facts.machine.swap_bytes = 512;
  facts.images = {{"small", {}, {"s:1"}, 10},
                  {"big", {"d@1", "d@2", "d@3"}, {"t:1", "t:2", "t:3"}, 30},
                  {"tie-a", {}, {"a:1"}, 20},
                  {"tie-b", {}, {"b:1"}, 20}};
  facts.volumes_in_use = {"kubernetes.io/csi/x^1"};
  auto options = SomeOptions();
  options.max_images = 3;
  options.declared_features = {"B", "A"};
  auto status = ComputeStatus({}, facts, options, kNow);
  const auto& info = status.node_info();
  CHECK(info.container_runtime_version() == "containerd://2.1.0");
  CHECK(info.boot_id() == "boot-1");
  CHECK(info.system_uuid() == "uuid-1");
  CHECK(info.kubelet_version() == "v1.36.2");
  CHECK(info.operating_system() == "linux");
  CHECK_FALSE(info.architecture().empty());
  CHECK(info.swap().capacity() == 512);
  REQUIRE(status.images_size() == 3);
  CHECK(status.images(0).names_size() == 5);
  CHECK(status.images(0).names(3) == "t:1");
  CHECK(status.images(1).names(0) == "b:1");
  CHECK(status.images(2).names(0) == "a:1");
  CHECK(status.daemon_endpoints().kubelet_endpoint().port() == 10250);
  REQUIRE(status.runtime_handlers_size() == 2);
  CHECK(status.runtime_handlers(0).features().recursive_read_only_mounts());
  CHECK_FALSE(status.runtime_handlers(0).features().user_namespaces());
  CHECK(status.features().supplemental_groups_policy());
  CHECK(status.declared_features(0) == "A");
  CHECK(status.volumes_in_use(0) == "kubernetes.io/csi/x^1");

  // A runtime that does not answer takes nothing away.
  core::Node before;
  *before.mutable_status() = status;
  auto unknown = SomeFacts();
  unknown.machine.swap_bytes = 512;
  unknown.runtime_name.clear();
  unknown.images.reset();
  unknown.handlers.reset();
  unknown.volumes_in_use.reset();
  unknown.supplemental_groups_policy.reset();
  CHECK_FALSE(NodeChanged(before, [&] {
    core::Node same = Compute(before, unknown, options);
    same.clear_metadata();
    return same;
  }()));
  options.max_images = -1;
  CHECK(ComputeStatus({}, facts, options, kNow).images_size() == 4);
}

TEST_CASE("a reboot is told once the boot id differs") {
  auto first = Compute({}, SomeFacts(), SomeOptions());
  auto facts = SomeFacts();
  facts.machine.boot_id = "boot-2";
  auto computed = ComputeNode(first, facts, SomeOptions(), kNow);
  REQUIRE(Reasons(computed.events) == "Rebooted");
  CHECK(computed.events[0].warning);
  CHECK(computed.events[0].message == "Node n1 has been rebooted, boot id: boot-2");
}

TEST_CASE("the initial node") {
  auto options = SomeOptions();
  options.hostname = "host";
  options.labels = {{"zone", "a"}, {"kubernetes.io/hostname", "other"}};
  options.provider_id = "cloud://1";
  options.external_cloud_provider = true;
  core::Taint taint;
  taint.set_key("k");
  taint.set_effect("NoExecute");
  options.taints = {taint};
  auto node = MakeInitialNode(SomeFacts(), options, kNow).node;
  CHECK(node.metadata().name() == "n1");
  const auto& labels = node.metadata().labels();
  CHECK(labels.at("kubernetes.io/os") == "linux");
  CHECK(labels.at("beta.kubernetes.io/os") == "linux");
  CHECK(labels.at("kubernetes.io/arch") == labels.at("beta.kubernetes.io/arch"));
  CHECK(labels.at("zone") == "a");
  CHECK(labels.at("kubernetes.io/hostname") == "other");
  CHECK(node.metadata().annotations().at(
            "volumes.kubernetes.io/controller-managed-attach-detach") == "true");
  CHECK(node.spec().provider_id() == "cloud://1");
  REQUIRE(node.spec().taints_size() == 2);
  CHECK(node.spec().taints(1).key() == "node.cloudprovider.kubernetes.io/uninitialized");
  CHECK(node.spec().taints(1).effect() == "NoSchedule");
  options.controller_attach_detach = false;
  CHECK(MakeInitialNode(SomeFacts(), options, kNow).node.metadata().annotations().empty());
}

TEST_CASE("a node that was there before is reconciled") {
  auto options = SomeOptions();
  options.labels = {{"node.kubernetes.io/instance-type", "m1"}, {"mine", "new"}};
  auto initial = MakeInitialNode(SomeFacts(), options, kNow).node;
  core::Node existing;
  auto& labels = *existing.mutable_metadata()->mutable_labels();
  labels["kubernetes.io/hostname"] = "old";
  labels["mine"] = "old";
  labels["foreign"] = "x";
  auto& status = *existing.mutable_status();
  (*status.mutable_capacity())["example.com/gpu"].set_string("8");
  (*status.mutable_capacity())["hugepages-2Mi"].set_string("1Gi");
  (*status.mutable_allocatable())["hugepages-2Mi"].set_string("1Gi");
  core::Node kept = existing;
  ReconcileExisting(initial, options, existing);
  CHECK(labels.at("kubernetes.io/hostname") == "n1");
  CHECK(labels.at("node.kubernetes.io/instance-type") == "m1");
  // Only default labels are put right; others are those of the registration.
  CHECK(labels.at("mine") == "old");
  CHECK(labels.at("foreign") == "x");
  CHECK(existing.metadata().annotations().size() == 1);
  CHECK(Of(status.capacity(), "example.com/gpu") == "0");
  CHECK(Of(status.capacity(), "hugepages-2Mi") == "-");
  CHECK(Of(status.allocatable(), "hugepages-2Mi") == "-");
  options.reset_extended_resources = false;
  ReconcileExisting(initial, options, kept);
  CHECK(Of(kept.status().capacity(), "example.com/gpu") == "8");
}

TEST_CASE("resources of device plugins: all of them, the healthy ones, zeros when the plugin is gone") {
  auto facts = SomeFacts();
  facts.devices["example.com/thing"] = {3, 2};
  facts.devices["example.com/gone"] = {0, 0};
  core::Node before;
  (*before.mutable_status()->mutable_capacity())["example.com/gone"].set_string("4");
  (*before.mutable_status()->mutable_capacity())["other.com/mine"].set_string("1");
  auto node = ComputeNode(before, facts, SomeOptions(), kNow).node;
  CHECK(Of(node.status().capacity(), "example.com/thing") == "3");
  CHECK(Of(node.status().allocatable(), "example.com/thing") == "2");
  CHECK(Of(node.status().capacity(), "example.com/gone") == "0");
  CHECK(Of(node.status().allocatable(), "example.com/gone") == "0");
  CHECK(Of(node.status().allocatable(), "other.com/mine") == "1");
}

}  // namespace
}  // namespace kubelet::node
