// Between the runtime room's values and CRI messages. Pure, total functions: an enumeration value
// that is newer than this code becomes the most careful one we have (state unknown, sandbox not
// ready, namespace of the pod).
#pragma once

#include <optional>
#include <string>

#include "cri/runtime/v1/api.pb.h"
#include "kubelet/runtime/container_runtime.h"
#include "kubelet/runtime/container_stats.h"
#include "kubelet/runtime/model.h"

namespace kubelet::cri {

namespace v1 = ::runtime::v1;

// --- what is asked for (convert_config.cc) ---

v1::PodSandboxConfig ToProto(const runtime::SandboxConfig& config);
// Security profiles: `seccomp` is always sent; the deprecated seccomp_profile_path is left empty,
// as upstream has done since 1.27. AppArmor is sent when the pod asks for a profile (containerd
// refuses even a spoken RuntimeDefault on a host without AppArmor); the deprecated apparmor_profile
// says the same as the new field, for older runtimes. Mounts carry the pod's id mappings.
v1::ContainerConfig ToProto(const runtime::ContainerConfig& config);
v1::LinuxContainerResources ToProto(const runtime::LinuxResources& resources);
v1::AuthConfig ToProto(const runtime::AuthConfig& auth);
v1::ImageSpec ToProto(const runtime::ImageSpec& image);

// SIGTERM, SIGRTMIN+3, SIGRTMAX-1 (the API's names) or SIGRTMINPLUS3 (CRI's) <-> CRI's numbers. An
// unknown name is the runtime's default, which in turn is the empty string.
v1::Signal SignalFromName(const std::string& name);
std::string SignalName(v1::Signal signal);

// --- what is reported (convert_status.cc) ---

runtime::LinuxResources FromProto(const v1::LinuxContainerResources& resources);
runtime::Sandbox FromProto(const v1::PodSandbox& sandbox);
runtime::SandboxStatus FromProto(const v1::PodSandboxStatus& status);
runtime::Container FromProto(const v1::Container& container);
runtime::ContainerStatus FromProto(const v1::ContainerStatus& status);
runtime::RuntimeStatus FromProto(const v1::StatusResponse& status);
runtime::Image FromProto(const v1::Image& image);
runtime::FilesystemUsage FromProto(const v1::FilesystemUsage& usage);
// Names the pod out of the sandbox status that comes with the event; nothing else of it is kept.
runtime::RuntimeEvent FromProto(const v1::ContainerEventResponse& event);

// --- statistics (convert_stats.cc) ---

runtime::ContainerStats FromProto(const v1::ContainerStats& stats);
runtime::PodStats FromProto(const v1::PodSandboxStats& stats);
runtime::MetricDescriptor FromProto(const v1::MetricDescriptor& descriptor);
runtime::PodMetrics FromProto(const v1::PodSandboxMetrics& metrics);

}  // namespace kubelet::cri
