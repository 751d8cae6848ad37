#include "config/validation.h"

#include <algorithm>
#include <limits>

#include "config/field_path.h"
#include "config/flag_table.h"
#include "config/text.h"
#include "kubelet/base/time.h"

namespace kubelet::config {
namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

// Inclusive. Durations in nanoseconds. Pointer fields that are unset are not looked at.
struct Range {
  const char* path;
  int64_t min;
  int64_t max;
};
constexpr Range kRanges[] = {
    {"syncFrequency", 1, kNoLimit},
    // Upstream dies of a timer that does not advance; here it is a problem like any other.
    {"fileCheckFrequency", 1, kNoLimit},
    {"httpCheckFrequency", 1, kNoLimit},
    {"port", 1, 65535},
    {"readOnlyPort", 0, 65535},
    {"registryPullQPS", 0, kNoLimit},
    {"registryBurst", 0, kNoLimit},
    {"maxParallelImagePulls", 1, kNoLimit},
    {"eventRecordQPS", 0, kNoLimit},
    {"eventBurst", 0, kNoLimit},
    {"healthzPort", 0, 65535},
    {"oomScoreAdj", -1000, 1000},
    {"nodeLeaseDurationSeconds", 1, kNoLimit},
    {"imageMinimumGCAge", 0, kNoLimit},
    {"imageMaximumGCAge", 0, kNoLimit},
    {"imageGCHighThresholdPercent", 0, 100},
    {"imageGCLowThresholdPercent", 0, 100},
    {"iptablesMasqueradeBit", 0, 31},
    {"iptablesDropBit", 0, 31},
    {"kubeAPIQPS", 0, kNoLimit},
    {"kubeAPIBurst", 0, kNoLimit},
    {"nodeStatusMaxImages", -1, kNoLimit},
    {"maxOpenFiles", 0, kNoLimit},
    {"maxPods", 0, kNoLimit},
    {"podsPerCore", 0, kNoLimit},
    {"containerLogMaxFiles", 2, kNoLimit},
    {"containerLogMaxWorkers", 1, kNoLimit},
    {"containerLogMonitorInterval", 3 * kSecond, kNoLimit},
    {"crashLoopBackOff.maxContainerRestartPeriod", kSecond, 300 * kSecond},
    {"logging.flushFrequency", 1, kNoLimit},
    {"logging.verbosity", 0, std::numeric_limits<int32_t>::max()},
    {"tracing.samplingRatePerMillion", 0, 1'000'000},
};

struct Choice {
  const char* path;
  std::vector<std::string> values;
};
const std::vector<Choice>& Choices() {
  static const auto* choices = new std::vector<Choice>{
      {"authorization.mode", {"AlwaysAllow", "Webhook"}},
      {"tlsMinVersion", {"", "VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"}},
      {"cgroupDriver", {"cgroupfs", "systemd"}},
      {"cpuManagerPolicy", {"none", "static"}},
      {"memoryManagerPolicy", {"None", "Static"}},
      {"topologyManagerPolicy", {"none", "best-effort", "restricted", "single-numa-node"}},
      {"topologyManagerScope", {"container", "pod"}},
      {"hairpinMode", {"none", "hairpin-veth", "promiscuous-bridge"}},
      {"memorySwap.swapBehavior", {"", "NoSwap", "LimitedSwap"}},
      {"configMapAndSecretChangeDetectionStrategy", {"Get", "Cache", "Watch"}},
      {"memoryReservationPolicy", {"None", "TieredReservation"}},
      {"logging.format", {"text", "json"}},
  };
  return *choices;
}

std::string RangeText(const FieldRef& ref, const Range& range) {
  bool duration = IsDuration(*ref.field);
  auto text = [duration](int64_t value) {
    return duration ? base::GoDuration(base::Nanos(value)) : std::to_string(value);
  };
  if (duration && range.min == 1 && range.max == kNoLimit) return "must be positive";
  if (range.max == kNoLimit) return "must be at least " + text(range.min);
  return "must be " + text(range.min) + " to " + text(range.max);
}

std::string OneOfText(const std::vector<std::string>& values) {
  std::vector<std::string> named;
  for (const auto& value : values) {
    if (!value.empty()) named.push_back(value);
  }
  std::string last = named.back();
  named.pop_back();
  return named.empty() ? last : Join(named, ", ") + " or " + last;
}

}  // namespace

std::string AllowedText(const std::string& path) {
  const v1beta1::KubeletConfiguration none;
  for (const Range& range : kRanges) {
    if (path != range.path) continue;
    std::string text = RangeText(FindField(none, path), range);
    return text.substr(std::string("must be ").size());
  }
  for (const Choice& choice : Choices()) {
    if (path == choice.path) return OneOfText(choice.values);
  }
  return "";
}

std::string Problem::ToString() const {
  if (field.empty()) return message;
  const FlagSpec* flag = FlagOfField(field);
  std::string name = flag == nullptr ? field : field + " (--" + flag->name + ")";
  return name + ": " + message;
}

void CheckRanges(const RuleContext& rules) {
  for (const Range& range : kRanges) {
    FieldRef ref = FindField(rules.config, range.path);
    bool absent = !ref.message->GetReflection()->HasField(*ref.message, ref.field);
    int64_t value = FieldInteger(ref).value_or(0);
    // An absent pointer means "not limited"; what is absent and no pointer was defaulted to its
    // zero.
    if (absent && range.min > 0) continue;
    if (value >= range.min && value <= range.max) continue;
    rules.Add(range.path, "is " + FieldText(ref) + ", " + RangeText(ref, range));
  }
  for (const Choice& choice : Choices()) {
    std::string value = FieldText(FindField(rules.config, choice.path));
    if (std::find(choice.values.begin(), choice.values.end(), value) != choice.values.end())
      continue;
    std::vector<std::string> quoted;
    for (const std::string& allowed : choice.values) quoted.push_back(Quote(allowed));
    rules.Add(choice.path, "is " + Quote(value) + ", must be one of " + Join(quoted, ", "));
  }
}

std::vector<Problem> ValidateConfiguration(const v1beta1::KubeletConfiguration& config,
                                           const FeatureGates& gates) {
  std::vector<Problem> problems;
  RuleContext rules{config, gates, problems};
  CheckRanges(rules);
  CheckGated(rules);
  CheckServing(rules);
  CheckImages(rules);
  CheckAllocatable(rules);
  CheckManagers(rules);
  CheckEviction(rules);
  CheckNode(rules);
  return problems;
}

}  // namespace kubelet::config
