#include "config/reference_notes.h"

namespace kubelet::config {

const std::vector<Note>& FieldHelp() {
  static const auto* help = new std::vector<Note>{
      {"podLogsDir", "directory of the logs of pods"},
      {"tlsCurvePreferences", "allowed key exchange curves, by number"},
      {"imagePullCredentialsVerificationPolicy",
       "whether a pod must hold credentials for an image that is on the node already"},
      {"preloadedImagesVerificationAllowlist",
       "images that need no credentials, with NeverVerifyAllowlistedImages"},
      {"nodeStatusReportFrequency", "period of node status reports when nothing changes"},
      {"nodeLeaseDurationSeconds", "duration of the node lease; renewed every quarter of it"},
      {"imageMaximumGCAge", "unused images older than this are removed; 0 off"},
      {"singleProcessOOMKill",
       "an out-of-memory kill takes one process and not the container (cgroup v2)"},
      {"maxParallelImagePulls", "image pulls at once; more than 1 needs serializeImagePulls off"},
      {"mergeDefaultEvictionSettings",
       "default thresholds stay for signals that evictionHard does not name"},
      {"iptablesMasqueradeBit", "bit of a mark of packets"},
      {"iptablesDropBit", "bit of a mark of packets"},
      {"memorySwap.swapBehavior", "NoSwap or LimitedSwap"},
      {"containerLogMaxWorkers", "log rotations at once"},
      {"containerLogMonitorInterval", "period of looking at log sizes"},
      {"configMapAndSecretChangeDetectionStrategy", "Watch, Cache or Get"},
      {"showHiddenMetricsForVersion", "previous minor release whose hidden metrics are shown"},
      {"enableSystemLogHandler", "files of /var/log under /logs"},
      {"enableSystemLogQuery", "queries of node logs under /logs"},
      {"shutdownGracePeriod", "time that a shutdown of the node waits for pods"},
      {"shutdownGracePeriodCriticalPods", "the part of it that is kept for critical pods"},
      {"shutdownGracePeriodByPodPriority", "the same by classes of priority"},
      {"crashLoopBackOff.maxContainerRestartPeriod",
       "longest wait before a container is started again"},
      {"enableProfilingHandler", "profiles under /debug/pprof"},
      {"enableDebugFlagsHandler", "log verbosity under /debug/flags/v"},
      {"seccompDefault", "profile RuntimeDefault for containers that ask for none"},
      {"memoryThrottlingFactor", "share of the limit at which memory.high stands (MemoryQoS)"},
      {"memoryReservationPolicy", "memory.min and memory.low of pods (MemoryQoS)"},
      {"tracing.endpoint", "OTLP collector"},
      {"tracing.samplingRatePerMillion", "traces in a million that are kept"},
      {"userNamespaces.idsPerPod", "user ids of a pod with a user namespace of its own"},
  };
  return *help;
}

const std::vector<Note>& NoEffect() {
  static const auto* notes = new std::vector<Note>{
      {"hairpinMode", "as upstream, where only the network plugin decides"},
      {"iptablesMasqueradeBit", "as upstream, where the chains are kube-proxy's by now"},
      {"iptablesDropBit", "as upstream, where the chains are kube-proxy's by now"},
  };
  return *notes;
}

const std::vector<Refusal>& Refusals() {
  static const auto* refusals = new std::vector<Refusal>{
      {"runOnce", "true", true, ""},
      {"--cloud-provider", "openstack", false,
       "other than external is refused: upstream removed the providers that were built in"},
  };
  return *refusals;
}

const std::vector<Note>& GatesInUse() {
  static const auto* gates = new std::vector<Note>{
      {"AllowDNSOnlyNodeCSR", "a serving certificate may be asked for without an IP"},
      {"CPUManagerPolicyAlphaOptions", "alpha options in cpuManagerPolicyOptions are valid"},
      {"CPUManagerPolicyBetaOptions", "beta options in cpuManagerPolicyOptions are valid"},
      {"ClusterTrustBundleProjection", "clusterTrustBundle sources of projected volumes"},
      {"ComponentFlagz", "the page /flagz"},
      {"ComponentStatusz", "the page /statusz"},
      {"ContainerCheckpoint", "the endpoint /checkpoint"},
      {"ContainerRestartRules", "restart policy and rules of single containers"},
      {"ContainerStopSignals", "stop signals of containers"},
      {"CustomCPUCFSQuotaPeriod", "cpuCFSQuotaPeriod may be set"},
      {"DisableCPUQuotaWithExclusiveCPUs", "no CPU quota for containers with CPUs of their own"},
      {"EnvFiles", "environment out of files (fileKeyRef)"},
      {"ExtendWebSocketsToKubelet", "WebSockets are translated and tunnelled here"},
      {"GracefulNodeShutdown", "shutdownGracePeriod and its like may be set"},
      {"GracefulNodeShutdownBasedOnPodPriority", "shutdownGracePeriodByPodPriority may be set"},
      {"HostnameOverride", "hostnameOverride of pods"},
      {"InPlacePodLevelResourcesVerticalScaling", "resources of whole pods are resized in place"},
      {"InPlacePodVerticalScalingInitContainers", "resize of init containers"},
      {"KubeletCrashLoopBackOffMax", "crashLoopBackOff.maxContainerRestartPeriod may be set"},
      {"KubeletEnsureSecretPulledImages", "images that are there are checked for credentials"},
      {"KubeletPodResourcesListUseActivePods", "List of the pod resources API leaves out pods that are over"},
      {"KubeletServiceAccountTokenForCredentialProviders",
       "credential plugins get service account tokens"},
      {"LoggingAlphaOptions", "alpha options of logging may be set"},
      {"MemoryQoS", "memoryThrottlingFactor and memoryReservationPolicy may be set"},
      {"NodeDeclaredFeatures", "the node's status tells what it can do"},
      {"PodCertificateRequest", "podCertificate sources of projected volumes"},
      {"PodLevelResources", "resources of whole pods"},
      {"PodLogsQuerySplitStreams", "`stream` in queries of container logs"},
      {"PreventStaticPodAPIReferences", "static pods that refer to API objects are refused"},
      {"QOSReserved", "qosReserved may be set"},
      {"ReduceDefaultCrashLoopBackOffDecay", "crash back-off from 1 s to 1 m"},
      {"ResourceHealthStatus", "health of devices in the status of the containers that hold them"},
      {"RestartAllContainersOnContainerExits", "the restart rule RestartAllContainers"},
      {"RotateKubeletServerCertificate", "serverTLSBootstrap may be set"},
      {"RuntimeClassInImageCriApi", "images are pulled for a runtime class"},
      {"TaintTolerationComparisonOperators", "operators Lt and Gt of tolerations"},
      {"UserNamespacesHostNetworkSupport", "user namespaces together with the host's network"},
  };
  return *gates;
}

const std::vector<const char*>& GatesNotAsked() {
  static const auto* gates = new std::vector<const char*>{
      "AllowParsingUserUIDFromCertAuth",
      "CRIListStreaming",
      "CSIVolumeHealth",
      "ChangeContainerStatusOnKubeletRestart",
      "DRAExtendedResource",
      "DRANodeAllocatableResources",
      "DRAWorkloadResourceClaims",
      "DisableNodeKubeProxyVersion",
      "DynamicResourceAllocation",
      "EventedPLEG",
      "GitRepoVolumeDriver",
      "ImageVolume",
      "ImageVolumeWithDigest",
      "InPlacePodVerticalScaling",
      "InPlacePodVerticalScalingExclusiveCPUs",
      "InPlacePodVerticalScalingExclusiveMemory",
      "KubeletFineGrainedAuthz",
      "KubeletInUserNamespace",
      "KubeletPSI",
      "KubeletPodResourcesGet",
      "KubeletRegistrationGetOnExistsOnly",
      "KubeletSeparateDiskGC",
      "LocalStorageCapacityIsolationFSQuotaMonitoring",
      "MutableCSINodeAllocatableCount",
      "NodeLogQuery",
      "NodeSwap",
      "PLEGOnDemandRelist",
      "PodAndContainerStatsFromCRI",
      "PodLevelResourceManagers",
      "PodLifecycleSleepAction",
      "PodLifecycleSleepActionAllowZero",
      "PodObservedGenerationTracking",
      "PodReadyToStartContainersCondition",
      "PodsAPI",
      "ProcMountType",
      "RecoverVolumeExpansionFailure",
      "RecursiveReadOnlyMounts",
      "RelaxedDNSSearchValidation",
      "RelaxedEnvironmentVariableValidation",
      "ReloadKubeletClientCAFile",
      "ReloadKubeletServerCertificateFile",
      "ResourceHealthStatusMessage",
      "SELinuxChangePolicy",
      "SELinuxMount",
      "SELinuxMountReadWriteOncePod",
      "SidecarContainers",
      "SupplementalGroupsPolicy",
      "TopologyManagerPolicyAlphaOptions",
      "TopologyManagerPolicyBetaOptions",
      "UserNamespacesSupport",
      "WatchListClient",
  };
  return *gates;
}

}  // namespace kubelet::config
