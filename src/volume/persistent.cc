#include "volume/persistent.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <sstream>

#include "absl/strings/numbers.h"
#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/file.h"
#include "kubelet/os/mount.h"
#include "kubelet/os/mountinfo.h"
#include "volume/block.h"
#include "volume/set_up.h"
#include "volume/steps.h"

namespace kubelet::volume {
namespace {

using api::core::PersistentVolume;
using api::core::Pod;
using api::core::Volume;
using Kind = PersistentPlan::Kind;

constexpr char kMountOptions[] = "volume.beta.kubernetes.io/mount-options";
constexpr const char* kGroup = "pv.beta.kubernetes.io/gid";

bool HasBackstep(const std::string& path) {
  return ("/" + path + "/").find("/../") != std::string::npos;
}

std::string SourceKind(const PersistentVolume& volume) {
  const auto& source = volume.spec().persistent_volume_source();
  std::vector<const google::protobuf::FieldDescriptor*> set;
  source.GetReflection()->ListFields(source, &set);
  return set.empty() ? "unknown" : std::string(set.front()->json_name());
}

std::vector<std::string> OptionsOf(const PersistentVolume* volume, bool read_only) {
  std::set<std::string> options;
  if (read_only) options.insert("ro");
  if (volume == nullptr) return {options.begin(), options.end()};
  const auto& annotations = volume->metadata().annotations();
  if (auto it = annotations.find(kMountOptions); it != annotations.end()) {
    std::istringstream text(it->second);
    for (std::string one; std::getline(text, one, ',');)
      if (!one.empty()) options.insert(one);
  } else {
    for (const auto& one : volume->spec().mount_options())
      if (!one.empty()) options.insert(one);
  }
  return {options.begin(), options.end()};
}

// Upstream passes over what is no number without a word.
std::optional<int64_t> ExtraGroup(const Pod& pod, const PersistentVolume& volume) {
  const auto& annotations = volume.metadata().annotations();
  auto it = annotations.find(kGroup);
  if (it == annotations.end() || it->second.empty()) return std::nullopt;
  uint32_t group = 0;
  if (absl::SimpleAtoi(it->second, &group)) return group;
  LOG_WARNING("An annotation of a PersistentVolume is no group; it is passed over", "pod",
              api::PodKey(pod), "volume", volume.metadata().name(), "annotation", kGroup, "value",
              it->second);
  return std::nullopt;
}

// volumeMode and how containers use the volume agree.
absl::Status CheckMode(const Volume& volume, const PersistentVolume& persistent, bool as_device) {
  const auto& spec = persistent.spec();
  std::string mode = spec.has_volume_mode() ? spec.volume_mode() : "Filesystem";
  std::string about = "volume " + volume.name() + " has volumeMode " + mode;
  if (as_device && mode != "Block")
    return absl::FailedPreconditionError(about + ", but is specified in volumeDevices");
  if (!as_device && mode != "Filesystem")
    return absl::FailedPreconditionError(about + ", but is specified in volumeMounts");
  return absl::OkStatus();
}

absl::Status PlanSource(const Pod& pod, const PersistentVolume& volume, PersistentPlan& plan) {
  const auto& source = volume.spec().persistent_volume_source();
  if (source.has_local()) {
    plan.kind = Kind::kLocal;
    plan.path = source.local().path();
    plan.fs_type = source.local().fs_type();
    if (plan.fs_type.empty()) plan.fs_type = "ext4";
    const auto& security = pod.spec().security_context();
    if (!plan.block && security.has_fs_group()) plan.group = security.fs_group();
  } else if (source.has_nfs()) {
    plan.kind = Kind::kNfs;
    plan.path = source.nfs().path();
    plan.server = source.nfs().server();
    plan.read_only = plan.read_only || source.nfs().read_only();
  } else if (source.has_host_path()) {
    plan.kind = Kind::kHostPath;
    plan.path = source.host_path().path();
    plan.type = source.host_path().type();
  } else {
    return absl::FailedPreconditionError("PersistentVolume " + volume.metadata().name() +
                                         " of kind " + SourceKind(volume) + " is not built yet");
  }
  if (plan.block && plan.kind != Kind::kLocal)
    return absl::FailedPreconditionError("PersistentVolume " + volume.metadata().name() +
                                         " of kind " + SourceKind(volume) +
                                         " cannot be a block volume");
  return absl::OkStatus();
}

absl::Status CheckPlan(const PersistentPlan& plan) {
  if (!os::IsPathComponent(plan.name))
    return absl::FailedPreconditionError("volume name `" + plan.name + "` is no directory name");
  if (plan.path.empty() || plan.path[0] != '/')
    return absl::FailedPreconditionError("path `" + plan.path + "` is not absolute");
  if (HasBackstep(plan.path))
    return absl::FailedPreconditionError("invalid path: " + plan.path + " must not contain '..'");
  if (plan.kind == Kind::kLocal && !os::IsPathComponent(plan.fs_type))
    return absl::FailedPreconditionError("local.fsType `" + plan.fs_type + "` is no filesystem");
  if (plan.kind == Kind::kNfs && plan.server.empty())
    return absl::FailedPreconditionError("nfs.server is empty");
  return absl::OkStatus();
}

// Upstream looks at what a local volume is before it does anything; its words.
absl::Status CheckLocal(const PersistentPlan& plan, int error, mode_t mode) {
  if (plan.kind != Kind::kLocal) return base::ErrnoStatus(error, "open " + plan.path);
  absl::Status status;
  if (error == ENOENT)
    status = absl::FailedPreconditionError("path \"" + plan.path + "\" does not exist");
  else if (error != 0)
    status = base::ErrnoStatus(error, "open " + plan.path);
  else if (!S_ISDIR(mode) && !S_ISBLK(mode))
    status = absl::FailedPreconditionError("only directory and block device are supported");
  return StepFailed("MountVolume.NewMounter initialization", plan.name, status);
}

// The bind itself, when there was none. False: it is a device, and is not bound.
absl::StatusOr<bool> Bind(const PersistentPlan& plan, const std::string& target) {
  ASSIGN_OR_RETURN(bool before, MountedOrMade(target));
  if (before) return true;
  int fd = open(plan.path.c_str(), O_PATH | O_CLOEXEC);
  if (fd < 0) return CheckLocal(plan, errno, 0);
  struct stat info {};
  absl::Status status;
  if (fstat(fd, &info) != 0) status = base::ErrnoStatus(errno, "stat " + plan.path);
  if (status.ok()) status = CheckLocal(plan, 0, info.st_mode);
  const bool is_device = plan.kind == Kind::kLocal && S_ISBLK(info.st_mode);
  if (status.ok() && !is_device) status = os::BindDescriptor(fd, target, plan.options);
  close(fd);
  if (!status.ok()) return status;
  return !is_device;
}

}  // namespace

absl::StatusOr<PersistentPlan> PlanPersistent(const Pod& pod, const Volume& volume,
                                              const ClaimedVolume* claimed) {
  PersistentPlan plan;
  const PersistentVolume* persistent = nullptr;
  if (claimed != nullptr) {
    persistent = claimed->volume.get();
    plan.name = persistent->metadata().name();
    plan.read_only = claimed->read_only;
    plan.block = UsedAsDevice(pod, volume.name());
    const auto& modes = persistent->spec().access_modes();
    plan.only_pod = modes.size() == 1 && modes.Get(0) == "ReadWriteOncePod";
    RETURN_IF_ERROR(CheckMode(volume, *persistent, plan.block));
    RETURN_IF_ERROR(PlanSource(pod, *persistent, plan));
    plan.extra_group = ExtraGroup(pod, *persistent);
  } else {
    const auto& nfs = volume.volume_source().nfs();
    plan.kind = Kind::kNfs;
    plan.name = volume.name();
    plan.path = nfs.path();
    plan.server = nfs.server();
    plan.read_only = nfs.read_only();
  }
  plan.options = OptionsOf(persistent, plan.read_only);
  RETURN_IF_ERROR(CheckPlan(plan));
  return plan;
}

std::string PersistentPlugin(const PersistentPlan& plan) {
  switch (plan.kind) {
    case Kind::kHostPath:
      return "kubernetes.io~host-path";
    case Kind::kNfs:
      return "kubernetes.io~nfs";
    case Kind::kLocal:
      return "kubernetes.io~local-volume";
  }
  return "";
}

bool UsedInPlace(const PersistentPlan& plan) {
  return plan.kind == Kind::kHostPath && !plan.read_only;
}

std::string PersistentPath(const std::string& pod_dir, const PersistentPlan& plan) {
  if (UsedInPlace(plan)) return plan.path;
  return pod_dir + "/volumes/" + PersistentPlugin(plan) + "/" + plan.name;
}

std::string DevicePoints(const std::string& root_dir) {
  return root_dir + "/plugins/kubernetes.io/local-volume/mounts";
}

std::string DevicePoint(const std::string& root_dir, const PersistentPlan& plan) {
  return DevicePoints(root_dir) + "/" + plan.name;
}

absl::StatusOr<bool> BindPersistent(const std::string& pod_dir, const PersistentPlan& plan) {
  if (plan.kind == Kind::kHostPath)
    RETURN_IF_ERROR(CheckHostPath(HostPathPlan{plan.name, plan.path, plan.type}));
  if (UsedInPlace(plan)) return true;
  std::string target = PersistentPath(pod_dir, plan);
  auto bound = Bind(plan, target);
  if (!bound.ok()) os::RemoveDirectories(target).IgnoreError();
  return bound;
}

absl::Status CheckOnlyPod(const std::string& root_dir, const std::string& uid,
                          const PersistentPlan& plan) {
  if (!plan.only_pod || UsedInPlace(plan)) return absl::OkStatus();
  ASSIGN_OR_RETURN(auto mounts, os::ReadMountinfo());
  std::string real = RealPodDir(PodDir(root_dir, uid));
  std::string pods = os::DirName(real) + "/", root = os::DirName(os::DirName(real));
  std::string tail = "/volumes/" + PersistentPlugin(plan) + "/" + plan.name;
  std::string devices = DevicePlaces(root, plan.name) + "/";
  for (const auto& mount : mounts) {
    const auto& point = mount.point;
    bool pod = point.starts_with(pods) && point.ends_with(tail) && point != real + tail;
    bool device = point.starts_with(devices) && point != devices + uid;
    if (pod || device)
      return absl::FailedPreconditionError(
          "volume uses the ReadWriteOncePod access mode and is already in use by another pod");
  }
  return absl::OkStatus();
}

MountCall NfsMount(const std::string& pod_dir, const PersistentPlan& plan) {
  bool ipv6 = plan.server.find(':') != std::string::npos && plan.server[0] != '[';
  MountCall call;
  call.type = "nfs";
  call.source = (ipv6 ? "[" + plan.server + "]" : plan.server) + ":" + plan.path;
  call.target = PersistentPath(pod_dir, plan);
  call.options = plan.options;
  return call;
}

MountCall DeviceMount(const std::string& root_dir, const PersistentPlan& plan) {
  MountCall call;
  call.type = plan.fs_type;
  call.source = plan.path;
  call.target = DevicePoint(root_dir, plan);
  call.options = plan.options;
  call.options.push_back("defaults");
  return call;
}

std::vector<std::string> Arguments(const MountCall& call) {
  std::vector<std::string> words{"-t", call.type};
  std::string options;
  for (const auto& option : call.options) options += (options.empty() ? "" : ",") + option;
  if (!options.empty()) {
    words.push_back("-o");
    words.push_back(options);
  }
  words.push_back(call.source);
  words.push_back(call.target);
  return words;
}

absl::StatusOr<bool> MountedOrMade(const std::string& target) {
  size_t slash = target.rfind('/');
  std::string parent = target.substr(0, slash);
  RETURN_IF_ERROR(os::MakeDirectory(parent, 0750));
  // The table has resolved paths. The target itself is not looked at: it may not answer.
  std::error_code ec;
  auto real = std::filesystem::canonical(parent, ec);
  if (ec) return base::ErrnoStatus(ec.value(), "resolve " + parent);
  std::string point = real.string() + target.substr(slash);
  ASSIGN_OR_RETURN(auto mounts, os::ReadMountinfo());
  bool mounted = std::any_of(mounts.begin(), mounts.end(),
                             [&](const os::Mount& mount) { return mount.point == point; });
  if (!mounted) RETURN_IF_ERROR(os::MakeDirectory(target, 0750));
  return mounted;
}

}  // namespace kubelet::volume
