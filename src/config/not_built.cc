// What is accepted and checked, and not acted on yet.
#include "config/not_built.h"

#include <algorithm>

#include "config/defaults.h"
#include "config/field_path.h"
#include "config/flag_table.h"
#include "config/reference_notes.h"
#include "kubelet/config/config.h"

namespace kubelet::config {
namespace {

v1beta1::KubeletConfiguration DefaultsFor(const LoadedConfig& loaded) {
  const auto& given = loaded.kubelet.feature_gates();
  std::map<std::string, bool> gates(given.begin(), given.end());
  bool legacy = loaded.flags.config.empty() && loaded.flags.config_dir.empty();
  if (legacy) return LegacyDefaults(gates);
  v1beta1::KubeletConfiguration config;
  SetDefaults(config, gates);
  if (!loaded.flags.config.empty()) InjectEvictionHard(config, false);
  return config;
}

bool MemberDiffers(const FlagSpec& spec, const Flags& flags) {
  const Flags defaults;
  return std::visit(
      [&](auto target) {
        if constexpr (std::is_member_object_pointer_v<decltype(target)>) {
          return flags.*target != defaults.*target;
        } else {
          return false;
        }
      },
      spec.target);
}

// Gates whose value is not what the program does, whoever set it (AllAlpha and AllBeta too).
void AddGates(const FeatureGates& gates, std::vector<std::string>& names) {
  for (const MissingGate& gate : GatesNotBuilt()) {
    if (IsBuilt(gate) || !gates.Enabled(gate.name) || FeatureGates::DefaultOn(gate.name)) continue;
    names.push_back(std::string("featureGates.") + gate.name + ": " + gate.text);
  }
  for (const AlwaysOnGate& gate : GatesAlwaysOn()) {
    if (!gate.switches || gates.Enabled(gate.name) || !FeatureGates::DefaultOn(gate.name)) continue;
    names.push_back(std::string("featureGates.") + gate.name + "=false: " + gate.text +
                    ", all the same");
  }
}

}  // namespace

bool IsBuilt(const MissingGate& gate) {
  const auto& fields = NotBuiltFields();
  return gate.field != nullptr &&
         std::none_of(fields.begin(), fields.end(),
                      [&](const auto& field) { return std::string(field.path) == gate.field; });
}

const std::vector<NotBuiltField>& NotBuiltFields() {
  static const auto* fields = new std::vector<NotBuiltField>{
      // HTTPS server
      {"enableContentionProfiling"},
      {"showHiddenMetricsForVersion"},
      // volumes and statistics
      {"volumePluginDir"},
      // resources
      {"systemCgroups"},
      {"qosReserved"},
      {"memoryThrottlingFactor"},
      {"memoryReservationPolicy"},
      {"topologyManagerPolicy", "none", "devices of plugins are not aligned with CPUs and memory"},
      // tracing, logging
      {"tracing.endpoint"},
      {"tracing.samplingRatePerMillion"},
      {"logging.options.text.splitStream"},
      {"logging.options.text.infoBufferSize"},
      {"logging.options.json.splitStream"},
      {"logging.options.json.infoBufferSize"},
  };
  return *fields;
}

const std::vector<std::string>& NotBuiltFlags() {
  static const auto* flags = new std::vector<std::string>{
      "runtime-cgroups",
      "minimum-container-ttl-duration",
      "maximum-dead-containers-per-container",
      "maximum-dead-containers",
      "experimental-mounter-path",
      "housekeeping-interval",
      "max-housekeeping-interval",
  };
  return *flags;
}

std::vector<std::string> NotBuiltYet(const LoadedConfig& loaded) {
  std::vector<std::string> names;
  for (const std::string& name : NotBuiltFlags()) {
    if (MemberDiffers(*FindFlag(name), loaded.flags)) names.push_back("--" + name);
  }
  v1beta1::KubeletConfiguration defaults = DefaultsFor(loaded);
  for (const NotBuiltField& field : NotBuiltFields()) {
    if (SameValue(loaded.kubelet, defaults, field.path)) continue;
    bool off = field.off_value != nullptr &&
               FieldText(FindField(loaded.kubelet, field.path)) == field.off_value;
    if (off) continue;
    const FlagSpec* flag = FlagOfField(field.path);
    names.push_back(std::string(field.path) +
                    (flag == nullptr ? "" : std::string(" (--") + flag->name + ")") +
                    (field.missing == nullptr ? "" : std::string(": ") + field.missing));
  }
  AddGates(loaded.gates, names);
  return names;
}

}  // namespace kubelet::config
