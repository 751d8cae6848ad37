// Parts of ComputePodActions: one container, the init containers, the ephemeral ones, a restart of
// all.
#pragma once

#include "kubelet/runtime/actions.h"

namespace kubelet::runtime {

// What a decision is made from; refers to the caller's objects.
struct Facts {
  const api::core::Pod& pod;
  const ObservedPod& observed;
  const Knowledge& known;

  const ContainerStatus* Newest(const api::core::Container& spec) const { return observed.Newest(spec.name()); }
  ContainerHealth HealthOf(const ContainerStatus& status) const;
  // An exit that was not the container's own: we stopped it to start it again, or it was of another
  // definition.
  bool NotItsOwnExit(const api::core::Container& spec, const ContainerStatus& status) const;
  // It is to run (again).
  bool Starts(const api::core::Container& spec, const ContainerStatus* status) const;
  bool InSandbox(const ContainerStatus* status) const;  // in the one that is ready
};

bool Running(const ContainerStatus* status);
bool Exited(const ContainerStatus* status);

ContainerToStart MakeStart(const Facts& facts, const api::core::Container& spec, ContainerKind kind);

// Adds what one container needs. True when it runs, or will: the pod is not over.
bool ConsiderContainer(const Facts& facts, const api::core::Container& spec, ContainerKind kind, PodActions& actions);

enum class InitProgress { kDone, kUnderWay, kFailed };
InitProgress ConsiderInit(const Facts& facts, PodActions& actions);
void ConsiderEphemeral(const Facts& facts, PodActions& actions);
std::vector<ContainerToReset> ContainersToReset(const Facts& facts);

}  // namespace kubelet::runtime
