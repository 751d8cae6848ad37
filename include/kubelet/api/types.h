// Short names for the generated Kubernetes types, and the shared immutable pod.
// Include the generated header of the thematic file you need; this one brings the pod.
#pragma once

#include <memory>
#include <string>

#include "k8s/core/v1/pod.pb.h"
#include "k8s/meta/v1/meta.pb.h"

namespace kubelet::api {

namespace core = ::k8s::io::api::core::v1;
namespace meta = ::k8s::io::apimachinery::pkg::apis::meta::v1;
namespace intstr = ::k8s::io::apimachinery::pkg::util::intstr;
namespace resource = ::k8s::io::apimachinery::pkg::api::resource;

// Decoded once in a source, never changed, shared by every room. A change is a new object.
using PodPtr = std::shared_ptr<const core::Pod>;

// `namespace/name`, for logs and messages.
inline std::string PodKey(const core::Pod& pod) { return pod.metadata().namespace_() + "/" + pod.metadata().name(); }

// `name_namespace`: the full name that no two running pods may share (pkg/kubelet/container GetPodFullName).
inline std::string FullName(const core::Pod& pod) { return pod.metadata().name() + "_" + pod.metadata().namespace_(); }

}  // namespace kubelet::api
