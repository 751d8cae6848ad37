#include <map>
#include <set>

#include "config/text.h"
#include "config/validation.h"
#include "kubelet/api/quantity.h"
#include "kubelet/api/time.h"

namespace kubelet::config {
namespace {

using Thresholds = std::map<std::string, std::string>;

bool IsSignal(const std::string& signal) {
  static const std::set<std::string> kSignals = {
      "memory.available",       "nodefs.available",   "nodefs.inodesFree",
      "imagefs.available",      "imagefs.inodesFree", "containerfs.available",
      "containerfs.inodesFree", "pid.available",      "allocatableMemory.available"};
  return kSignals.count(signal) > 0;
}

bool IsPercent(const std::string& value) { return !value.empty() && value.back() == '%'; }

// What is wrong with the value of a threshold, or empty.
std::string ThresholdProblem(const std::string& value) {
  if (IsPercent(value)) {
    absl::StatusOr<double> percent = ParsePercent(value);
    if (!percent.ok() || *percent < 0 || *percent > 100) return "must be 0% to 100%";
    return "";
  }
  absl::StatusOr<api::Quantity> quantity = api::Quantity::Parse(value);
  if (!quantity.ok()) return "must be a quantity or a percentage";
  return quantity->Sign() <= 0 ? "must be positive" : "";
}

std::string ReclaimProblem(const std::string& value) {
  if (IsPercent(value)) {
    absl::StatusOr<double> percent = ParsePercent(value);
    return !percent.ok() || *percent <= 0 ? "must be a positive percentage" : "";
  }
  absl::StatusOr<api::Quantity> quantity = api::Quantity::Parse(value);
  if (!quantity.ok()) return "must be a quantity or a percentage";
  return quantity->Sign() < 0 ? "must not be negative" : "";
}

std::string GraceProblem(const std::string& value) {
  absl::StatusOr<base::Nanos> period = api::ParseGoDuration(value);
  if (!period.ok()) return "must be a duration";
  return period->count() < 0 ? "must not be negative" : "";
}

void CheckValues(const RuleContext& rules, const std::string& path, const Thresholds& values,
                 std::string (*problem_of)(const std::string&)) {
  for (const auto& [signal, value] : values) {
    if (!IsSignal(signal)) {
      rules.Add(path, Quote(signal) + " is no known eviction signal");
    } else if (std::string problem = problem_of(value); !problem.empty()) {
      rules.Add(path, signal + " is " + Quote(value) + ", " + problem);
    }
  }
}

Thresholds Sorted(const google::protobuf::Map<std::string, std::string>& map) {
  return {map.begin(), map.end()};
}

}  // namespace

void CheckEviction(const RuleContext& rules) {
  const auto& config = rules.config;
  Thresholds soft = Sorted(config.eviction_soft());
  Thresholds grace = Sorted(config.eviction_soft_grace_period());
  CheckValues(rules, "evictionHard", Sorted(config.eviction_hard()), ThresholdProblem);
  CheckValues(rules, "evictionSoft", soft, ThresholdProblem);
  CheckValues(rules, "evictionSoftGracePeriod", grace, GraceProblem);
  CheckValues(rules, "evictionMinimumReclaim", Sorted(config.eviction_minimum_reclaim()),
              ReclaimProblem);
  for (const auto& [signal, value] : soft) {
    // These two switch the threshold off.
    if (value == "0%" || value == "100%" || grace.count(signal)) continue;
    rules.Add("evictionSoft", signal + " has no evictionSoftGracePeriod");
  }
}

}  // namespace kubelet::config
