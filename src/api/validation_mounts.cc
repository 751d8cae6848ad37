#include <algorithm>

#include "api/validation_checks.h"

namespace kubelet::api {
namespace {

bool IsPrivileged(const core::Container& container) {
  return container.security_context().privileged();
}

void CheckPropagation(const core::Container& container, const core::VolumeMount& mount,
                      const Path& path, Errors& errors) {
  if (!mount.has_mount_propagation()) return;
  static const std::vector<std::string> kModes = {"Bidirectional", "HostToContainer", "None"};
  const std::string& mode = mount.mount_propagation();
  if (std::find(kModes.begin(), kModes.end(), mode) == kModes.end()) {
    errors.NotSupported(path, mode, kModes);
  }
  if (mode == "Bidirectional" && !IsPrivileged(container)) {
    errors.Forbidden(path, "Bidirectional needs a privileged container");
  }
}

void CheckRecursiveReadOnly(const core::VolumeMount& mount, const Path& path, Errors& errors) {
  if (!mount.has_recursive_read_only() || mount.recursive_read_only() == "Disabled") return;
  const std::string& mode = mount.recursive_read_only();
  if (mode != "Enabled" && mode != "IfPossible") {
    return errors.NotSupported(path, mode, {"Disabled", "Enabled", "IfPossible"});
  }
  if (!mount.read_only()) errors.Forbidden(path, "may only be specified when readOnly is true");
  if (mount.has_mount_propagation() && mount.mount_propagation() != "None") {
    errors.Forbidden(path, "may only be specified without mountPropagation, or with None");
  }
}

void CheckSubPath(const core::VolumeMount& mount, const Path& path, Errors& errors) {
  CheckDescendingPath(mount.sub_path(), path.Child("subPath"), errors);
  if (mount.sub_path_expr().empty()) return;
  if (!mount.sub_path().empty()) {
    errors.Invalid(path.Child("subPathExpr"), mount.sub_path_expr(),
                   "subPathExpr and subPath are mutually exclusive");
  }
  CheckDescendingPath(mount.sub_path_expr(), path.Child("subPathExpr"), errors);
}

// Names and paths that the other list of the container takes.
struct Taken {
  std::set<std::string> names, paths;
};

void CheckTaken(const Taken& taken, const std::string& name, const std::string& mount_point,
                const std::string& child, const std::string& list, const Path& path,
                Errors& errors) {
  if (taken.names.count(name) > 0) {
    errors.Invalid(path.Child("name"), name, "must not already exist in " + list);
  }
  if (taken.paths.count(mount_point) > 0) {
    errors.Invalid(path.Child(child), mount_point, "must not already exist as a path in " + list);
  }
}

void CheckVolumeMounts(PodContext& pod, const core::Container& container, const Taken& devices,
                       const Path& path) {
  std::set<std::string> seen;
  for (int i = 0; i < container.volume_mounts_size(); ++i) {
    const core::VolumeMount& mount = container.volume_mounts(i);
    const Path at = path.Index(i);
    pod.errors.NonEmpty(at.Child("name"), mount.name());
    if (pod.volumes.count(mount.name()) == 0) pod.errors.NotFound(at.Child("name"), mount.name());
    pod.errors.NonEmpty(at.Child("mountPath"), mount.mount_path());
    if (!seen.insert(mount.mount_path()).second) {
      pod.errors.Invalid(at.Child("mountPath"), mount.mount_path(), "must be unique");
    }
    CheckTaken(devices, mount.name(), mount.mount_path(), "mountPath", "volumeDevices", at,
               pod.errors);
    CheckSubPath(mount, at, pod.errors);
    CheckPropagation(container, mount, at.Child("mountPropagation"), pod.errors);
    CheckRecursiveReadOnly(mount, at.Child("recursiveReadOnly"), pod.errors);
  }
}

void CheckDeviceVolume(PodContext& pod, const std::string& name, const Path& path) {
  pod.errors.NonEmpty(path, name);
  auto it = pod.volumes.find(name);
  if (it == pod.volumes.end()) return pod.errors.NotFound(path, name);
  if (it->second->has_persistent_volume_claim() || it->second->has_ephemeral()) return;
  pod.errors.Invalid(path, name,
                     "only PersistentVolumeClaim and ephemeral volumes have block mode");
}

void CheckVolumeDevices(PodContext& pod, const core::Container& container, const Taken& mounts,
                        const Path& path) {
  std::set<std::string> names, paths;
  for (int i = 0; i < container.volume_devices_size(); ++i) {
    const core::VolumeDevice& device = container.volume_devices(i);
    const Path at = path.Index(i);
    CheckDeviceVolume(pod, device.name(), at.Child("name"));
    if (!device.name().empty() && !names.insert(device.name()).second) {
      pod.errors.Invalid(at.Child("name"), device.name(), "must be unique");
    }
    pod.errors.NonEmpty(at.Child("devicePath"), device.device_path());
    if (!paths.insert(device.device_path()).second) {
      pod.errors.Invalid(at.Child("devicePath"), device.device_path(), "must be unique");
    }
    CheckNoBackstep(device.device_path(), at.Child("devicePath"), pod.errors);
    CheckTaken(mounts, device.name(), device.device_path(), "devicePath", "volumeMounts", at,
               pod.errors);
  }
}

}  // namespace

void CheckMounts(PodContext& pod, const core::Container& container, const Path& path) {
  Taken mounts, devices;
  for (const core::VolumeMount& mount : container.volume_mounts()) {
    mounts.names.insert(mount.name());
    mounts.paths.insert(mount.mount_path());
  }
  for (const core::VolumeDevice& device : container.volume_devices()) {
    devices.names.insert(device.name());
    devices.paths.insert(device.device_path());
  }
  CheckVolumeMounts(pod, container, devices, path.Child("volumeMounts"));
  CheckVolumeDevices(pod, container, mounts, path.Child("volumeDevices"));
}

}  // namespace kubelet::api
