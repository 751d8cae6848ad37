// The part of a pod that ending one of its containers needs, from the pod or, when its spec is
// lost, from what the container carries in its annotations (pkg/kubelet/kuberuntime/labels.go;
// written by MakeContainerConfig).
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "kubelet/runtime/actions.h"

namespace kubelet::runtime {

using ContainerSpecPtr = std::shared_ptr<const api::core::Container>;

// Any kind of container; null when the pod has none of that name.
ContainerSpecPtr FindContainerSpec(const api::PodPtr& pod, const std::string& name);

// Never null. Restored are name, namespace and uid, both grace periods, the preStop hook and the
// ports; what cannot be read is left out.
struct LostSpec {
  api::PodPtr pod;
  ContainerSpecPtr container;
};
LostSpec RestoreSpec(const ContainerStatus& status);

// How long a container of a pod that goes on has to end: the API server's word when the pod is
// being deleted, the probe's own when that is why, else the pod's; 2 s when none is given
// (kuberuntime setTerminationGracePeriod).
std::chrono::seconds GraceFor(const api::core::Pod& pod, const api::core::Container* container, KillReason reason);

}  // namespace kubelet::runtime
