// Defaults against the table of configuration fields.
#include "config/defaults.h"

#include <map>
#include <set>

#include "config/field_path.h"
#include "config/not_built.h"
#include "kubelet/api/time.h"
#include "support.h"

namespace kubelet::config {
namespace {

using v1beta1::KubeletConfiguration;

KubeletConfiguration Defaulted() {
  KubeletConfiguration config;
  SetDefaults(config);
  return config;
}

// The value that a cell of the table begins with, in the form of FieldText; nullopt where the cell
// is prose that says "absent".
std::string ExpectedText(const std::string& cell, const FieldRef& ref) {
  std::string value = cell.substr(0, cell.find(" ("));
  value = value.substr(0, value.find(';'));
  if (value == "nil" || value == "\"\"" || value == "{}" || value == "-") return "";
  if (IsDuration(*ref.field)) {
    absl::StatusOr<base::Nanos> duration = api::ParseGoDuration(value);
    if (duration.ok()) return base::GoDuration(*duration);
  }
  return value;
}

TEST_CASE("defaults are those of the table of fields") {
  KubeletConfiguration config = Defaulted();
  // Their cells say more than a value.
  const std::map<std::string, std::string> kSpoken = {
      {"evictionHard", ""},      // only --config brings one
      {"tracing.endpoint", ""},  // of the exporter, not of the field
      {"tracing.samplingRatePerMillion", "0"},
      {"userNamespaces.idsPerPod", "0"},
      {"nodeStatusReportFrequency", "5m0s"},
      {"singleProcessOOMKill", "false"},
      {"enableSystemLogQuery", "false"},
      {"maxParallelImagePulls", "0"},
  };
  int compared = 0;
  for (const auto& row : FactRows("config_fields.tsv")) {
    if (row.size() < 3) continue;
    FieldRef ref = FindField(config, row[0]);
    // Fields of list items, kind and version, and objects have no default of their own.
    bool object = ref &&
                  ref.field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE &&
                  !ref.field->is_repeated() && !IsDuration(*ref.field) && FieldText(ref).empty();
    if (!ref || object) continue;
    INFO(row[0] << " = " << row[2]);
    auto spoken = kSpoken.find(row[0]);
    std::string expected = spoken != kSpoken.end() ? spoken->second : ExpectedText(row[2], ref);
    CHECK(FieldText(ref) == expected);
    ++compared;
  }
  CHECK((compared == 0 || compared > 120));
}

TEST_CASE("every field of the message is in the table of fields") {
  std::set<std::string> listed;
  for (const auto& row : FactRows("config_fields.tsv")) listed.insert(row[0]);
  if (listed.empty()) return;
  for (const std::string& path : LeafPaths()) {
    INFO(path);
    CHECK(listed.count(path) == 1);
  }
}

TEST_CASE("setting defaults again changes nothing") {
  KubeletConfiguration once = Defaulted();
  KubeletConfiguration twice = once;
  SetDefaults(twice);
  CHECK(once.SerializeAsString() == twice.SerializeAsString());
}

TEST_CASE("explicit zeros of pointer fields stay, others become the default") {
  KubeletConfiguration config;
  config.set_registry_pull_qps(0);
  config.set_registry_burst(0);
  config.set_healthz_port(0);
  config.set_resolv_conf("");
  config.mutable_cpu_cfs_quota_period();
  config.mutable_sync_frequency()->set_duration(0);
  SetDefaults(config);
  CHECK(config.registry_pull_qps() == 0);
  CHECK(config.registry_burst() == 10);
  CHECK(config.healthz_port() == 0);
  CHECK(config.resolv_conf().empty());
  CHECK(config.cpu_cfs_quota_period().duration() == 0);
  CHECK(config.sync_frequency().duration() == 60'000'000'000);
}

TEST_CASE("defaults that depend on another field") {
  KubeletConfiguration config;
  config.set_max_parallel_image_pulls(2);
  config.mutable_node_status_update_frequency()->set_duration(7'000'000'000);
  config.set_pod_pids_limit(-5);
  SetDefaults(config);
  CHECK_FALSE(config.serialize_image_pulls());
  CHECK(config.node_status_report_frequency().duration() == 7'000'000'000);
  CHECK(config.pod_pids_limit() == -1);
  KubeletConfiguration one;
  one.set_max_parallel_image_pulls(1);
  SetDefaults(one);
  CHECK(one.serialize_image_pulls());
}

TEST_CASE("defaults behind gates") {
  KubeletConfiguration config;
  (*config.mutable_feature_gates())["KubeletCrashLoopBackOffMax"] = false;
  SetDefaults(config,
              {{"KubeletCrashLoopBackOffMax", true}, {"KubeletEnsureSecretPulledImages", false}});
  CHECK_FALSE(config.crash_loop_back_off().has_max_container_restart_period());
  CHECK(config.image_pull_credentials_verification_policy().empty());
  KubeletConfiguration beta_off;
  SetDefaults(beta_off, {{"AllBeta", false}});
  CHECK_FALSE(beta_off.crash_loop_back_off().has_max_container_restart_period());
  CHECK(Defaulted().crash_loop_back_off().max_container_restart_period().duration() ==
        300'000'000'000);
}

TEST_CASE("each field is known as built or not built") {
  // What the parts of this program act on. A name moves here out of not_built.cc with its
  // capability.
  const std::set<std::string> kBuilt = {
      "volumeStatsAggPeriod", "staticPodPath", "podLogsDir", "syncFrequency", "fileCheckFrequency",
      "httpCheckFrequency", "staticPodURL", "staticPodURLHeader", "address", "readOnlyPort",
      "registryPullQPS", "registryBurst", "healthzPort", "healthzBindAddress", "oomScoreAdj",
      "clusterDomain", "clusterDNS", "cgroupRoot", "cgroupsPerQOS", "cgroupDriver",
      "singleProcessOOMKill", "runtimeRequestTimeout", "systemReserved", "kubeReserved",
      "systemReservedCgroup", "kubeReservedCgroup", "enforceNodeAllocatable", "maxOpenFiles",
      "memorySwap.swapBehavior", "podCIDR", "podPidsLimit", "resolvConf", "cpuCFSQuota",
      "cpuCFSQuotaPeriod", "serializeImagePulls", "maxParallelImagePulls",
      "mergeDefaultEvictionSettings", "featureGates", "failSwapOn", "logging.format",
      "logging.verbosity", "logging.vmodule", "crashLoopBackOff.maxContainerRestartPeriod",
      "seccompDefault", "containerRuntimeEndpoint", "imageServiceEndpoint", "failCgroupV1",
      "rotateCertificates", "serverTLSBootstrap", "contentType", "kubeAPIQPS", "kubeAPIBurst",
      "eventRecordQPS", "eventBurst", "nodeStatusUpdateFrequency", "nodeStatusReportFrequency",
      "nodeStatusMaxImages", "nodeLeaseDurationSeconds", "registerNode", "registerWithTaints",
      "providerID", "configMapAndSecretChangeDetectionStrategy", "enableControllerAttachDetach",
      "localStorageCapacityIsolation", "makeIPTablesUtilChains", "userNamespaces.idsPerPod",
      "maxPods", "podsPerCore", "allowedUnsafeSysctls", "evictionSoftGracePeriod",
      "evictionPressureTransitionPeriod", "evictionMinimumReclaim", "evictionHard", "evictionSoft",
      "evictionMaxPodGracePeriod", "kernelMemcgNotification", "shutdownGracePeriod",
      "shutdownGracePeriodCriticalPods", "shutdownGracePeriodByPodPriority",
      "imagePullCredentialsVerificationPolicy", "preloadedImagesVerificationAllowlist",
      "imageMinimumGCAge", "imageMaximumGCAge", "imageGCHighThresholdPercent",
      "imageGCLowThresholdPercent", "enableServer", "port", "tlsCertFile", "tlsPrivateKeyFile",
      "tlsCipherSuites", "tlsCurvePreferences", "tlsMinVersion", "authentication.x509.clientCAFile",
      "authentication.webhook.enabled", "authentication.webhook.cacheTTL",
      "authentication.anonymous.enabled", "authorization.mode",
      "authorization.webhook.cacheAuthorizedTTL", "authorization.webhook.cacheUnauthorizedTTL",
      "enableDebuggingHandlers", "streamingConnectionIdleTimeout", "enableSystemLogHandler",
      "enableSystemLogQuery", "enableProfilingHandler", "enableDebugFlagsHandler",
      "cpuManagerPolicy", "cpuManagerPolicyOptions", "cpuManagerReconcilePeriod",
      "memoryManagerPolicy", "reservedMemory", "reservedSystemCPUs", "topologyManagerScope",
      "topologyManagerPolicyOptions", "kubeletCgroups", "protectKernelDefaults",
      // logs of containers
      "containerLogMaxSize", "containerLogMaxFiles", "containerLogMaxWorkers",
      "containerLogMonitorInterval",
      // without effect upstream too, or rejected
      "hairpinMode", "iptablesMasqueradeBit", "iptablesDropBit", "runOnce",
      "logging.flushFrequency"};
  std::set<std::string> not_built;
  KubeletConfiguration config;
  for (const NotBuiltField& field : NotBuiltFields()) {
    INFO(field.path);
    CHECK(bool(FindField(config, field.path)));
    CHECK(not_built.insert(field.path).second);
    CHECK(kBuilt.count(field.path) == 0);
  }
  for (const std::string& path : LeafPaths()) {
    INFO(path);
    CHECK(kBuilt.count(path) + not_built.count(path) == 1);
  }
}

}  // namespace
}  // namespace kubelet::config
