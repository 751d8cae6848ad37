#include "kubelet/config/feature_gates.h"

#include <set>

#include "support.h"

namespace kubelet::config {
namespace {

using Gates = std::map<std::string, bool>;

std::vector<std::string> ProblemsOf(const Gates& values) {
  FeatureGates gates;
  return gates.Set(values);
}

TEST_CASE("the gates are those of the list") {
  auto rows = FactRows("feature_gates.tsv");
  if (rows.empty()) return;
  const std::map<std::string, GateStage> kStages = {{"Alpha", GateStage::kAlpha},
                                                    {"Beta", GateStage::kBeta},
                                                    {"GA", GateStage::kGA},
                                                    {"Deprecated", GateStage::kDeprecated}};
  REQUIRE(FeatureGates::Known().size() == rows.size());
  std::map<std::string, GateInfo> known;
  for (const GateInfo& gate : FeatureGates::Known()) known.emplace(gate.name, gate);
  FeatureGates gates;
  for (const auto& row : rows) {
    INFO(row[0]);
    REQUIRE(known.count(row[0]) == 1);
    const GateInfo& gate = known.at(row[0]);
    CHECK(gate.stage == kStages.at(row[1]));
    CHECK(gate.default_on == (row[2] == "true"));
    CHECK(gate.locked == (row[3] == "yes"));
    CHECK(gates.Enabled(row[0]) == gate.default_on);
  }
}

TEST_CASE("every known name is accepted at its default, and locked ones at nothing else") {
  for (const GateInfo& gate : FeatureGates::Known()) {
    INFO(gate.name);
    CHECK(ProblemsOf({{gate.name, gate.default_on}}).empty());
    if (gate.locked) CHECK(ProblemsOf({{gate.name, !gate.default_on}}).size() == 1);
  }
}

TEST_CASE("unknown names, locks and dependencies") {
  auto problems = ProblemsOf({{"Bogus", true}, {"NodeSwap", false}, {"MemoryQoS", true}});
  REQUIRE(problems.size() == 2);
  CHECK(problems[0] == "unrecognized feature gate: Bogus");
  CHECK(problems[1] == "cannot set feature gate NodeSwap to false, feature is locked to true");
  problems = ProblemsOf({{"PodLevelResources", false}});
  REQUIRE(problems.size() == 1);
  CHECK(Contains(problems[0], "InPlacePodLevelResourcesVerticalScaling"));
  CHECK(Contains(problems[0], "PodLevelResources"));
  CHECK(
      ProblemsOf({{"PodLevelResources", false}, {"InPlacePodLevelResourcesVerticalScaling", false}})
          .empty());
  CHECK(ProblemsOf({{"ClusterTrustBundleProjection", true}}).size() == 1);
}

TEST_CASE("a set with problems changes nothing") {
  FeatureGates gates;
  REQUIRE(gates.Set({{"MemoryQoS", true}}).empty());
  CHECK(gates.Enabled("MemoryQoS"));
  CHECK_FALSE(gates.Set({{"EventedPLEG", true}, {"Bogus", true}}).empty());
  CHECK(gates.Enabled("MemoryQoS"));
  CHECK_FALSE(gates.Enabled("EventedPLEG"));
  REQUIRE(gates.Set({}).empty());
  CHECK_FALSE(gates.Enabled("MemoryQoS"));
}

TEST_CASE("AllAlpha and AllBeta, with single gates on top") {
  FeatureGates gates;
  REQUIRE(gates
              .Set({{"AllAlpha", true},
                    {"MemoryQoS", false},
                    {"AllBeta", false},
                    {"PodLevelResources", true}})
              .size() > 0);  // alpha gates need beta ones
  CHECK(gates.Set({{"AllAlpha", true}, {"MemoryQoS", false}, {"AllBeta", true}}) ==
        std::vector<std::string>{});
  CHECK(gates.Enabled("EventedPLEG"));
  CHECK_FALSE(gates.Enabled("MemoryQoS"));
  CHECK(gates.Enabled("SELinuxMount"));
  REQUIRE(gates.Set({{"AllBeta", false}, {"NodeDeclaredFeatures", true}}).empty());
  CHECK(gates.Enabled("NodeDeclaredFeatures"));
  CHECK_FALSE(gates.Enabled("GracefulNodeShutdown"));
  CHECK(gates.Enabled("NodeSwap"));
}

TEST_CASE("gates on their way out are warned of") {
  FeatureGates gates;
  REQUIRE(
      gates.Set({{"NodeSwap", true}, {"MemoryQoS", true}, {"AllowDNSOnlyNodeCSR", true}}).empty());
  auto warnings = gates.Warnings();
  REQUIRE(warnings.size() == 2);
  CHECK(Contains(warnings[0], "AllowDNSOnlyNodeCSR is deprecated"));
  CHECK(Contains(warnings[1], "NodeSwap is generally available"));
}

TEST_CASE("dependencies speak of known gates") {
  std::set<std::string> known;
  for (const GateInfo& gate : FeatureGates::Known()) known.insert(gate.name);
  for (const auto& [name, needs] : FeatureGates::Dependencies()) {
    INFO(name);
    CHECK(known.count(name) == 1);
    for (const std::string& need : needs) CHECK(known.count(need) == 1);
  }
}

TEST_CASE("a name that is not known is off") { CHECK_FALSE(FeatureGates().Enabled("Bogus")); }

}  // namespace
}  // namespace kubelet::config
