// Files as Go kubelets wrote them. The checksums are of their unit tests
// (pkg/kubelet/cm/*/state/state_checkpoint_test.go) and of files that Kubernetes 1.36 left behind.
#include "resource/state_text.h"

#include "catch.h"
#include "kubelet/base/status.h"

namespace kubelet::resource {
namespace {

constexpr char kStaticFile[] =
    R"({"policyName":"none","defaultCpuSet":"1-3","entries":{"pod":{"container1":"4-6",)"
    R"("container2":"1-3"}},"checksum":3610638499})";

TEST_CASE("the state of policy none as a Go kubelet leaves it") {
  CHECK(EncodeCpuState("none", {}) ==
        R"({"policyName":"none","defaultCpuSet":"","checksum":1353318690})");
}

TEST_CASE("a state with exclusive CPUs, read and written again") {
  auto file = DecodeCpuState(kStaticFile);
  INFO(file.status());
  REQUIRE(file.ok());
  CHECK(file->policy == "none");
  CHECK(file->state.shared == CpuSet{1, 2, 3});
  REQUIRE(file->state.exclusive.size() == 1);
  CHECK(file->state.exclusive["pod"]["container1"] == CpuSet{4, 5, 6});
  CHECK(EncodeCpuState("none", file->state) == kStaticFile);
}

TEST_CASE("a state whose checksum is another is refused, one without is taken") {
  std::string text = kStaticFile;
  auto bad = DecodeCpuState(text.replace(text.find("4-6"), 3, "4-5"));
  CHECK(base::Message(bad.status()).find("checkpoint is corrupted") == 0);
  CHECK(DecodeCpuState(R"({"policyName":"none","defaultCpuSet":"1-3"})").ok());
  CHECK(DecodeCpuState(R"({"policyName":"none","defaultCpuSet":"1-3","checksum":0})").ok());
}

TEST_CASE("what is no state file is told") {
  auto why = [](const std::string& text) { return base::Message(DecodeCpuState(text).status()); };
  CHECK(why("{").find("is no JSON") != std::string::npos);
  CHECK(why(R"({"policyName":"none","defaultCpuSet":"1.3"})") ==
        "could not parse default cpu set \"1.3\"");
  CHECK(why(R"({"policyName":"none","entries":{"pod":{"c":"x"}}})") ==
        "could not parse the cpuset for container \"c\" in pod \"pod\"");
  CHECK(why(R"({"policyName":"none","entries":{"0a1b":"1-2"}})").find("before 1.18") !=
        std::string::npos);
}

constexpr char kMemoryFile[] =
    R"({"policyName":"static","machineState":{"0":{"numberOfAssignments":0,"memoryMap":{"memory":)"
    R"({"total":2048,"systemReserved":512,"allocatable":1536,"reserved":512,"free":1024}},)"
    R"("cells":[]}},"entries":{"pod":{"container1":[{"numaAffinity":[0],"type":"memory",)"
    R"("size":512}]}},"checksum":4215593881})";

TEST_CASE("a state of memory, read and written again") {
  auto file = DecodeMemoryState(kMemoryFile);
  INFO(file.status());
  REQUIRE(file.ok());
  CHECK(file->state.nodes[0].tables["memory"].free == 1024);
  CHECK(file->state.entries["pod"]["container1"] == std::vector<MemoryBlock>{{{0}, "memory", 512}});
  CHECK(EncodeMemoryState("static", file->state) == kMemoryFile);
}

TEST_CASE("nodes of memory are in the order of their numbers in the sum and of text in the file") {
  MemoryState state;
  for (int node : {2, 10}) state.nodes[node].group = {node};
  std::string text = EncodeMemoryState("Static", state);
  CHECK(text.find("\"10\":") < text.find("\"2\":"));
  auto again = DecodeMemoryState(text);
  REQUIRE(again.ok());
  CHECK(again->state.nodes == state.nodes);
  std::string bad = text;
  CHECK_FALSE(DecodeMemoryState(bad.replace(bad.find("[10]"), 4, "[12]")).ok());
}

}  // namespace
}  // namespace kubelet::resource
