// Facts about a pod that several rooms need; pure functions of its spec.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kubelet/api/quantity.h"
#include "kubelet/api/types.h"

namespace kubelet::api {

enum class QosClass { kGuaranteed, kBurstable, kBestEffort };
const char* QosName(QosClass qos);
// From requests and limits of cpu and memory; spec.resources alone decides when it is there, even empty
// (pkg/apis/core/v1/helper/qos ComputePodQOS).
QosClass ComputeQos(const core::Pod& pod);

inline constexpr char kConfigHash[] = "kubernetes.io/config.hash";
inline constexpr char kConfigSource[] = "kubernetes.io/config.source";
inline constexpr char kConfigSeen[] = "kubernetes.io/config.seen";
inline constexpr char kConfigMirror[] = "kubernetes.io/config.mirror";
// Ours, on static pods and their sandboxes: a hash over the manifest and its place, whatever the uid
// is. Tells an edited manifest from one that runs under another kubelet's or build's uid.
inline constexpr char kManifestAnnotation[] = "kubelet.cpp/manifest";
// Ours, on static pods and so on their mirrors: metadata.uid of the static pod, where config.hash is not that. The two
// differ once a manifest was edited in CPU or memory and its pod runs on, resized.
inline constexpr char kStaticUid[] = "kubelet.cpp/uid";

std::string Annotation(const core::Pod& pod, const std::string& key);
bool IsStatic(const core::Pod& pod);    // config.source is there and is not `api`
bool IsMirror(const core::Pod& pod);    // has config.mirror
std::string StaticUidOf(const core::Pod& mirror);  // of the pod that it shows
bool IsCritical(const core::Pod& pod);  // static, mirror, or priority of at least 2000000000
bool IsRestartableInit(const core::Container& container);

// One resource of a ResourceRequirements map; zero when absent.
Quantity Request(const core::Container& container, const std::string& resource);
Quantity Limit(const core::Container& container, const std::string& resource);

// Effective pod sums with init containers, sidecars, overhead and pod level resources
// (component-helpers resource PodRequests/PodLimits). From the spec only: a resize that is under way is not seen.
struct PodResources {
  int64_t cpu_request_milli = 0;
  int64_t cpu_limit_milli = 0;
  int64_t memory_request = 0;
  int64_t memory_limit = 0;
  // Every container, init containers too, has a cpu limit, or the pod itself has. A plain init container also
  // counts as limited when a sidecar before it is.
  bool all_cpu_limited = false;
  bool all_memory_limited = false;  // the same for memory
  // Resource name such as hugepages-2Mi, bytes. From the requests, as upstream; a limit without one is defaulted.
  std::map<std::string, int64_t> hugepage_limits;
};
PodResources ComputePodResources(const core::Pod& pod);

// Effective requests of every resource that is named, extended ones too, as scheduler and admission count them; computed
// like the sums above. `pod_level` false: spec.resources does not count (gate PodLevelResources).
std::map<std::string, Quantity> ComputePodRequests(const core::Pod& pod, bool pod_level = true);

// The FNV-1a hash that containers carry in io.kubernetes.container.hash: of name and image only, byte for byte
// as upstream computes it, so that a node may change kubelets without restarting containers.
std::string ContainerHash(const std::string& name, const std::string& image);

}  // namespace kubelet::api
