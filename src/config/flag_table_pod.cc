// Flags of pod sources and of the container runtime. Data only.
#include "config/flag_table.h"

namespace kubelet::config {

const std::vector<FlagSpec>& PodFlags() {
  static const auto* flags = new std::vector<FlagSpec>{
      {"allowed-unsafe-sysctls", 0, FlagType::kStrings, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "allowedUnsafeSysctls", "", "extra allowed sysctls"},
      {"cluster-dns", 0, FlagType::kStrings, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "clusterDNS", "", "DNS server IPs"},
      {"cluster-domain", 0, FlagType::kString, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "clusterDomain", "", "cluster DNS domain"},
      {"container-log-max-files", 0, FlagType::kInt32, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "containerLogMaxFiles", "", "files kept per container"},
      {"container-log-max-size", 0, FlagType::kString, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "containerLogMaxSize", "", "rotate size"},
      {"container-runtime-endpoint", 0, FlagType::kString, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "containerRuntimeEndpoint", "", "CRI runtime socket"},
      {"enable-controller-attach-detach", 0, FlagType::kBool, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "enableControllerAttachDetach", "", "controller does attach/detach"},
      {"experimental-mounter-path", 0, FlagType::kString, FlagGroup::kRuntime, FlagStatus::kToBeRemoved, &Flags::experimental_mounter_path, "", "external mounter binary"},
      {"file-check-frequency", 0, FlagType::kDuration, FlagGroup::kSources, FlagStatus::kUseConfigFile, "fileCheckFrequency", "", "static file re-list period"},
      {"hairpin-mode", 0, FlagType::kString, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "hairpinMode", "", "hairpin mode value (no effect)"},
      {"http-check-frequency", 0, FlagType::kDuration, FlagGroup::kSources, FlagStatus::kUseConfigFile, "httpCheckFrequency", "", "manifest URL poll period"},
      {"image-credential-provider-bin-dir", 0, FlagType::kString, FlagGroup::kRuntime, FlagStatus::kCurrent, &Flags::image_credential_provider_bin_dir, "", "directory of credential provider binaries"},
      {"image-credential-provider-config", 0, FlagType::kString, FlagGroup::kRuntime, FlagStatus::kCurrent, &Flags::image_credential_provider_config, "", "credential provider config file or directory"},
      {"image-gc-high-threshold", 0, FlagType::kInt32, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "imageGCHighThresholdPercent", "", "disk % that triggers image GC"},
      {"image-gc-low-threshold", 0, FlagType::kInt32, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "imageGCLowThresholdPercent", "", "disk % target of image GC"},
      {"image-service-endpoint", 0, FlagType::kString, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "imageServiceEndpoint", "", "CRI image socket (default same)"},
      {"local-storage-capacity-isolation", 0, FlagType::kBool, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "localStorageCapacityIsolation", "", "ephemeral-storage accounting"},
      {"make-iptables-util-chains", 0, FlagType::kBool, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "makeIPTablesUtilChains", "", "create KUBE-IPTABLES-HINT chain etc."},
      {"manifest-url", 0, FlagType::kString, FlagGroup::kSources, FlagStatus::kUseConfigFile, "staticPodURL", "", "static pod URL"},
      {"manifest-url-header", 0, FlagType::kMultimapColon, FlagGroup::kSources, FlagStatus::kUseConfigFile, "staticPodURLHeader", "", "HTTP headers for the URL, name:value list, repeatable"},
      {"maximum-dead-containers", 0, FlagType::kInt32, FlagGroup::kRuntime, FlagStatus::kUseEviction, &Flags::maximum_dead_containers, "", "dead instances kept globally, negative = unlimited"},
      {"maximum-dead-containers-per-container", 0, FlagType::kInt32, FlagGroup::kRuntime, FlagStatus::kUseEviction, &Flags::maximum_dead_containers_per_container, "", "dead instances kept per container"},
      {"minimum-container-ttl-duration", 0, FlagType::kDuration, FlagGroup::kRuntime, FlagStatus::kUseEviction, &Flags::minimum_container_ttl, "", "min age of dead container before GC"},
      {"minimum-image-ttl-duration", 0, FlagType::kDuration, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "imageMinimumGCAge", "", "min unused image age before GC"},
      {"pod-cidr", 0, FlagType::kString, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "podCIDR", "", "pod CIDR in standalone mode"},
      {"pod-manifest-path", 0, FlagType::kString, FlagGroup::kSources, FlagStatus::kUseConfigFile, "staticPodPath", "", "static pod file or directory"},
      {"registry-burst", 0, FlagType::kInt32, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "registryBurst", "", "image pull burst"},
      {"registry-qps", 0, FlagType::kInt32, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "registryPullQPS", "", "image pull QPS limit, 0 unlimited"},
      {"resolv-conf", 0, FlagType::kString, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "resolvConf", "", "host resolv.conf source"},
      {"runtime-request-timeout", 0, FlagType::kDuration, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "runtimeRequestTimeout", "", "CRI call timeout"},
      {"seccomp-default", 0, FlagType::kBool, FlagGroup::kRuntime, FlagStatus::kCurrent, &Flags::seccomp_default, "", "RuntimeDefault seccomp for all containers without profile (OR with config seccompDefault)"},
      {"serialize-image-pulls", 0, FlagType::kBool, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "serializeImagePulls", "", "one pull at a time"},
      {"sync-frequency", 0, FlagType::kDuration, FlagGroup::kSources, FlagStatus::kUseConfigFile, "syncFrequency", "", "max interval between pod syncs"},
      {"volume-plugin-dir", 0, FlagType::kString, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "volumePluginDir", "", "flexvolume dir"},
      {"volume-stats-agg-period", 0, FlagType::kDuration, FlagGroup::kRuntime, FlagStatus::kUseConfigFile, "volumeStatsAggPeriod", "", "volume stats period, negative off"},
  };
  return *flags;
}

}  // namespace kubelet::config
