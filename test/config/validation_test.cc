// Every rule: a configuration that keeps it and one that breaks it.
#include "config/validation.h"

#include "config/defaults.h"
#include "support.h"

namespace kubelet::config {
namespace {

constexpr char kHead[] = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

// What validation says of a file with this body; empty when it loads.
std::string ErrorOf(const std::string& body) {
  TempTree tree;
  tree.Write("/k.yaml", kHead + body);
  absl::StatusOr<LoadedConfig> loaded = LoadArgs({"--config=/k.yaml"}, tree.Reader());
  return loaded.ok() ? "" : base::Message(loaded.status());
}

struct Rule {
  const char* good;
  const char* bad;
  const char* error;  // the field, and what is said of it
};

void CheckRules(const std::vector<Rule>& rules) {
  for (const Rule& rule : rules) {
    INFO(rule.good << " | " << rule.bad);
    CHECK(ErrorOf(rule.good).empty());
    std::string error = ErrorOf(rule.bad);
    INFO(error);
    CHECK(Contains(error, std::string("\n  ") + rule.error));
  }
}

TEST_CASE("ranges") {
  CheckRules({
      {"syncFrequency: 1ns", "syncFrequency: -1s",
       "syncFrequency (--sync-frequency): is -1s, must be positive"},
      {"fileCheckFrequency: 1s", "fileCheckFrequency: -1s",
       "fileCheckFrequency (--file-check-frequency): is -1s"},
      {"httpCheckFrequency: 1s", "httpCheckFrequency: -1s",
       "httpCheckFrequency (--http-check-frequency): is -1s"},
      {"port: 65535", "port: 65536", "port (--port): is 65536, must be 1 to 65535"},
      {"readOnlyPort: 0", "readOnlyPort: -1",
       "readOnlyPort (--read-only-port): is -1, must be 0 to 65535"},
      {"healthzPort: 0", "healthzPort: 65536", "healthzPort (--healthz-port): is 65536"},
      {"registryPullQPS: 0", "registryPullQPS: -1",
       "registryPullQPS (--registry-qps): is -1, must be at least 0"},
      {"registryBurst: 1", "registryBurst: -1", "registryBurst (--registry-burst): is -1"},
      {"eventRecordQPS: 0", "eventRecordQPS: -1", "eventRecordQPS (--event-qps): is -1"},
      {"eventBurst: 1", "eventBurst: -1", "eventBurst (--event-burst): is -1"},
      {"kubeAPIQPS: 0", "kubeAPIQPS: -1", "kubeAPIQPS (--kube-api-qps): is -1"},
      {"kubeAPIBurst: 1", "kubeAPIBurst: -1", "kubeAPIBurst (--kube-api-burst): is -1"},
      {"oomScoreAdj: -1000", "oomScoreAdj: 1001",
       "oomScoreAdj (--oom-score-adj): is 1001, must be -1000 to 1000"},
      {"nodeLeaseDurationSeconds: 1", "nodeLeaseDurationSeconds: -1",
       "nodeLeaseDurationSeconds: is -1"},
      {"imageMinimumGCAge: 1s", "imageMinimumGCAge: -1s",
       "imageMinimumGCAge (--minimum-image-ttl-duration): is -1s"},
      {"imageMaximumGCAge: 3m", "imageMaximumGCAge: -1s", "imageMaximumGCAge: is -1s"},
      {"imageMaximumGCAge: 121s", "imageMaximumGCAge: 2m",
       "imageMaximumGCAge: is 2m0s, must be greater than"},
      {"imageGCHighThresholdPercent: 100", "imageGCHighThresholdPercent: 101",
       "imageGCHighThresholdPercent (--image-gc-high-threshold): is 101, must be 0 to 100"},
      {"imageGCLowThresholdPercent: 0", "imageGCLowThresholdPercent: -1",
       "imageGCLowThresholdPercent (--image-gc-low-threshold): is -1"},
      {"imageGCLowThresholdPercent: 84", "imageGCLowThresholdPercent: 85",
       "imageGCLowThresholdPercent (--image-gc-low-threshold): is 85, must be less than"},
      {"iptablesMasqueradeBit: 31", "iptablesMasqueradeBit: 32", "iptablesMasqueradeBit: is 32"},
      {"iptablesDropBit: 0", "iptablesDropBit: -1", "iptablesDropBit: is -1"},
      {"nodeStatusMaxImages: -1", "nodeStatusMaxImages: -2",
       "nodeStatusMaxImages (--node-status-max-images): is -2"},
      {"maxOpenFiles: 1", "maxOpenFiles: -1", "maxOpenFiles (--max-open-files): is -1"},
      {"maxPods: 1", "maxPods: -1", "maxPods (--max-pods): is -1"},
      {"podsPerCore: 0", "podsPerCore: -1", "podsPerCore (--pods-per-core): is -1"},
      {"containerLogMaxFiles: 2", "containerLogMaxFiles: 1",
       "containerLogMaxFiles (--container-log-max-files): is 1"},
      {"containerLogMaxWorkers: 1", "containerLogMaxWorkers: 0", "containerLogMaxWorkers: is 0"},
      {"containerLogMonitorInterval: 3s", "containerLogMonitorInterval: 2s",
       "containerLogMonitorInterval: is 2s"},
      {"containerLogMaxSize: '-1'", "containerLogMaxSize: big",
       "containerLogMaxSize (--container-log-max-size): is \"big\", must be a quantity"},
      {"crashLoopBackOff: {maxContainerRestartPeriod: 1s}",
       "crashLoopBackOff: {maxContainerRestartPeriod: 301s}",
       "crashLoopBackOff.maxContainerRestartPeriod: is 5m1s, must be 1s to 5m0s"},
      {"crashLoopBackOff: {maxContainerRestartPeriod: 300s}",
       "crashLoopBackOff: {maxContainerRestartPeriod: 999ms}",
       "crashLoopBackOff.maxContainerRestartPeriod: is 999ms"},
      {"cpuCFSQuotaPeriod: 1ms", "cpuCFSQuotaPeriod: 999us",
       "cpuCFSQuotaPeriod (--cpu-cfs-quota-period): is 999µs, must be 1ms to 1s"},
      {"cpuCFSQuotaPeriod: 1s", "cpuCFSQuotaPeriod: 0s",
       "cpuCFSQuotaPeriod (--cpu-cfs-quota-period): is 0s"},
      {"maxParallelImagePulls: 1", "maxParallelImagePulls: 0",
       "maxParallelImagePulls: is 0, must be at least 1"},
      {"maxParallelImagePulls: 2", "maxParallelImagePulls: 2\nserializeImagePulls: true",
       "maxParallelImagePulls: is 2, must be 1 unless"},
      {"memoryThrottlingFactor: 1", "memoryThrottlingFactor: 0",
       "memoryThrottlingFactor: is 0.0, must be above 0"},
      {"memoryThrottlingFactor: 0.1", "memoryThrottlingFactor: 1.5",
       "memoryThrottlingFactor: is 1.5"},
      {"userNamespaces: {idsPerPod: 131072}", "userNamespaces: {idsPerPod: 65537}",
       "userNamespaces.idsPerPod: is 65537"},
      {"userNamespaces: {idsPerPod: 65536}", "userNamespaces: {idsPerPod: 0}",
       "userNamespaces.idsPerPod: is 0"},
      {"userNamespaces: {}", "userNamespaces: {idsPerPod: 4294967296}",
       "userNamespaces.idsPerPod: is 4294967296"},
  });
}

TEST_CASE("enumerations") {
  CheckRules({
      {"authorization: {mode: AlwaysAllow}", "authorization: {mode: RBAC}",
       "authorization.mode (--authorization-mode): is \"RBAC\", must be one of \"AlwaysAllow\", "
       "\"Webhook\""},
      {"tlsMinVersion: VersionTLS13", "tlsMinVersion: TLS1.3",
       "tlsMinVersion (--tls-min-version): is \"TLS1.3\""},
      {"cgroupDriver: systemd", "cgroupDriver: none",
       "cgroupDriver (--cgroup-driver): is \"none\""},
      {"cpuManagerPolicy: static", "cpuManagerPolicy: x",
       "cpuManagerPolicy (--cpu-manager-policy): is \"x\""},
      {"memoryManagerPolicy: Static", "memoryManagerPolicy: static",
       "memoryManagerPolicy (--memory-manager-policy): is \"static\""},
      {"topologyManagerPolicy: best-effort", "topologyManagerPolicy: best",
       "topologyManagerPolicy (--topology-manager-policy): is \"best\""},
      {"topologyManagerScope: pod", "topologyManagerScope: node",
       "topologyManagerScope (--topology-manager-scope): is \"node\""},
      {"hairpinMode: none", "hairpinMode: x", "hairpinMode (--hairpin-mode): is \"x\""},
      {"memorySwap: {swapBehavior: LimitedSwap}", "memorySwap: {swapBehavior: Unlimited}",
       "memorySwap.swapBehavior: is \"Unlimited\""},
      {"configMapAndSecretChangeDetectionStrategy: Get",
       "configMapAndSecretChangeDetectionStrategy: Poll",
       "configMapAndSecretChangeDetectionStrategy: is \"Poll\""},
      {"memoryReservationPolicy: None", "memoryReservationPolicy: Some",
       "memoryReservationPolicy: is \"Some\""},
      {"logging: {format: json}", "logging: {format: xml}",
       "logging.format (--logging-format): is \"xml\""},
  });
}

TEST_CASE("fields behind gates") {
  CheckRules({
      {"serverTLSBootstrap: true",
       "serverTLSBootstrap: true\nfeatureGates: {RotateKubeletServerCertificate: false}",
       "serverTLSBootstrap (--rotate-server-certificates): must not be set without the feature "
       "gate "
       "RotateKubeletServerCertificate"},
      {"cpuCFSQuotaPeriod: 100ms\nfeatureGates: {CustomCPUCFSQuotaPeriod: false}",
       "cpuCFSQuotaPeriod: 50ms\nfeatureGates: {CustomCPUCFSQuotaPeriod: false}",
       "cpuCFSQuotaPeriod (--cpu-cfs-quota-period): is 50ms, which needs"},
      {"featureGates: {KubeletCrashLoopBackOffMax: false}",
       "crashLoopBackOff: {maxContainerRestartPeriod: 9s}\nfeatureGates: "
       "{KubeletCrashLoopBackOffMax: false}",
       "crashLoopBackOff.maxContainerRestartPeriod: must not be set without"},
      {"featureGates: {KubeletEnsureSecretPulledImages: false}",
       "imagePullCredentialsVerificationPolicy: NeverVerify\nfeatureGates: "
       "{KubeletEnsureSecretPulledImages: false}",
       "imagePullCredentialsVerificationPolicy: must not be set without"},
      {"memoryReservationPolicy: TieredReservation\nfeatureGates: {MemoryQoS: true}",
       "memoryReservationPolicy: TieredReservation",
       "memoryReservationPolicy: TieredReservation needs"},
      {"logging: {options: {text: {splitStream: true}}}\nfeatureGates: {LoggingAlphaOptions: true}",
       "logging: {options: {text: {splitStream: true}}}",
       "logging.options.text.splitStream (--log-text-split-stream): must not be set without"},
      {"logging: {options: {json: {infoBufferSize: '0'}}}",
       "logging: {options: {json: {infoBufferSize: 1Ki}}}",
       "logging.options.json.infoBufferSize (--log-json-info-buffer-size): must not be set "
       "without"},
      {"shutdownGracePeriod: 30s",
       "shutdownGracePeriod: 30s\nfeatureGates: {GracefulNodeShutdown: false, "
       "GracefulNodeShutdownBasedOnPodPriority: "
       "false, WindowsGracefulNodeShutdown: false}",
       "shutdownGracePeriod: must not be set without the feature gate GracefulNodeShutdown"},
      {"shutdownGracePeriodByPodPriority: [{priority: 1, shutdownGracePeriodSeconds: 1}]",
       "shutdownGracePeriodByPodPriority: [{priority: 1, shutdownGracePeriodSeconds: "
       "1}]\nfeatureGates: "
       "{GracefulNodeShutdownBasedOnPodPriority: false}",
       "shutdownGracePeriodByPodPriority: must not be set without"},
      {"featureGates: {MemoryQoS: true}", "featureGates: {PodLevelResources: false}",
       "featureGates (--feature-gates): feature gate InPlacePodLevelResourcesVerticalScaling is on "
       "and needs"},
  });
}

TEST_CASE("shutdown, taints, paths, sysctls") {
  CheckRules({
      {"shutdownGracePeriod: 1s", "shutdownGracePeriod: 999ms",
       "shutdownGracePeriod: is 999ms, must be 0 or at least"},
      {"shutdownGracePeriod: 9s\nshutdownGracePeriodCriticalPods: 9s",
       "shutdownGracePeriod: 9s\nshutdownGracePeriodCriticalPods: 10s",
       "shutdownGracePeriodCriticalPods: is 10s, must be at most shutdownGracePeriod 9s"},
      {"shutdownGracePeriod: 9s\nshutdownGracePeriodCriticalPods: 1s",
       "shutdownGracePeriod: 9s\nshutdownGracePeriodCriticalPods: 1ms",
       "shutdownGracePeriodCriticalPods: is 1ms"},
      {"shutdownGracePeriod: 0s",
       "shutdownGracePeriod: 9s\nshutdownGracePeriodByPodPriority: [{priority: 1, "
       "shutdownGracePeriodSeconds: 1}]",
       "shutdownGracePeriodByPodPriority: must not be set together"},
      {"registerWithTaints: [{key: a.b/c, value: v, effect: NoSchedule}]",
       "registerWithTaints: [{key: a b, value: v, effect: NoSchedule}]",
       "registerWithTaints[0].key: \"a b\""},
      {"registerWithTaints: [{key: a, effect: NoExecute}]",
       "registerWithTaints: [{key: a, effect: Never}]",
       "registerWithTaints[0].effect: is \"Never\""},
      {"registerWithTaints: []", "registerWithTaints: [{key: a, value: '-', effect: NoSchedule}]",
       "registerWithTaints[0].value: \"-\""},
      {"registerWithTaints: []",
       "registerWithTaints: [{key: a, effect: NoSchedule, timeAdded: '2024-01-01T00:00:00Z'}]",
       "registerWithTaints[0].timeAdded: must not be set"},
      {"podLogsDir: /x/y", "podLogsDir: /x//y",
       "podLogsDir: is \"/x//y\", must be written \"/x/y\""},
      {"podLogsDir: /x", "podLogsDir: /\xC3\xA9", "podLogsDir: is \"/\xC3\xA9\", must be ASCII"},
      {"allowedUnsafeSysctls: ['net.*', kernel.sem, kernel/shm_x]",
       "allowedUnsafeSysctls: [vm.swappiness]",
       "allowedUnsafeSysctls (--allowed-unsafe-sysctls): \"vm.swappiness\" is not known to be kept "
       "per namespace"},
      {"allowedUnsafeSysctls: ['kernel.msg*']", "allowedUnsafeSysctls: ['net..a']",
       "allowedUnsafeSysctls (--allowed-unsafe-sysctls): \"net..a\" is neither"},
      {"runOnce: false", "runOnce: true", "runOnce (--runonce): must be false"},
  });
}

TEST_CASE("serving") {
  CheckRules({
      {"address: '::1'", "address: localhost",
       "address (--address): is \"localhost\", must be an IP address"},
      {"tlsCipherSuites: [TLS_AES_128_GCM_SHA256]", "tlsCipherSuites: [ROT13]",
       "tlsCipherSuites (--tls-cipher-suites): \"ROT13\" is no known cipher suite"},
      {"tlsCurvePreferences: [29, 4588]", "tlsCurvePreferences: [29, 29]",
       "tlsCurvePreferences: has 29 twice"},
      {"tlsCurvePreferences: [23]", "tlsCurvePreferences: [1]",
       "tlsCurvePreferences: 1 is no known curve"},
      {"logging: {vmodule: [{filePattern: a, verbosity: 1}]}",
       "logging: {format: json, vmodule: [{filePattern: a, verbosity: 1}]}",
       "logging.vmodule (--vmodule): works with the text format only"},
      {"logging: {verbosity: 9}", "logging: {vmodule: [{verbosity: 1}]}",
       "logging.vmodule[0].filePattern: must not be empty"},
      {"logging: {flushFrequency: 5000000000}",
       "logging: {vmodule: [{filePattern: 'a=b', verbosity: 1}]}",
       "logging.vmodule[0].filePattern: is \"a=b\""},
      {"logging: {flushFrequency: 1s}", "logging: {flushFrequency: -1s}",
       "logging.flushFrequency (--log-flush-frequency): is -1s, must be positive"},
      {"logging: {verbosity: 2147483647}", "logging: {verbosity: 2147483648}",
       "logging.verbosity (--v): is 2147483648"},
      {"tracing: {samplingRatePerMillion: 1000000}", "tracing: {samplingRatePerMillion: 1000001}",
       "tracing.samplingRatePerMillion: is 1000001, must be 0 to 1000000"},
      {"tracing: {endpoint: 'localhost:4317'}", "tracing: {endpoint: 'ftp://x'}",
       "tracing.endpoint: is \"ftp://x\""},
      {"tracing: {endpoint: 'unix:///run/x'}",
       "tracing: {endpoint: 'x', samplingRatePerMillion: -1}",
       "tracing.samplingRatePerMillion: is -1"},
      {"enableSystemLogQuery: true", "enableSystemLogQuery: true\nenableSystemLogHandler: false",
       "enableSystemLogQuery: needs enableSystemLogHandler"},
      {"showHiddenMetricsForVersion: '1.35'", "showHiddenMetricsForVersion: '1.34'",
       "showHiddenMetricsForVersion: is \"1.34\", must be the previous minor version \"1.35\""},
  });
}

TEST_CASE("image verification") {
  const std::string kAllow =
      "imagePullCredentialsVerificationPolicy: NeverVerifyAllowlistedImages\n"
      "preloadedImagesVerificationAllowlist: ";
  CheckRules(
      {{"imagePullCredentialsVerificationPolicy: AlwaysVerify",
        "imagePullCredentialsVerificationPolicy: Maybe",
        "imagePullCredentialsVerificationPolicy: is \"Maybe\""},
       {"preloadedImagesVerificationAllowlist: []", "preloadedImagesVerificationAllowlist: [a]",
        "preloadedImagesVerificationAllowlist: needs"}});
  for (const char* good :
       {"[a]", "['r.io:5000/a/b']", "['r.io/*', 'r.io/a/*']", "[Reg.io/a_b-c]"}) {
    INFO(good);
    CHECK(ErrorOf(kAllow + good).empty());
  }
  for (const char* bad : {"['a:1']", "['r.io/a@sha256:1']", "['/*']", "['*']", "['r.io/*/a']",
                          "[' a']", "['']", "['r.io/A']", "['r.io//a']", "['r.io/a*']", "['a!']"}) {
    INFO(bad);
    CHECK(Contains(ErrorOf(kAllow + bad), "\n  preloadedImagesVerificationAllowlist: "));
  }
}

TEST_CASE("reservations and enforcement") {
  CheckRules({
      {"systemCgroups: /s\ncgroupRoot: /", "systemCgroups: /s",
       "systemCgroups (--system-cgroups): needs cgroupRoot"},
      {"enforceNodeAllocatable: [pods, system-reserved]\nsystemReservedCgroup: /s",
       "enforceNodeAllocatable: [pods, system-reserved]",
       "systemReservedCgroup (--system-reserved-cgroup): must be set"},
      {"enforceNodeAllocatable: [kube-reserved-compressible]\nkubeReservedCgroup: /s",
       "enforceNodeAllocatable: [kube-reserved-compressible]",
       "kubeReservedCgroup (--kube-reserved-cgroup): must be"},
      {"enforceNodeAllocatable: [none]", "enforceNodeAllocatable: [none, pods]",
       "enforceNodeAllocatable (--enforce-node-allocatable): \"none\" must stand alone"},
      {"enforceNodeAllocatable: [pods]", "enforceNodeAllocatable: [pods, pods]",
       "enforceNodeAllocatable (--enforce-node-allocatable): has \"pods\" twice"},
      {"cgroupsPerQOS: false\nenforceNodeAllocatable: [none]", "cgroupsPerQOS: false",
       "cgroupsPerQOS (--cgroups-per-qos): must be true for \"pods\""},
      {"enforceNodeAllocatable: [pods]", "enforceNodeAllocatable: [all]",
       "enforceNodeAllocatable (--enforce-node-allocatable): \"all\" is unknown"},
      {"enforceNodeAllocatable: [kube-reserved]\nkubeReservedCgroup: /k",
       "enforceNodeAllocatable: [kube-reserved, kube-reserved-compressible]\nkubeReservedCgroup: "
       "/k",
       "enforceNodeAllocatable (--enforce-node-allocatable): \"kube-reserved\" and"},
      {"systemReserved: {cpu: 100m, memory: 1Gi, ephemeral-storage: 1Gi, pid: '9'}",
       "systemReserved: {gpu: '1'}",
       "systemReserved (--system-reserved): \"gpu\" cannot be reserved"},
      {"kubeReserved: {cpu: '0'}", "kubeReserved: {cpu: '-1'}",
       "kubeReserved (--kube-reserved): cpu is \"-1\""},
      {"kubeReserved: {}", "kubeReserved: {memory: lots}",
       "kubeReserved (--kube-reserved): memory is \"lots\""},
      {"reservedSystemCPUs: 0-3,8", "reservedSystemCPUs: 3-0",
       "reservedSystemCPUs (--reserved-cpus): the range"},
      {"reservedSystemCPUs: '1'", "reservedSystemCPUs: a",
       "reservedSystemCPUs (--reserved-cpus): \"a\" is neither"},
      {"reservedSystemCPUs: '1'", "reservedSystemCPUs: '1'\nkubeReservedCgroup: /k",
       "reservedSystemCPUs (--reserved-cpus): must not be set together"},
      {"reservedMemory: [{numaNode: 0, limits: {memory: 1Gi}}, {numaNode: 1, limits: {memory: "
       "1Gi}}]",
       "reservedMemory: [{numaNode: 0, limits: {memory: 1Gi}}, {numaNode: 0, limits: {memory: "
       "1Gi}}]",
       "reservedMemory[1].limits.memory: stands twice"},
      {"reservedMemory: [{numaNode: 0, limits: {hugepages-2Mi: 2Mi}}]",
       "reservedMemory: [{numaNode: 0, limits: {cpu: 1}}]",
       "reservedMemory[0].limits.cpu: is unknown"},
      {"reservedMemory: []", "reservedMemory: [{numaNode: 0, limits: {memory: 0}}]",
       "reservedMemory[0].limits.memory: must not be zero"},
  });
}

TEST_CASE("options of the managers") {
  const std::string kCpu = "cpuManagerPolicyOptions (--cpu-manager-policy-options): ";
  const std::string kStatic = "cpuManagerPolicy: static\ncpuManagerPolicyOptions: ";
  CheckRules({
      {"cpuManagerPolicy: static\ncpuManagerPolicyOptions: {full-pcpus-only: 'true'}",
       "cpuManagerPolicyOptions: {full-pcpus-only: 'true'}",
       "cpuManagerPolicyOptions (--cpu-manager-policy-options): works with cpuManagerPolicy static "
       "only"},
      {"topologyManagerPolicyOptions: {prefer-closest-numa-nodes: 'true', "
       "max-allowable-numa-nodes: '8'}",
       "topologyManagerPolicyOptions: {max-allowable-numa-nodes: '7'}",
       "topologyManagerPolicyOptions (--topology-manager-policy-options): max-allowable-numa-nodes "
       "is \"7\""},
      {"topologyManagerPolicyOptions: {}", "topologyManagerPolicyOptions: {x: 'true'}",
       "topologyManagerPolicyOptions (--topology-manager-policy-options): \"x\" is no known "
       "option"},
      {"qosReserved: {memory: 50%}\nfeatureGates: {QOSReserved: true}",
       "qosReserved: {memory: '50'}", "qosReserved (--qos-reserved): memory is \"50\""},
      {"qosReserved: {memory: 100%}", "qosReserved: {memory: 101%}",
       "qosReserved (--qos-reserved): memory is \"101%\""},
      {"qosReserved: {}", "qosReserved: {cpu: 5%}",
       "qosReserved (--qos-reserved): \"cpu\" cannot be reserved"},
  });
  CHECK(Contains(ErrorOf(kStatic + "{bogus: 'true'}"), kCpu + "\"bogus\" is no known option"));
  CHECK(
      Contains(ErrorOf(kStatic + "{full-pcpus-only: 'yes'}"), kCpu + "full-pcpus-only is \"yes\""));
  CHECK(Contains(ErrorOf(kStatic + "{align-by-socket: 'true'}"),
                 kCpu + "\"align-by-socket\" needs the feature gate"));
  CHECK(ErrorOf(kStatic +
                "{align-by-socket: 'true'}\nfeatureGates: {CPUManagerPolicyAlphaOptions: true}")
            .empty());
  CHECK(Contains(
      ErrorOf(kStatic +
              "{distribute-cpus-across-numa: 'true', prefer-align-cpus-by-uncorecache: 'true'}"),
      "exclude one another"));
}

TEST_CASE("eviction") {
  CheckRules({
      {"evictionHard: {memory.available: 0%, nodefs.available: 100%, pid.available: 7.5%}",
       "evictionHard: {cpu.available: '1'}",
       "evictionHard (--eviction-hard): \"cpu.available\" is no known"},
      {"evictionHard: {memory.available: 1Gi}", "evictionHard: {memory.available: '0'}",
       "evictionHard (--eviction-hard): memory.available is \"0\", must be positive"},
      {"evictionHard: {memory.available: 1%}", "evictionHard: {memory.available: 101%}",
       "evictionHard (--eviction-hard): memory.available is \"101%\", must be 0% to 100%"},
      {"evictionHard: {}", "evictionHard: {memory.available: x}",
       "evictionHard (--eviction-hard): memory.available is \"x\", must be a quantity or a "
       "percentage"},
      {"evictionSoft: {memory.available: 1Gi}\nevictionSoftGracePeriod: {memory.available: 30s}",
       "evictionSoft: {memory.available: 1Gi}",
       "evictionSoft (--eviction-soft): memory.available has no evictionSoftGracePeriod"},
      {"evictionSoftGracePeriod: {memory.available: 0s}",
       "evictionSoftGracePeriod: {memory.available: -1s}",
       "evictionSoftGracePeriod (--eviction-soft-grace-period): memory.available is \"-1s\", must "
       "not be negative"},
      {"evictionSoft: {memory.available: 0%}", "evictionSoftGracePeriod: {memory.available: soon}",
       "evictionSoftGracePeriod (--eviction-soft-grace-period): memory.available is \"soon\", must "
       "be a duration"},
      {"evictionMinimumReclaim: {imagefs.available: 2Gi, nodefs.available: 5%}",
       "evictionMinimumReclaim: {imagefs.available: 0%}",
       "evictionMinimumReclaim (--eviction-minimum-reclaim): imagefs.available is \"0%\""},
  });
}

TEST_CASE("flags that are no field") {
  struct Case {
    std::vector<std::string> good;
    std::vector<std::string> bad;
    const char* error;
  };
  const Case kCases[] = {
      {{"--node-labels=node.kubernetes.io/x=1,kubernetes.io/os=linux,a.kubelet.kubernetes.io/b=1"},
       {"--node-labels=kubernetes.io/role=master"},
       "--node-labels: \"kubernetes.io/role\" is in a domain of Kubernetes"},
      {{"--node-labels=example.com/x=1"},
       {"--node-labels=x.k8s.io/y=1"},
       "--node-labels: \"x.k8s.io/y\""},
      {{"--node-labels=a=b"}, {"--node-labels=a b=c"}, "--node-labels: key \"a b\""},
      {{"--node-labels=a="}, {"--node-labels=a=b c"}, "--node-labels: value \"b c\" of \"a\""},
      {{"--node-ip=10.0.0.1,::1"}, {"--node-ip=10.0.0.1,10.0.0.2"}, "--node-ip: is"},
      {{"--node-ip=::"}, {"--node-ip=0.0.0.0,::1"}, "--node-ip: a pair must not hold"},
      {{"--cloud-provider=external"}, {"--cloud-provider=gce"}, "--cloud-provider: is \"gce\""},
      {{"--exit-on-lock-contention", "--lock-file=/x"},
       {"--exit-on-lock-contention"},
       "--exit-on-lock-contention: needs --lock-file"},
      {{"--root-dir=/x"}, {"--root-dir="}, "--root-dir: must not be empty"},
      {{"--hostname-override=x"},
       {"--hostname-override= "},
       "--hostname-override: must not be blank"},
      {{"--image-credential-provider-config=/a", "--image-credential-provider-bin-dir=/b"},
       {"--image-credential-provider-config=/a"},
       "--image-credential-provider-config: must be set together"},
      {{"--container-runtime-endpoint=unix:///x"},
       {"--container-runtime-endpoint="},
       "containerRuntimeEndpoint (--container-runtime-endpoint): must not be empty"},
  };
  for (const Case& test : kCases) {
    INFO(test.error);
    MustLoad(test.good);
    CHECK(Contains(LoadError(test.bad), std::string("\n  ") + test.error));
  }
}

TEST_CASE("what hardly works as meant is warned of") {
  auto warnings =
      MustLoad({"--cluster-dns=10.0.0.1,x", "--kubelet-cgroups=/a", "--kube-reserved-cgroup=/b",
                "--tls-min-version=VersionTLS13", "--tls-cipher-suites=TLS_AES_128_GCM_SHA256",
                "--qos-reserved=memory=5%", "--node-ip=bad"})
          .warnings;
  REQUIRE(warnings.size() == 5);
  CHECK(Contains(warnings[0], "clusterDNS: \"x\""));
  CHECK(Contains(warnings[1], "kubeletCgroups: \"/a\""));
  CHECK(Contains(warnings[2], "tlsCipherSuites"));
  CHECK(Contains(warnings[3], "qosReserved"));
  CHECK(Contains(warnings[4], "--node-ip: \"bad\""));
}

}  // namespace
}  // namespace kubelet::config
