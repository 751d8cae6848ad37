#include "kubelet/config/feature_gates.h"

#include <algorithm>
#include <cstring>

namespace kubelet::config {
namespace {

constexpr char kAllAlpha[] = "AllAlpha";
constexpr char kAllBeta[] = "AllBeta";

const GateInfo* Find(const std::string& name) {
  const std::vector<GateInfo>& known = FeatureGates::Known();
  auto found = std::lower_bound(
      known.begin(), known.end(), name,
      [](const GateInfo& gate, const std::string& wanted) { return gate.name < wanted; });
  return found != known.end() && name == found->name ? &*found : nullptr;
}

bool IsOn(const std::map<std::string, bool>& resolved, const std::string& name) {
  auto found = resolved.find(name);
  return found != resolved.end() ? found->second : FeatureGates::DefaultOn(name);
}

void SetStage(GateStage stage, const std::map<std::string, bool>& values, const std::string& all,
              std::map<std::string, bool>& resolved) {
  auto wanted = values.find(all);
  if (wanted == values.end()) return;
  for (const GateInfo& gate : FeatureGates::Known()) {
    if (gate.stage == stage) resolved.emplace(gate.name, wanted->second);
  }
}

std::string OnOff(bool value) { return value ? "true" : "false"; }

std::vector<std::string> NameProblems(const std::map<std::string, bool>& values) {
  std::vector<std::string> problems;
  for (const auto& [name, value] : values) {
    if (name == kAllAlpha || name == kAllBeta) continue;
    const GateInfo* gate = Find(name);
    if (gate == nullptr) {
      problems.push_back("unrecognized feature gate: " + name);
    } else if (gate->locked && gate->default_on != value) {
      problems.push_back("cannot set feature gate " + name + " to " + OnOff(value) +
                         ", feature is locked to " + OnOff(gate->default_on));
    }
  }
  return problems;
}

std::vector<std::string> DependencyProblems(const std::map<std::string, bool>& resolved) {
  std::vector<std::string> problems;
  for (const auto& [name, needs] : FeatureGates::Dependencies()) {
    if (!IsOn(resolved, name)) continue;
    for (const std::string& need : needs) {
      if (!IsOn(resolved, need)) {
        problems.push_back("feature gate " + name + " is on and needs " + need + ", which is off");
      }
    }
  }
  return problems;
}

}  // namespace

std::vector<std::string> FeatureGates::Set(const std::map<std::string, bool>& values) {
  std::vector<std::string> problems = NameProblems(values);
  std::map<std::string, bool> resolved = values;
  SetStage(GateStage::kAlpha, values, kAllAlpha, resolved);
  SetStage(GateStage::kBeta, values, kAllBeta, resolved);
  // As upstream, dependencies are only looked at when the names are right.
  if (problems.empty()) problems = DependencyProblems(resolved);
  if (!problems.empty()) return problems;
  set_ = values;
  resolved_ = std::move(resolved);
  return {};
}

bool FeatureGates::DefaultOn(const std::string& name) {
  const GateInfo* gate = Find(name);
  return gate != nullptr && gate->default_on;
}

bool FeatureGates::Enabled(const std::string& name) const { return IsOn(resolved_, name); }

std::vector<std::string> FeatureGates::Warnings() const {
  std::vector<std::string> warnings;
  for (const auto& [name, value] : set_) {
    const GateInfo* gate = Find(name);
    if (gate == nullptr || gate->stage == GateStage::kAlpha || gate->stage == GateStage::kBeta)
      continue;
    std::string stage = gate->stage == GateStage::kGA ? "generally available" : "deprecated";
    warnings.push_back("feature gate " + name + " is " + stage +
                       " and will be removed: setting it to " + OnOff(value) +
                       " will then be an error");
  }
  return warnings;
}

}  // namespace kubelet::config
