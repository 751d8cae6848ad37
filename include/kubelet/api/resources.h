// CPU, memory and huge pages of pods and containers as quantities: sums, effective limits, and what
// a resize may change. Pure functions. Facts: component-helpers resource, pkg/kubelet/util
// GetLimits, pkg/apis/core/validation ValidatePodResize (1.36).
#pragma once

#include <map>
#include <string>

#include "kubelet/api/quantity.h"
#include "kubelet/api/types.h"

namespace kubelet::api {

using QuantityMap = std::map<std::string, Quantity>;

// What the pod as a whole asks for: containers with the peak of its init containers, pod level
// resources, overhead.
QuantityMap SumRequests(const core::PodSpec& spec);
// Containers without a limit count as zero; overhead is added to limits that are there.
QuantityMap SumLimits(const core::PodSpec& spec);

// Its own limit of `cpu` or `memory`, else the pod's; zero: none.
Quantity EffectiveLimit(const core::PodSpec& spec, const core::Container& container,
                        const std::string& resource);
// The container's requirements with the pod's CPU and memory limits where it has none of its own.
core::ResourceRequirements EffectiveResources(const core::PodSpec& spec,
                                              const core::Container& container);

// A quantity of a map; zero when absent.
Quantity QuantityOf(const google::protobuf::Map<std::string, resource::Quantity>& map,
                    const std::string& name);
// By value, whatever the text: 1000m is 1. An absent map equals an empty one.
bool SameResources(const core::ResourceRequirements& a, const core::ResourceRequirements& b);

// Whether a resize may change the container: regular ones and sidecars, and with `init_too` (gate
// InPlacePodVerticalScalingInitContainers) plain init containers.
bool IsResizable(const core::Container& container, bool is_init, bool init_too);

// Why `next` is no resize of `now` that can be done while the pod runs, in words: another QoS
// class, or a request or limit taken away. Empty: it can. The API server refuses these; manifests
// reach us unchecked.
std::string ResizeProblem(const core::Pod& now, const core::Pod& next);

// Hash of everything in a pod but the amounts of CPU and memory that a resize may change (which of
// them there are does count, and the QoS class), its uid, status and what kubelets note on it.
// Static pods of equal shape are one pod that was resized. 32 hex digits.
std::string ResizeShape(const core::Pod& pod);

}  // namespace kubelet::api
