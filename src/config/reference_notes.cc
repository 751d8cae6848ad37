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
      {"maxParallelImagePulls",
       "image pulls at once; more than 1 needs serializeImagePulls off; one of over 30 s counts no "
       "more, so that a registry that hangs holds up nobody else"},
      {"mergeDefaultEvictionSettings",
       "default thresholds stay for signals that evictionHard does not name"},
      {"iptablesMasqueradeBit", "bit of a mark of packets"},
      {"iptablesDropBit", "bit of a mark of packets"},
      {"memorySwap.swapBehavior",
       "LimitedSwap: Burstable containers swap their memory request's share of the node's swap "
       "(cgroup v2); NoSwap, also when empty: none swaps"},
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
      {"CRIListStreaming", "lists of the container runtime as streams, where it has them"},
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
      {"KubeletPodResourcesListUseActivePods",
       "List of the pod resources API leaves out pods that are over"},
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

const std::vector<AlwaysOnGate>& GatesAlwaysOn() {
  static const auto* gates = new std::vector<AlwaysOnGate>{
      {"AllowParsingUserUIDFromCertAuth", "the uid of a user out of its client certificate"},
      {"CPUManagerPolicyOptions", "cpuManagerPolicyOptions"},
      {"ClientsAllowCARotation", "the API server's CA is read again for every connection"},
      {"DisableNodeKubeProxyVersion", "no kubeProxyVersion in the node's status"},
      {"EventedPLEG", "events of the runtime are listened to where it has them"},
      {"ExecProbeTimeout", "time limits of exec probes"},
      {"GitRepoVolumeDriver", "gitRepo volumes are refused"},
      {"ImageMaximumGCAge", "imageMaximumGCAge"},
      {"ImageVolume", "images as volumes"},
      {"InPlacePodVerticalScaling", "resources of containers are resized in place"},
      {"KubeletCgroupDriverFromCRI", "the cgroup driver is the container runtime's"},
      {"KubeletFineGrainedAuthz", "permissions for single endpoints of nodes/proxy"},
      {"KubeletPSI", "pressure in statistics (cgroup v2)"},
      {"KubeletPodResourcesGet", "Get of the pod resources API"},
      {"KubeletSeparateDiskGC", "writable layers on a disk of their own"},
      {"NodeLogQuery", "queries of node logs"},
      {"NodeSwap", "swap for pods (LimitedSwap)"},
      {"PLEGOnDemandRelist", "the runtime is looked at again when a pod's worker asks for it"},
      {"PodLifecycleSleepAction", "hooks that sleep"},
      {"PodLifecycleSleepActionAllowZero", "hooks that sleep for no time"},
      {"PodObservedGenerationTracking", "observedGeneration in the status of pods"},
      {"PodReadyToStartContainersCondition", "the condition PodReadyToStartContainers"},
      {"ProcMountType", "procMount of containers"},
      {"RecursiveReadOnlyMounts", "recursiveReadOnly of volume mounts"},
      {"RelaxedDNSSearchValidation", "search domains with underscores, and a lone dot"},
      {"RelaxedEnvironmentVariableValidation", "nearly any name of a variable"},
      {"ReloadKubeletClientCAFile", "client CAs are read again when the file changes"},
      {"ReloadKubeletServerCertificateFile", "the certificate is read again when the file changes"},
      {"SidecarContainers", "init containers that restart and run beside the others"},
      {"SupplementalGroupsPolicy", "supplementalGroupsPolicy of pods"},
      {"TopologyManagerPolicyAlphaOptions", "no option of topologyManagerPolicyOptions is alpha",
       false},
      {"TopologyManagerPolicyBetaOptions", "no option of topologyManagerPolicyOptions is beta",
       false},
      {"TopologyManagerPolicyOptions", "topologyManagerPolicyOptions"},
      {"UserNamespacesSupport", "user namespaces of pods"},
      {"WatchListClient", "lists out of watches"},
  };
  return *gates;
}

const std::vector<MissingGate>& GatesNotBuilt() {
  static const auto* gates = new std::vector<MissingGate>{
      {"CSIServiceAccountTokenSecrets", "CSI volumes"},
      {"CSIVolumeHealth", "health of CSI volumes"},
      {"ChangeContainerStatusOnKubeletRestart",
       "containers that lose `started` and `ready` when the kubelet starts; here they keep them"},
      {"ClientsAllowCBOR", "CBOR towards the API server"},
      {"ClientsPreferCBOR", "CBOR towards the API server"},
      {"DRAConsumableCapacity", "dynamic resource allocation"},
      {"DRAExtendedResource", "dynamic resource allocation"},
      {"DRANodeAllocatableResources", "dynamic resource allocation"},
      {"DRAWorkloadResourceClaims", "dynamic resource allocation"},
      {"DynamicResourceAllocation", "dynamic resource allocation"},
      {"ImageVolumeWithDigest", "digests of image volumes in the status of pods"},
      {"InPlacePodVerticalScalingExclusiveCPUs", "resize of containers with exclusive CPUs"},
      {"InPlacePodVerticalScalingExclusiveMemory", "resize of containers with exclusive memory"},
      {"KubeletInUserNamespace", "a kubelet inside a user namespace"},
      {"KubeletPodResourcesDynamicResources", "dynamic resource allocation"},
      {"KubeletRegistrationGetOnExistsOnly", "another order of calls at registration"},
      {"KubeletTracing", "traces", "tracing.endpoint"},
      {"LocalStorageCapacityIsolationFSQuotaMonitoring", "quotas of filesystems for emptyDir"},
      {"MemoryQoS", "memory.min, memory.low and memory.high of pods", "memoryThrottlingFactor"},
      {"MutableCSINodeAllocatableCount", "CSI volumes"},
      {"NativeHistograms", "histograms of Prometheus' newer kind"},
      {"PodAndContainerStatsFromCRI", "statistics of pods from the container runtime"},
      {"PodLevelResourceManagers", "exclusive CPUs and memory of whole pods"},
      {"PodsAPI", "the local API of pods over gRPC"},
      {"QOSReserved", "memory kept for better QoS classes", "qosReserved"},
      {"RecoverVolumeExpansionFailure", "volumes that grow"},
      {"ResourceHealthStatusMessage", "messages about health of DRA devices"},
      {"SELinuxChangePolicy", "volumes mounted with an SELinux context"},
      {"SELinuxMount", "volumes mounted with an SELinux context"},
      {"SELinuxMountReadWriteOncePod", "volumes mounted with an SELinux context"},
      {"UserNamespacesHostNetworkSupport",
       "user namespaces together with the host's network; such pods are refused"},
  };
  return *gates;
}

}  // namespace kubelet::config
