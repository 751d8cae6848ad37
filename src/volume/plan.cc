#include "volume/plan.h"

#include <algorithm>
#include <map>
#include <set>

#include "kubelet/api/pod.h"
#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "volume/payload.h"
#include "volume/steps.h"

namespace kubelet::volume {
namespace {

using api::core::Container;
using api::core::Pod;
using api::core::Volume;

constexpr char kHugePages[] = "HugePages";

// Of regular, init and ephemeral containers: mounts and devices.
template <typename Visit>
void VisitMounts(const Pod& pod, const Visit& visit) {
  auto each = [&](const auto& container) {
    for (const auto& mount : container.volume_mounts()) visit(container.name(), mount.name());
    for (const auto& device : container.volume_devices()) visit(container.name(), device.name());
  };
  for (const auto& container : pod.spec().init_containers()) each(container);
  for (const auto& container : pod.spec().containers()) each(container);
  for (const auto& container : pod.spec().ephemeral_containers())
    each(container.ephemeral_container_common());
}

// The smallest of the node's memory, what the pod may use, and the volume's own limit.
int64_t MemorySize(const Pod& pod, const Volume& volume, int64_t node_bytes) {
  int64_t size = node_bytes;
  auto lower = [&](int64_t limit) {
    if (limit > 0 && (size <= 0 || limit <= size)) size = limit;
  };
  auto resources = api::ComputePodResources(pod);
  auto qos = api::ComputeQos(pod);
  bool limited = qos == api::QosClass::kGuaranteed ||
                 (qos == api::QosClass::kBurstable && resources.all_memory_limited);
  if (limited) lower(resources.memory_limit);
  const auto& source = volume.volume_source().empty_dir();
  if (source.has_size_limit()) lower(api::Quantity::From(source.size_limit()).Value());
  return size;
}

std::set<int64_t> RequestedPageSizes(const Pod& pod) {
  std::set<int64_t> sizes;
  auto add = [&](const auto& requests) {
    for (const auto& [name, quantity] : requests) {
      if (name.rfind("hugepages-", 0) != 0) continue;
      if (auto size = api::Quantity::Parse(name.substr(10)); size.ok()) sizes.insert(size->Value());
    }
  };
  add(pod.spec().resources().requests());
  for (const auto& container : pod.spec().init_containers()) add(container.resources().requests());
  for (const auto& container : pod.spec().containers()) add(container.resources().requests());
  return sizes;
}

absl::StatusOr<int64_t> PageSize(const Pod& pod, const std::string& medium) {
  auto requested = RequestedPageSizes(pod);
  auto none = [&] {
    return absl::FailedPreconditionError("medium " + medium +
                                         ": no container requests huge pages of that size");
  };
  if (medium == kHugePages) {
    if (requested.empty()) return none();
    if (requested.size() == 1) return *requested.begin();
    return absl::FailedPreconditionError("medium " + medium +
                                         ": the containers request several sizes of huge pages");
  }
  auto size = api::Quantity::Parse(medium.substr(sizeof kHugePages));
  if (!size.ok()) return absl::FailedPreconditionError("unknown storage medium `" + medium + "`");
  if (requested.count(size->Value()) == 0) return none();
  return size->Value();
}

absl::StatusOr<EmptyDirPlan> PlanEmptyDir(const Pod& pod, const Volume& volume,
                                          int64_t memory_bytes) {
  EmptyDirPlan plan;
  plan.name = volume.name();
  const std::string& medium = volume.volume_source().empty_dir().medium();
  if (pod.spec().security_context().has_fs_group())
    plan.group = pod.spec().security_context().fs_group();
  if (medium == "Memory") {
    plan.medium = EmptyDirPlan::Medium::kMemory;
    plan.size_bytes = MemorySize(pod, volume, memory_bytes);
  } else if (medium == kHugePages || medium.rfind(std::string(kHugePages) + "-", 0) == 0) {
    plan.medium = EmptyDirPlan::Medium::kHugePages;
    ASSIGN_OR_RETURN(plan.page_bytes, PageSize(pod, medium));
  } else if (!medium.empty()) {
    return absl::FailedPreconditionError("unknown storage medium `" + medium + "`");
  }
  return plan;
}

bool HasBackstep(const std::string& path) {
  std::string text = "/" + path + "/";
  return text.find("/../") != std::string::npos;
}

absl::Status PlanVolume(const Pod& pod, const Volume& volume, int64_t memory_bytes,
                        VolumePlan& plan) {
  std::string kind = VolumeKind(volume);
  if (UsedAsDevice(pod, volume.name()) && kind != "persistentVolumeClaim" && kind != "ephemeral")
    return absl::FailedPreconditionError("volumes of kind " + kind +
                                         " cannot be used in volumeDevices");
  if (kind == "emptyDir") {
    ASSIGN_OR_RETURN(auto empty_dir, PlanEmptyDir(pod, volume, memory_bytes));
    plan.empty_dirs.push_back(std::move(empty_dir));
  } else if (kind == "hostPath") {
    const auto& source = volume.volume_source().host_path();
    if (HasBackstep(source.path())) {
      return absl::FailedPreconditionError("invalid HostPath `" + source.path() +
                                           "`: must not contain '..'");
    }
    plan.host_paths.push_back({volume.name(), source.path(), source.type()});
  } else if (kind == "image") {
    // The runtime mounts it, sub path and all.
  } else if (kind == "persistentVolumeClaim" || kind == "ephemeral" || kind == "nfs") {
    plan.persistent.push_back(volume.name());
  } else if (!ApiVolumePlugin(volume).empty()) {
    plan.api_volumes.push_back(volume.name());
  } else {
    return absl::FailedPreconditionError("volumes of kind " + kind + " are not built yet");
  }
  return absl::OkStatus();
}

}  // namespace

bool UsedAsDevice(const Pod& pod, const std::string& volume) {
  auto uses = [&](const auto& container) {
    const auto& devices = container.volume_devices();
    return std::any_of(devices.begin(), devices.end(),
                       [&](const auto& device) { return device.name() == volume; });
  };
  const auto& spec = pod.spec();
  return std::any_of(spec.containers().begin(), spec.containers().end(), uses) ||
         std::any_of(spec.init_containers().begin(), spec.init_containers().end(), uses);
}

std::string VolumeKind(const Volume& volume) {
  const auto& source = volume.volume_source();
  const auto* reflection = source.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> set;
  reflection->ListFields(source, &set);
  return set.empty() ? "emptyDir" : std::string(set.front()->json_name());
}

absl::StatusOr<VolumePlan> PlanVolumes(const Pod& pod, int64_t memory_bytes) {
  std::string name = "pod " + api::PodKey(pod);
  if (!os::IsPathComponent(pod.metadata().uid())) {
    return absl::InvalidArgumentError(name + ": metadata.uid `" + pod.metadata().uid() +
                                      "` is no directory name");
  }
  VolumePlan plan;
  std::map<std::string, const Volume*> volumes;
  for (const auto& volume : pod.spec().volumes()) volumes.emplace(volume.name(), &volume);
  std::set<std::string> planned;
  absl::Status first;
  VisitMounts(pod, [&](const std::string& container, const std::string& volume) {
    if (!first.ok()) return;
    std::string where = name + ": volume \"" + volume + "\" of container " + container;
    auto it = volumes.find(volume);
    if (it == volumes.end()) {
      first = absl::FailedPreconditionError(where + ": spec.volumes has no such volume");
      return;
    }
    if (!os::IsPathComponent(volume) || !os::IsPathComponent(container)) {
      first = absl::InvalidArgumentError(where + ": no directory name");
      return;
    }
    if (planned.insert(volume).second) {
      first = VolumeFailed(pod, volume, false, PlanVolume(pod, *it->second, memory_bytes, plan));
    }
  });
  if (!first.ok()) return first;
  return plan;
}

}  // namespace kubelet::volume
