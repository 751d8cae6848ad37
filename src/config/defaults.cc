#include "config/defaults.h"

#include <cstdio>
#include <cstdlib>

#include "config/field_path.h"
#include "kubelet/config/feature_gates.h"

namespace kubelet::config {
namespace {

using v1beta1::KubeletConfiguration;

struct FieldDefault {
  const char* path;
  const char* value;
};

// Scalars and durations whose default does not hang on anything else.
constexpr FieldDefault kDefaults[] = {
    {"enableServer", "true"},
    {"podLogsDir", "/var/log/pods"},
    {"syncFrequency", "1m"},
    {"fileCheckFrequency", "20s"},
    {"httpCheckFrequency", "20s"},
    {"address", "0.0.0.0"},
    {"port", "10250"},
    {"authentication.anonymous.enabled", "false"},
    {"authentication.webhook.enabled", "true"},
    {"authentication.webhook.cacheTTL", "2m"},
    {"authorization.mode", "Webhook"},
    {"authorization.webhook.cacheAuthorizedTTL", "5m"},
    {"authorization.webhook.cacheUnauthorizedTTL", "30s"},
    {"registryPullQPS", "5"},
    {"registryBurst", "10"},
    {"eventRecordQPS", "50"},
    {"eventBurst", "100"},
    {"enableDebuggingHandlers", "true"},
    {"healthzPort", "10248"},
    {"healthzBindAddress", "127.0.0.1"},
    {"oomScoreAdj", "-999"},
    {"streamingConnectionIdleTimeout", "4h"},
    {"nodeStatusUpdateFrequency", "10s"},
    {"nodeLeaseDurationSeconds", "40"},
    {"imageMinimumGCAge", "2m"},
    {"imageGCHighThresholdPercent", "85"},
    {"imageGCLowThresholdPercent", "80"},
    {"volumeStatsAggPeriod", "1m"},
    {"cgroupsPerQOS", "true"},
    {"cgroupDriver", "cgroupfs"},
    {"cpuManagerPolicy", "none"},
    {"cpuManagerReconcilePeriod", "10s"},
    {"memoryManagerPolicy", "None"},
    {"topologyManagerPolicy", "none"},
    {"topologyManagerScope", "container"},
    {"runtimeRequestTimeout", "2m"},
    {"hairpinMode", "promiscuous-bridge"},
    {"maxPods", "110"},
    {"resolvConf", "/etc/resolv.conf"},
    {"cpuCFSQuota", "true"},
    {"cpuCFSQuotaPeriod", "100ms"},
    {"nodeStatusMaxImages", "50"},
    {"maxOpenFiles", "1000000"},
    {"contentType", "application/vnd.kubernetes.protobuf"},
    {"kubeAPIQPS", "50"},
    {"kubeAPIBurst", "100"},
    {"evictionPressureTransitionPeriod", "5m"},
    {"mergeDefaultEvictionSettings", "false"},
    {"enableControllerAttachDetach", "true"},
    {"makeIPTablesUtilChains", "true"},
    {"iptablesMasqueradeBit", "14"},
    {"iptablesDropBit", "15"},
    {"failSwapOn", "true"},
    {"containerLogMaxSize", "10Mi"},
    {"containerLogMaxFiles", "5"},
    {"containerLogMaxWorkers", "1"},
    {"containerLogMonitorInterval", "10s"},
    {"configMapAndSecretChangeDetectionStrategy", "Watch"},
    {"volumePluginDir", "/usr/libexec/kubernetes/kubelet-plugins/volume/exec/"},
    {"logging.format", "text"},
    {"logging.flushFrequency", "5s"},
    {"enableSystemLogHandler", "true"},
    {"enableProfilingHandler", "true"},
    {"enableDebugFlagsHandler", "true"},
    {"seccompDefault", "false"},
    {"failCgroupV1", "true"},
    {"memoryReservationPolicy", "None"},
    {"registerNode", "true"},
    {"localStorageCapacityIsolation", "true"},
    {"containerRuntimeEndpoint", "unix:///run/containerd/containerd.sock"},
};

// Whether the gate is on with both sets applied; problems in them are reported elsewhere.
bool GateOn(const std::map<std::string, bool>& gates, const std::string& name) {
  if (auto found = gates.find(name); found != gates.end()) return found->second;
  for (const GateInfo& gate : FeatureGates::Known()) {
    if (name != gate.name) continue;
    auto all = gates.find(gate.stage == GateStage::kAlpha ? "AllAlpha" : "AllBeta");
    bool by_stage = gate.stage == GateStage::kAlpha || gate.stage == GateStage::kBeta;
    return by_stage && all != gates.end() ? all->second : gate.default_on;
  }
  return false;
}

// Our own table does not fit our own schema: nothing can be right after that.
void CheckTable(const absl::Status& status, const char* path) {
  if (status.ok()) return;
  std::fprintf(stderr, "default of %s: %s\n", path, status.ToString().c_str());
  std::abort();
}

void SetIfUnset(KubeletConfiguration& config, const char* path, const std::string& value) {
  if (!IsUnset(FindField(config, path))) return;
  CheckTable(SetScalar(MutableField(config, path), value), path);
}

// Defaults that look at another field. Before the table: they ask what the user set.
void SetDependentDefaults(KubeletConfiguration& config) {
  // Reports follow the update period when only that was given (kept from before there were two).
  if (IsUnset(FindField(config, "nodeStatusReportFrequency"))) {
    bool given = !IsUnset(FindField(config, "nodeStatusUpdateFrequency"));
    int64_t period = given ? config.node_status_update_frequency().duration() : 300'000'000'000;
    config.mutable_node_status_report_frequency()->set_duration(period);
  }
  if (!config.has_serialize_image_pulls()) {
    config.set_serialize_image_pulls(!config.has_max_parallel_image_pulls() ||
                                     config.max_parallel_image_pulls() < 2);
  }
  if (!config.has_pod_pids_limit() || config.pod_pids_limit() < 0) config.set_pod_pids_limit(-1);
  if (!config.has_memory_throttling_factor()) config.set_memory_throttling_factor(0.9);
  if (config.enforce_node_allocatable().empty()) config.add_enforce_node_allocatable("pods");
}

void SetOutputDefaults(v1beta1::OutputRoutingOptions& routing) {
  if (routing.info_buffer_size().string().empty())
    routing.mutable_info_buffer_size()->set_string("0");
}

}  // namespace

void SetDefaults(KubeletConfiguration& config, const std::map<std::string, bool>& gates) {
  SetDependentDefaults(config);
  for (const FieldDefault& entry : kDefaults) SetIfUnset(config, entry.path, entry.value);
  v1beta1::FormatOptions& options = *config.mutable_logging()->mutable_options();
  SetOutputDefaults(*options.mutable_text()->mutable_output_routing_options());
  SetOutputDefaults(*options.mutable_json()->mutable_output_routing_options());
  std::map<std::string, bool> all = gates;
  for (const auto& [name, value] : config.feature_gates()) all[name] = value;
  if (GateOn(all, "KubeletCrashLoopBackOffMax")) {
    SetIfUnset(config, "crashLoopBackOff.maxContainerRestartPeriod", "300s");
  }
  if (GateOn(all, "KubeletEnsureSecretPulledImages")) {
    SetIfUnset(config, "imagePullCredentialsVerificationPolicy", "NeverVerifyPreloadedImages");
  }
}

KubeletConfiguration LegacyDefaults(const std::map<std::string, bool>& gates) {
  KubeletConfiguration config;
  SetDefaults(config, gates);
  config.mutable_authentication()->mutable_anonymous()->set_enabled(true);
  config.mutable_authentication()->mutable_webhook()->set_enabled(false);
  config.mutable_authorization()->set_mode("AlwaysAllow");
  config.set_read_only_port(10255);
  return config;
}

const std::map<std::string, std::string>& DefaultEvictionHard() {
  static const auto* thresholds =
      new std::map<std::string, std::string>{{"memory.available", "100Mi"},
                                             {"nodefs.available", "10%"},
                                             {"nodefs.inodesFree", "5%"},
                                             {"imagefs.available", "15%"},
                                             {"imagefs.inodesFree", "5%"}};
  return *thresholds;
}

void InjectEvictionHard(KubeletConfiguration& config, bool file_has_field) {
  if (file_has_field && !config.merge_default_eviction_settings()) return;
  for (const auto& [signal, value] : DefaultEvictionHard()) {
    config.mutable_eviction_hard()->insert({signal, value});
  }
}

}  // namespace kubelet::config
