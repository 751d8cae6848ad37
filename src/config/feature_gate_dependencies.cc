// Which gate needs which (pkg/features/kube_features.go of 1.36). Data only.
#include "kubelet/config/feature_gates.h"

namespace kubelet::config {

const std::map<std::string, std::vector<std::string>>& FeatureGates::Dependencies() {
  static const auto* needs = new std::map<std::string, std::vector<std::string>>{
      {"AuthorizeNodeWithSelectors", {"AuthorizeWithSelectors"}},
      {"ClusterTrustBundleProjection", {"ClusterTrustBundle"}},
      {"DRAAdminAccess", {"DynamicResourceAllocation"}},
      {"DRAConsumableCapacity", {"DynamicResourceAllocation"}},
      {"DRADeviceBindingConditions", {"DynamicResourceAllocation", "DRAResourceClaimDeviceStatus"}},
      {"DRADeviceTaintRules", {"DRADeviceTaints"}},
      {"DRADeviceTaints", {"DynamicResourceAllocation"}},
      {"DRAExtendedResource", {"DynamicResourceAllocation"}},
      {"DRAListTypeAttributes", {"DynamicResourceAllocation"}},
      {"DRANodeAllocatableResources", {"DynamicResourceAllocation"}},
      {"DRAPartitionableDevices", {"DynamicResourceAllocation"}},
      {"DRAPrioritizedList", {"DynamicResourceAllocation"}},
      {"DRAResourceClaimGranularStatusAuthorization", {"DynamicResourceAllocation", "DRAResourceClaimDeviceStatus"}},
      {"DRAResourcePoolStatus", {"DynamicResourceAllocation"}},
      {"DRASchedulerFilterTimeout", {"DynamicResourceAllocation"}},
      {"DRAWorkloadResourceClaims", {"DynamicResourceAllocation", "GenericWorkload"}},
      {"DeclarativeValidationBeta", {"DeclarativeValidation"}},
      {"DeclarativeValidationTakeover", {"DeclarativeValidation"}},
      {"DisableAllocatorDualWrite", {"MultiCIDRServiceAllocator"}},
      {"ExtendWebSocketsToKubelet", {"NodeDeclaredFeatures"}},
      {"GangScheduling", {"GenericWorkload"}},
      {"GracefulNodeShutdownBasedOnPodPriority", {"GracefulNodeShutdown"}},
      {"ImageVolumeWithDigest", {"ImageVolume"}},
      {"InPlacePodLevelResourcesVerticalScaling", {"InPlacePodVerticalScaling", "PodLevelResources", "NodeDeclaredFeatures"}},
      {"InPlacePodVerticalScalingExclusiveCPUs", {"InPlacePodVerticalScaling"}},
      {"InPlacePodVerticalScalingExclusiveMemory", {"InPlacePodVerticalScaling"}},
      {"InPlacePodVerticalScalingInitContainers", {"InPlacePodVerticalScaling", "NodeDeclaredFeatures"}},
      {"MatchLabelKeysInPodTopologySpreadSelectorMerge", {"MatchLabelKeysInPodTopologySpread"}},
      {"PodCertificateRequest", {"AuthorizeNodeWithSelectors"}},
      {"PodLevelResourceManagers", {"PodLevelResources"}},
      {"PodLifecycleSleepActionAllowZero", {"PodLifecycleSleepAction"}},
      {"ProcMountType", {"UserNamespacesSupport"}},
      {"ResourceHealthStatus", {"DynamicResourceAllocation"}},
      {"ResourceHealthStatusMessage", {"ResourceHealthStatus"}},
      {"RestartAllContainersOnContainerExits", {"ContainerRestartRules", "NodeDeclaredFeatures"}},
      {"ServiceAccountTokenNodeBinding", {"ServiceAccountTokenNodeBindingValidation"}},
      {"StaleControllerConsistencyDaemonSet", {"AtomicFIFO"}},
      {"StaleControllerConsistencyJob", {"AtomicFIFO"}},
      {"StaleControllerConsistencyReplicaSet", {"AtomicFIFO"}},
      {"StaleControllerConsistencyStatefulSet", {"AtomicFIFO"}},
      {"StorageVersionAPI", {"APIServerIdentity"}},
      {"StructuredAuthenticationConfigurationEgressSelector", {"StructuredAuthenticationConfiguration"}},
      {"StructuredAuthenticationConfigurationJWKSMetrics", {"StructuredAuthenticationConfiguration"}},
      {"TopologyAwareWorkloadScheduling", {"GenericWorkload"}},
      {"UnknownVersionInteroperabilityProxy", {"APIServerIdentity"}},
      {"UserNamespacesHostNetworkSupport", {"UserNamespacesSupport", "NodeDeclaredFeatures"}},
      {"WindowsGracefulNodeShutdown", {"GracefulNodeShutdown"}},
      {"WorkloadAwarePreemption", {"GangScheduling"}},
      {"WorkloadWithJob", {"GenericWorkload"}},
  };
  return *needs;
}

}  // namespace kubelet::config
