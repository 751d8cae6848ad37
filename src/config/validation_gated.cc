// Fields that need a gate, or that a gate asks for.
#include "config/field_path.h"
#include "config/text.h"
#include "config/validation.h"
#include "kubelet/base/time.h"

namespace kubelet::config {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kSecond = 1'000'000'000;

// Any value needs the gate.
struct GatedField {
  const char* path;
  const char* gate;
};
constexpr GatedField kGatedFields[] = {
    {"serverTLSBootstrap", "RotateKubeletServerCertificate"},
    {"imageMaximumGCAge", "ImageMaximumGCAge"},
    {"shutdownGracePeriod", "GracefulNodeShutdown"},
    {"shutdownGracePeriodCriticalPods", "GracefulNodeShutdown"},
    {"shutdownGracePeriodByPodPriority", "GracefulNodeShutdownBasedOnPodPriority"},
    {"memorySwap.swapBehavior", "NodeSwap"},
    {"crashLoopBackOff.maxContainerRestartPeriod", "KubeletCrashLoopBackOffMax"},
    {"imagePullCredentialsVerificationPolicy", "KubeletEnsureSecretPulledImages"},
    {"preloadedImagesVerificationAllowlist", "KubeletEnsureSecretPulledImages"},
    {"topologyManagerPolicyOptions", "TopologyManagerPolicyOptions"},
    {"logging.options.text.splitStream", "LoggingAlphaOptions"},
    {"logging.options.json.splitStream", "LoggingAlphaOptions"},
    {"logging.options.text.infoBufferSize", "LoggingAlphaOptions"},
    {"logging.options.json.infoBufferSize", "LoggingAlphaOptions"},
};

void CheckCfsPeriod(const RuleContext& rules) {
  int64_t period = rules.config.cpu_cfs_quota_period().duration();
  std::string text = "is " + base::GoDuration(base::Nanos(period)) + ", ";
  if (!rules.gates.Enabled("CustomCPUCFSQuotaPeriod")) {
    if (period != 100 * kMillisecond) {
      rules.Add("cpuCFSQuotaPeriod", text + "which needs the feature gate CustomCPUCFSQuotaPeriod");
    }
  } else if (period < kMillisecond || period > kSecond) {
    rules.Add("cpuCFSQuotaPeriod", text + "must be 1ms to 1s");
  }
}

void CheckMemoryQos(const RuleContext& rules) {
  const auto& config = rules.config;
  bool on = rules.gates.Enabled("MemoryQoS");
  if (on && !config.has_memory_throttling_factor()) {
    rules.Add("memoryThrottlingFactor", "must be set with the feature gate MemoryQoS");
  }
  double factor = config.memory_throttling_factor();
  // Written so that what is no number at all fails too.
  if (config.has_memory_throttling_factor() && !(factor > 0 && factor <= 1)) {
    rules.Add("memoryThrottlingFactor", "is " +
                                            FieldText(FindField(config, "memoryThrottlingFactor")) +
                                            ", must be above 0 and at most 1");
  }
  if (!on && config.memory_reservation_policy() == "TieredReservation") {
    rules.Add("memoryReservationPolicy", "TieredReservation needs the feature gate MemoryQoS");
  }
}

}  // namespace

void CheckGated(const RuleContext& rules) {
  for (const GatedField& gated : kGatedFields) {
    if (rules.gates.Enabled(gated.gate) || IsUnset(FindField(rules.config, gated.path))) continue;
    rules.Add(gated.path, std::string("must not be set without the feature gate ") + gated.gate);
  }
  bool no_cap = !rules.config.crash_loop_back_off().has_max_container_restart_period();
  if (rules.gates.Enabled("KubeletCrashLoopBackOffMax") && no_cap) {
    rules.Add("crashLoopBackOff.maxContainerRestartPeriod",
              "must be set with the feature gate KubeletCrashLoopBackOffMax");
  }
  CheckCfsPeriod(rules);
  CheckMemoryQos(rules);
}

}  // namespace kubelet::config
