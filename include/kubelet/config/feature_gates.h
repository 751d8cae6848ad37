// Feature gates of Kubernetes 1.36. All names are known, those of other components too: one
// configuration must be readable by every component. Value type; a const object is thread safe.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace kubelet::config {

enum class GateStage { kAlpha, kBeta, kGA, kDeprecated };

struct GateInfo {
  const char* name;
  GateStage stage;
  bool default_on;
  bool locked;  // may not be set to anything but the default
};

class FeatureGates {
 public:
  FeatureGates() = default;  // everything at its default

  // All gates, sorted by name, without AllAlpha and AllBeta (which Set accepts).
  static const std::vector<GateInfo>& Known();
  // Gates that must be on when the key is on; gates without any are absent.
  static const std::map<std::string, std::vector<std::string>>& Dependencies();

  // Replaces what was set. Every problem at once, in the order of the names: unknown, locked,
  // dependency off. With problems nothing changes. An explicit gate wins over AllAlpha and AllBeta
  // whatever their order.
  std::vector<std::string> Set(const std::map<std::string, bool>& values);

  // False for a name that is not known.
  bool Enabled(const std::string& name) const;
  // Whether it is on where nobody sets it. False for a name that is not known.
  static bool DefaultOn(const std::string& name);

  // A sentence for each gate that was set although it is on its way out (GA and deprecated stages).
  std::vector<std::string> Warnings() const;

 private:
  std::map<std::string, bool> set_;       // as given
  std::map<std::string, bool> resolved_;  // with AllAlpha and AllBeta applied
};

}  // namespace kubelet::config
