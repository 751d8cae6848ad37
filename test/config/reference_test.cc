// The reference against the tables, the loader and the sources: nothing in it may be made up.
#include "kubelet/config/reference.h"

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>

#include "config/field_path.h"
#include "config/flag_table.h"
#include "config/not_built.h"
#include "config/reference_notes.h"
#include "support.h"

namespace kubelet::config {
namespace {

const ReferenceRow& Row(const std::vector<ReferenceRow>& rows, const std::string& name) {
  auto found = std::find_if(rows.begin(), rows.end(),
                            [&](const ReferenceRow& row) { return row.name == name; });
  INFO(name);
  REQUIRE(found != rows.end());
  return *found;
}

TEST_CASE("every flag, field and gate has a row, and every row a remark") {
  CHECK(FlagRows().size() == AllFlags().size());
  CHECK(FieldRows().size() == LeafPaths().size());
  CHECK(GateRows().size() == FeatureGates::Known().size() + 2);
  for (const auto& rows : {FlagRows(), FieldRows(), GateRows()}) {
    for (const auto& row : rows) {
      INFO(row.name);
      CHECK_FALSE(row.remark.empty());
      CHECK_FALSE(row.kind.empty());
    }
  }
}

TEST_CASE("states say what the program does") {
  auto flags = FlagRows(), fields = FieldRows(), gates = GateRows();
  CHECK(Row(flags, "--root-dir").support == Support::kWorks);
  CHECK(Row(flags, "--port").other == "port");
  CHECK(Row(flags, "--max-pods").default_text == "110");
  CHECK(Row(flags, "--runonce").support == Support::kRefused);
  CHECK(Row(flags, "--boot-id-file").support == Support::kAccepted);
  CHECK(Row(fields, "hairpinMode").support == Support::kAccepted);
  CHECK(
      Contains(Row(fields, "hairpinMode").remark, "refused unless none, hairpin-veth or promisc"));
  CHECK(Contains(Row(fields, "containerLogMaxFiles").remark, "refused unless at least 2"));
  CHECK(Row(fields, "readOnlyPort").default_text.empty());
  CHECK(Row(gates, "SidecarContainers").support == Support::kWorks);
  CHECK(Contains(Row(gates, "SidecarContainers").remark, "locked"));
  CHECK(Row(gates, "DynamicResourceAllocation").support == Support::kNotBuilt);
  CHECK(Contains(Row(gates, "DynamicResourceAllocation").remark, "locked"));
  CHECK_FALSE(Contains(Row(gates, "EventedPLEG").remark, "locked"));
  CHECK(Row(flags, "--housekeeping-interval").support == Support::kNotBuilt);
  CHECK(Row(gates, "EnvFiles").support == Support::kWorks);
  CHECK(Row(gates, "APIServerIdentity").support == Support::kAccepted);
  CHECK(Row(gates, "UserNamespacesHostNetworkSupport").support == Support::kNotBuilt);
  CHECK(Row(gates, "ClientsAllowCBOR").support == Support::kNotBuilt);
  CHECK(Row(gates, "ClientsAllowCARotation").support == Support::kWorks);
}

TEST_CASE("what the reference calls refused is refused") {
  for (const Refusal& refusal : Refusals()) {
    std::string name = refusal.name;
    if (name.rfind("--", 0) != 0) name = std::string("--") + FlagOfField(name)->name;
    INFO(name);
    LoadError({name + "=" + refusal.value});
  }
}

TEST_CASE("notes are about flags, fields and gates that exist") {
  auto paths = LeafPaths();
  auto known = [&](const std::string& name) {
    if (name.rfind("--", 0) == 0) return FindFlag(name.substr(2)) != nullptr;
    return std::find(paths.begin(), paths.end(), name) != paths.end();
  };
  for (const auto& note : FieldHelp()) {
    INFO(note.name);
    CHECK(known(note.name));
  }
  for (const auto& note : NoEffect()) {
    INFO(note.name);
    CHECK(known(note.name));
  }
  for (const auto& refusal : Refusals()) {
    INFO(refusal.name);
    CHECK(known(refusal.name));
  }
}

// Names of gates that the sources ask for, by their being quoted there.
std::set<std::string> GatesInSources() {
  std::set<std::string> known, found;
  for (const GateInfo& gate : FeatureGates::Known()) known.insert(gate.name);
  const std::regex quoted("\"([A-Za-z]+)\"");
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(KUBELET_SOURCE_DIR "/src")) {
    std::string name = entry.path().filename().string();
    bool table = name.rfind("feature_gate", 0) == 0 || name.rfind("reference_notes", 0) == 0;
    if (table || entry.path().extension() != ".cc") continue;
    std::ifstream in(entry.path());
    std::stringstream text;
    text << in.rdbuf();
    std::string source = text.str();
    for (std::sregex_iterator at(source.begin(), source.end(), quoted), end; at != end; ++at) {
      if (known.count((*at)[1]) > 0) found.insert((*at)[1]);
    }
  }
  return found;
}

TEST_CASE("the gates that are said to switch something are those that the sources ask") {
  std::set<std::string> told, asked = GatesInSources();
  REQUIRE(asked.size() > 10);
  for (const auto& note : GatesInUse()) {
    INFO(note.name);
    CHECK(told.insert(note.name).second);
    CHECK(asked.count(note.name) == 1);
  }
  for (const GateInfo& gate : FeatureGates::Known()) {
    INFO(gate.name);
    if (!gate.locked) CHECK(asked.count(gate.name) == told.count(gate.name));
  }
}

// Upstream's list of the gates that its kubelet reads, where it is beside the sources.
TEST_CASE("no gate that a kubelet reads goes without a word") {
  // Of the scheduler's view of pods and of controllers, whose packages upstream's kubelet links.
  const std::set<std::string> kElsewhere = {"GenericWorkload",
                                            "MatchLabelKeysInPodAffinity",
                                            "MatchLabelKeysInPodTopologySpread",
                                            "MatchLabelKeysInPodTopologySpreadSelectorMerge",
                                            "NodeInclusionPolicyInPodTopologySpread",
                                            "PodDeletionCost",
                                            "WindowsCPUAndMemoryAffinity",
                                            "WindowsGracefulNodeShutdown"};
  auto rows = GateRows();
  for (const auto& fact : FactRows("feature_gates.tsv")) {
    if (fact.size() < 5 || fact[4] != "yes") continue;
    INFO(fact[0]);
    bool told = Row(rows, fact[0]).support != Support::kAccepted;
    CHECK(told != (kElsewhere.count(fact[0]) == 1));
  }
}

TEST_CASE("a gate is told of once, and what its field lacks it lacks too") {
  std::set<std::string> known, told;
  for (const GateInfo& gate : FeatureGates::Known()) known.insert(gate.name);
  for (const auto& note : GatesAlwaysOn()) {
    INFO(note.name);
    CHECK(known.count(note.name) == 1);
    CHECK(told.insert(note.name).second);
  }
  auto rows = GateRows();
  const auto& fields = NotBuiltFields();
  for (const auto& gate : GatesNotBuilt()) {
    INFO(gate.name);
    CHECK(known.count(gate.name) == 1);
    CHECK(told.insert(gate.name).second);
    bool built = gate.field != nullptr &&
                 std::none_of(fields.begin(), fields.end(), [&](const NotBuiltField& field) {
                   return std::string(field.path) == gate.field;
                 });
    CHECK(Row(rows, gate.name).support == (built ? Support::kWorks : Support::kNotBuilt));
  }
  // Those of GatesInUse may stand there as well: one that is asked for something unbuilt.
  for (const auto& note : GatesAlwaysOn())
    for (const auto& asked : GatesInUse()) CHECK(std::string(note.name) != asked.name);
}

TEST_CASE("manual pages hold every flag and every field, and no request by accident") {
  std::string man = ManPage();
  for (const FlagSpec* spec : AllFlags()) {
    std::string name = std::regex_replace(std::string(spec->name), std::regex("-"), "\\-");
    INFO(name);
    CHECK(Contains(man, "\\-\\-" + name));
  }
  std::string fields = ConfigManPage();
  for (const auto& path : LeafPaths()) {
    INFO(path);
    CHECK(Contains(fields, ".B " + path + " "));
  }
  std::istringstream lines(man + fields);
  const std::regex request(
      R"(^\.(\\"|TH|ad|SH|SS|TP|PP|B|I|BR|BI|IR|RI|RB|RS|RE|br|nf|fi)( .*)?$)");
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || (line[0] != '.' && line[0] != '\'')) continue;
    INFO(line);
    CHECK((line.rfind(".\\\"", 0) == 0 || std::regex_match(line, request)));
  }
}

TEST_CASE("completion knows every flag in every shell") {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    auto script = CompletionScript(shell);
    REQUIRE(script.ok());
    for (const FlagSpec* spec : AllFlags()) {
      INFO(shell << " " << spec->name);
      CHECK(Contains(*script, spec->name));
    }
  }
  CHECK_FALSE(CompletionScript("csh").ok());
}

TEST_CASE("the sample configurations are right") {
  for (const char* name : {"cluster.yaml", "standalone.yaml"}) {
    std::ostringstream out;
    INFO(name);
    int code = CheckFiles({std::string(KUBELET_SOURCE_DIR "/deploy/examples/") + name}, out);
    CHECK(out.str().empty());
    CHECK(code == 0);
  }
}

}  // namespace
}  // namespace kubelet::config
