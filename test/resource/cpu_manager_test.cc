#include "kubelet/resource/cpu_manager.h"

#include "catch.h"
#include "kubelet/base/status.h"
#include "resource/machines.h"
#include "resource/pod_yaml.h"

namespace kubelet::resource {
namespace {

using api::core::Pod;
using test::Cpus;
using test::PodOf;

std::string ContainerYaml(const std::string& name, const std::string& cpu,
                          const std::string& more = "") {
  std::string amounts = "{cpu: '" + cpu + "', memory: 1Mi}";
  return "{name: " + name + ", image: i, resources: {requests: " + amounts +
         ", limits: " + amounts + "}" + more + "}";
}
Pod Guaranteed(const std::string& uid, const std::string& cpu) {
  return PodOf("containers: [" + ContainerYaml("c", cpu) + "]", uid);
}

struct Fixture {
  CpuManagerOptions options;
  os::CpuTopology machine = test::OneSocket();
  std::optional<std::string> file;
  int changes = 0;
  std::unique_ptr<CpuManager> manager;

  Fixture() {
    options.static_policy = true;
    options.reserved_milli = 1000;
  }
  absl::Status Start() {
    auto made = CpuManager::Create(
        options, machine,
        {"/k/cpu_manager_state", file, [this](std::string text) { file = std::move(text); },
         [this] { ++changes; }});
    if (!made.ok()) return made.status();
    manager = *std::move(made);
    return absl::OkStatus();
  }
  absl::Status Give(const Pod& pod, TopologyHint place = {}) {
    return test::GiveAll(*manager, pod, place);
  }
  std::string Of(const std::string& uid, const std::string& container = "c") {
    return manager->CpusOf(uid, container).ToString();
  }
};

TEST_CASE("whole CPUs of Guaranteed pods are their own, all others share") {
  Fixture f;
  REQUIRE(f.Start().ok());
  CHECK(f.manager->shared() == Cpus("0-7"));
  CHECK(f.manager->Allocatable() == Cpus("1-7"));
  REQUIRE(f.Give(Guaranteed("a", "2")).ok());
  // Core 0 and 4 has a reserved thread: it is begun, but the core 1 and 5 is whole.
  CHECK(f.Of("a") == "1,5");
  CHECK(f.Of("other") == "0,2-4,6-7");
  CHECK(f.changes == 1);
  for (const char* cpu : {"1500m", "500m"}) {
    REQUIRE(f.Give(Guaranteed("b", cpu)).ok());
    CHECK_FALSE(f.manager->HasExclusiveCpus("b"));
  }
  REQUIRE(f.Give(PodOf("containers: [{name: c, image: i, resources: {requests: {cpu: 1}}}]", "d"))
              .ok());
  CHECK_FALSE(f.manager->HasExclusiveCpus("d"));
  CHECK(f.changes == 1);
  CHECK(base::Message(f.Give(Guaranteed("e", "6"))) ==
        "not enough cpus available to satisfy request: requested=6, available=5");
  f.manager->Release("a");
  f.manager->Release("a");
  CHECK(f.manager->shared() == Cpus("0-7"));
  CHECK(f.changes == 2);
}

TEST_CASE("pods with resources of their own share") {
  Fixture f;
  REQUIRE(f.Start().ok());
  Pod pod = PodOf(
      "resources: {requests: {cpu: 2, memory: 1Mi}, limits: {cpu: 2, memory: 1Mi}}\n"
      "containers: [" +
          ContainerYaml("c", "2") + "]",
      "a");
  REQUIRE(f.Give(pod).ok());
  CHECK_FALSE(f.manager->HasExclusiveCpus("a"));
  CHECK(f.manager->PodHints(pod).empty());
}

TEST_CASE("app containers take over what init containers had, but not what sidecars have") {
  Fixture f;
  REQUIRE(f.Start().ok());
  Pod pod = PodOf("initContainers: [" + ContainerYaml("init", "3") + ", " +
                      ContainerYaml("side", "1", ", restartPolicy: Always") + "]\ncontainers: [" +
                      ContainerYaml("c", "2") + "]",
                  "a");
  REQUIRE(f.Give(pod).ok());
  CpuSet init = f.manager->ExclusiveCpus("a", "init"), side = f.manager->ExclusiveCpus("a", "side"),
         app = f.manager->ExclusiveCpus("a", "c");
  CHECK(init.size() == 3);
  CHECK((side - init).empty());
  CHECK((app - init).empty());
  CHECK((app & side).empty());
  CHECK(f.manager->shared() == Cpus("0-7") - init);
  f.manager->Release("a");
  CHECK(f.manager->shared() == Cpus("0-7"));
  // Nothing is left over for another pod to take.
  REQUIRE(f.Give(Guaranteed("b", "7")).ok());
  CHECK(f.Of("b") == "1-7");
}

TEST_CASE("a restart finds what was given, and gives it once") {
  Fixture f;
  REQUIRE(f.Start().ok());
  REQUIRE(f.Give(Guaranteed("a", "2")).ok());
  std::string before = *f.file;
  REQUIRE(f.Start().ok());
  CHECK(*f.file == before);
  CHECK(f.Of("a") == "1,5");
  REQUIRE(f.Give(Guaranteed("a", "2")).ok());
  CHECK(f.Of("a") == "1,5");
  CHECK(f.manager->Pods() == std::set<std::string>{"a"});
}

TEST_CASE("states that do not fit keep the kubelet from starting") {
  Fixture f;
  auto why = [&] { return base::Message(f.Start()); };
  auto has = [&](const std::string& part) { return why().find(part) != std::string::npos; };
  f.file = R"({"policyName":"none","defaultCpuSet":""})";
  CHECK(why() ==
        "could not restore state from checkpoint: configured policy \"static\" differs from state "
        "checkpoint policy \"none\", please drain this node and delete the CPU manager checkpoint "
        "file \"/k/cpu_manager_state\" before restarting Kubelet");
  f.file = R"({"policyName":"static","defaultCpuSet":"1-7"})";
  CHECK(has("not all reserved cpus: \"0\" are present in defaultCpuSet: \"1-7\""));
  f.file = R"({"policyName":"static","defaultCpuSet":"0-6"})";
  CHECK(has("current set of available CPUs \"0-7\" doesn't match with CPUs in state \"0-6\""));
  f.file = R"({"policyName":"static","defaultCpuSet":"0-7","entries":{"p":{"c":"3"}}})";
  CHECK(has("pod: p, container: c cpuset: \"3\" overlaps with default cpuset \"0-7\""));
  f.file = R"({"policyName":"static","defaultCpuSet":"","entries":{"p":{"c":"3"}}})";
  CHECK(has("default cpuset cannot be empty"));
  f.file.reset();
  f.options.reserved_milli = 0;
  CHECK(has("to be greater than zero"));
  f.options.reserved_milli = 2000;
  f.options.reserved = Cpus("3");
  CHECK(has("unable to reserve the required amount of CPUs"));
  f.options.static_policy = false;
  f.file = R"({"policyName":"static","defaultCpuSet":"0-7"})";
  CHECK(has("configured policy \"none\" differs"));
}

TEST_CASE("policy none binds nobody and writes what a Go kubelet writes") {
  Fixture f;
  f.options.static_policy = false;
  f.machine = {};
  REQUIRE(f.Start().ok());
  CHECK(*f.file == R"({"policyName":"none","defaultCpuSet":"","checksum":1353318690})");
  REQUIRE(f.Give(Guaranteed("a", "2")).ok());
  CHECK(f.Of("a").empty());
  CHECK(f.manager->PodHints(Guaranteed("a", "2")).empty());
  CHECK(f.manager->Allocatable().empty());
}

TEST_CASE("CPUs are reserved by core, or as configured") {
  Fixture f;
  f.options.reserved_milli = 1100;
  REQUIRE(f.Start().ok());
  CHECK(f.manager->Allocatable() == Cpus("1-3,5-7"));
  f.file.reset();
  f.options.reserved_milli = 2000;
  f.options.reserved = Cpus("2-3");
  REQUIRE(f.Start().ok());
  CHECK(f.manager->Allocatable() == Cpus("0-1,4-7"));
  f.file.reset();
  f.options.strict_reservation = true;
  REQUIRE(f.Start().ok());
  CHECK(f.manager->shared() == Cpus("0-1,4-7"));
  REQUIRE(f.Start().ok());  // with the file it wrote
  f.options.reserved = Cpus("1-2");
  CHECK(base::Message(f.Start()).find("some of strictly reserved cpus: \"1\"") !=
        std::string::npos);
}

TEST_CASE("full-pcpus-only gives whole cores or nothing") {
  Fixture f;
  f.options.full_pcpus_only = true;
  REQUIRE(f.Start().ok());
  auto odd = f.Give(Guaranteed("a", "3"));
  CHECK(ReasonOfRefusal(odd) == "SMTAlignmentError");
  CHECK(base::Message(odd) ==
        "SMT Alignment Error: requested 3 cpus not multiple cpus per core = 2");
  // The sibling of the reserved CPU cannot be given.
  auto many = f.Give(Guaranteed("a", "8"));
  CHECK(base::Message(many) ==
        "SMT Alignment Error: not enough free physical CPUs: available physical CPUs = 6, "
        "requested CPUs = 8, CPUs per core = 2");
  REQUIRE(f.Give(Guaranteed("a", "6")).ok());
  CHECK(f.Of("a") == "1-3,5-7");
}

TEST_CASE("hints: the nodes that have enough, the fewest preferred") {
  Fixture f;
  f.machine = test::TwoSockets();
  REQUIRE(f.Start().ok());
  auto hints = [&](const std::string& uid, const std::string& cpu) {
    std::string out;
    auto all = f.manager->PodHints(Guaranteed(uid, cpu));
    for (const auto& hint : *all.at("cpu"))
      out += std::to_string(hint.nodes->bits()) + (hint.preferred ? "+ " : " ");
    CHECK(all == f.manager->ContainerHints(Guaranteed(uid, cpu),
                                           Guaranteed(uid, cpu).spec().containers(0)));
    return out;
  };
  CHECK(hints("a", "5") == "1+ 2+ 3 ");
  CHECK(hints("a", "6") == "2+ 3 ");  // one of node 0 is reserved
  CHECK(hints("a", "7") == "3+ ");
  CHECK(hints("a", "12").empty());
  REQUIRE(f.Give(Guaranteed("a", "2"), {NumaMask::Of(1), true}).ok());
  CHECK(f.Of("a") == "1,7");
  CHECK(hints("a", "2") == "2+ 3 ");
  CHECK(hints("a", "3").empty());  // it has two
  // More than the place has: the rest comes from elsewhere.
  REQUIRE(f.Give(Guaranteed("b", "5"), {NumaMask::Of(1), false}).ok());
  CHECK((Cpus(f.Of("b")) - Cpus("3,5,9,11")).size() == 1);
}

TEST_CASE("align-by-socket takes from the socket, and not every machine") {
  Fixture f;
  f.machine = test::FourNodes();
  f.options.align_by_socket = true;
  REQUIRE(f.Start().ok());
  auto hints = f.manager->PodHints(Guaranteed("a", "30"));
  for (const auto& hint : *hints.at("cpu")) {
    bool one_socket = hint.nodes->bits() == 3 || hint.nodes->bits() == 12;
    CHECK(hint.preferred == (hint.nodes->Count() == 2 || one_socket));
  }
  REQUIRE(f.Give(Guaranteed("a", "30"), {NumaMask::Of(2), true}).ok());
  CHECK((Cpus(f.Of("a")) - Cpus("20-39,60-79")).empty());
  f.file.reset();
  f.options.single_numa_node = true;
  CHECK(base::Message(f.Start()).find("align-by-socket is incompatible") != std::string::npos);
}

}  // namespace
}  // namespace kubelet::resource
