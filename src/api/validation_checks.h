// The parts of pod validation, by topic. Each function appends what is wrong with what stands at
// `path`. All pure. Internal to the room.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/validation_errors.h"
#include "api/validation_text.h"
#include "kubelet/api/containers.h"
#include "kubelet/api/types.h"

namespace kubelet::api {

using StringMap = google::protobuf::Map<std::string, std::string>;
// Generated maps have no order; messages should.
inline std::map<std::string, std::string> Sorted(const StringMap& map) {
  return {map.begin(), map.end()};
}

// What the checks of a container need to know about its pod.
struct PodContext {
  const core::Pod& pod;
  const core::PodSpec& spec;
  Errors& errors;
  std::map<std::string, const core::VolumeSource*> volumes;  // those without errors
  std::set<std::string> claims;                              // names in spec.resourceClaims
  bool host_users = true;
  std::optional<int64_t> grace_seconds;

  explicit PodContext(const core::Pod& p, Errors& e);
};

// Init, regular, ephemeral: the order upstream visits them.
void ForEachContainer(const core::PodSpec& spec,
                      const std::function<void(const core::Container&, const Path&)>& visit);

// validation_metadata.cc
void CheckMetadata(const meta::ObjectMeta& metadata, const Path& path, Errors& errors);
void CheckLabels(const StringMap& labels, const Path& path, Errors& errors);
void CheckAnnotations(const StringMap& annotations, const Path& path, Errors& errors);
void CheckLabelSelector(const meta::LabelSelector& selector, const Path& path, Errors& errors);

// validation_annotations.cc: annotations that mean something for pods.
void CheckPodAnnotations(PodContext& pod);
// Seccomp and AppArmor annotations may not contradict the fields.
void CheckProfileAnnotationsMatch(PodContext& pod);

// validation_volumes.cc fills pod.volumes.
void CheckVolumes(PodContext& pod, const Path& path);
void CheckFileMode(bool present, int32_t mode, const Path& path, Errors& errors);
void CheckNoBackstep(const std::string& text, const Path& path, Errors& errors);
// Relative and without `..`.
void CheckDescendingPath(const std::string& text, const Path& path, Errors& errors);
// The same, and the first part does not begin with `..` (those names are the kubelet's own).
void CheckNonReservedPath(const std::string& text, const Path& path, Errors& errors);
void CheckKeyToPath(const core::KeyToPath& item, const Path& path, Errors& errors);
void CheckDownwardFile(const core::DownwardAPIVolumeFile& file, const Path& path, Errors& errors);

// validation_remote_volumes.cc: one function for each storage system, false when none of them is
// set.
using VolumeCheck = void (*)(const core::VolumeSource& source, const Path& path, Errors& errors);
VolumeCheck RemoteVolumeCheck(int field_number);

// validation_projected.cc
void CheckProjected(const core::ProjectedVolumeSource& projected, const Path& path, Errors& errors);

// validation_claim.cc
void CheckClaimTemplate(const core::PersistentVolumeClaimTemplate& claim, const Path& path,
                        Errors& errors);

// validation_containers.cc
void CheckContainers(PodContext& pod, const Path& spec_path);

// validation_env.cc
void CheckEnv(const core::Container& container, const Path& path, Errors& errors);
void CheckFieldRef(const core::ObjectFieldSelector& ref, const std::vector<std::string>& allowed,
                   const Path& path, Errors& errors);
void CheckResourceFieldRef(const core::ResourceFieldSelector& ref, bool needs_container,
                           const Path& path, Errors& errors);
// A file key needs an emptyDir of that name.
void CheckFileKeyVolumes(PodContext& pod);

// validation_mounts.cc
void CheckMounts(PodContext& pod, const core::Container& container, const Path& path);

// validation_handlers.cc
void CheckProbes(PodContext& pod, const core::Container& container, const Path& path);
void CheckLifecycle(PodContext& pod, const core::Lifecycle& lifecycle, const Path& path);

// validation_resources.cc
void CheckContainerResources(PodContext& pod, const core::ResourceRequirements& resources,
                             const Path& path);
void CheckResizePolicy(PodContext& pod, const core::Container& container, const Path& path);
void CheckPodResources(PodContext& pod, const Path& spec_path);
void CheckResourceClaims(PodContext& pod, const Path& path);
// Not negative, and whole for counted resources.
void CheckResourceValue(const std::string& resource, const Quantity& value, const Path& path,
                        Errors& errors);

// validation_security.cc
void CheckSecurityContext(PodContext& pod, const core::SecurityContext& context, const Path& path);
void CheckPodSecurity(PodContext& pod, const Path& spec_path);
void CheckSeccompName(const std::string& name, const Path& path, Errors& errors);

// validation_windows.cc
void CheckWindowsOptions(const core::WindowsSecurityContextOptions& options, const Path& path,
                         Errors& errors);
void CheckHostProcess(PodContext& pod, const Path& spec_path);
// Fields that the operating system named in spec.os has no use for.
void CheckOs(PodContext& pod, const Path& spec_path);

// validation_scheduling.cc
void CheckAffinity(const core::Affinity& affinity, const Path& path, Errors& errors);
void CheckTolerations(const google::protobuf::RepeatedPtrField<core::Toleration>& tolerations,
                      const Path& path, Errors& errors);
void CheckSpread(const core::PodSpec& spec, const Path& path, Errors& errors);

// validation_spec.cc
void CheckSpec(PodContext& pod, const Path& path);

}  // namespace kubelet::api
