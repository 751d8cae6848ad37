// In-place resize of running containers: what has to change, in which order, and doing it.
//
//   allocated pod + observed pod + what was actuated --ComputeResize--> containers to update or to
//   restart that + the pod's cgroup as it is and shall be    --OrderResize-->   steps, one after
//   the other Resizer::Run                                     does them, and writes down what was
//   actuated
//
// Rules (pkg/kubelet/kuberuntime computePodResizeAction, doPodResizeAction, 1.36): memory first,
// then CPU; the pod's cgroup grows before its containers do and shrinks after them; among
// containers those that shrink go first. A memory limit is not lowered below what is in use. Every
// step may be repeated; after a crash or an error the pod's cgroup is read again and everything
// that differs is done again.
//
// Where we differ: a container of which nothing is written down (the file was lost, or another
// kubelet kept none) is compared with what the runtime reports and never restarted; upstream takes
// it for sized to nothing. A limit that is added to a pod's cgroup counts as shrinking.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kubelet/base/metrics.h"
#include "kubelet/runtime/config.h"
#include "kubelet/runtime/container_runtime.h"
#include "kubelet/runtime/observed.h"
#include "kubelet/runtime/pinning.h"
#include "kubelet/runtime/ports.h"

namespace kubelet::runtime {

// What containers and pods were last set to. Consumer-owned port; core loop only. Pointers hold
// until the next call.
class Actuations {
 public:
  using Resources = api::core::ResourceRequirements;
  virtual ~Actuations() = default;
  // With limits that come from the pod. Null: not written down.
  virtual const Resources* Container(const std::string& uid, const std::string& name) const = 0;
  virtual const Resources* PodLevel(const std::string& uid) const = 0;
  // Written to disk soon.
  virtual void SetContainer(const std::string& uid, const std::string& name,
                            Resources resources) = 0;
  virtual void SetPodLevel(const std::string& uid, Resources resources) = 0;
  virtual base::Task<void> Flushed() = 0;
};

// The resizable amounts; 0: none.
struct Amounts {
  int64_t memory_limit = 0, memory_request = 0;  // bytes
  int64_t cpu_limit = 0, cpu_request = 0;        // milli-CPU
  bool operator==(const Amounts&) const = default;
};
Amounts AmountsOf(const api::core::ResourceRequirements& resources);

struct ContainerResize {
  ContainerId id;
  const api::core::Container* spec = nullptr;  // points into the pod
  Amounts current, desired;
};
struct Resize {
  std::vector<ContainerResize> memory, cpu;  // in the order of their updates; one may be in both
  std::set<ContainerId> restart;             // its resizePolicy wants that
  std::vector<const api::core::Container*> unwritten;  // runs as wanted, but is not written down
  bool pod_level = false;  // spec.resources differs from what was actuated
  bool Changes() const { return !memory.empty() || !cpu.empty() || !restart.empty() || pod_level; }
};
struct ResizeOptions {
  bool init_containers = true;  // gate InPlacePodVerticalScalingInitContainers
  bool pod_level = true;        // gate InPlacePodLevelResourcesVerticalScaling
};
// Pure.
Resize ComputeResize(const api::core::Pod& allocated, const ObservedPod& observed,
                     const Actuations& actuated, const ResizeOptions& options,
                     const NodeContext& node);

struct ResizeStep {
  enum class Kind { kPodMemoryLimit, kPodCpuLimit, kPodCpuShares, kContainerMemory, kContainerCpu };
  Kind kind;
  size_t index = 0;  // of Resize::memory or ::cpu
  bool operator==(const ResizeStep&) const = default;
};
// Pure. Values that `wanted` does not name stay (a limit cannot be taken away).
std::vector<ResizeStep> OrderResize(const Resize& resize, const PodLimits& now,
                                    const PodLimits& wanted);

// Does it for one pod at a time; core loop only.
class Resizer {
 public:
  struct Deps {
    ContainerRuntime& runtime;
    Cgroups& cgroups;
    Actuations& actuated;
    const NodeContext& node;
    base::Clock& clock;
    base::Registry* metrics = nullptr;
    Pinning* pinning = nullptr;
  };
  Resizer(Deps deps, ResizeOptions options);

  // `without`: containers that are about to be stopped for another reason.
  Resize Compute(const api::core::Pod& allocated, const ObservedPod& observed,
                 const std::set<ContainerId>& without = {}) const;
  // Also when nothing changes: once in the life of this object the pod's cgroup is compared.
  bool NeedsRun(const std::string& uid, const Resize& resize) const;
  // InvalidArgument: memory is in use; otherwise what the runtime or the kernel said. Retry later.
  base::Task<absl::Status> Run(api::PodPtr allocated, SandboxId sandbox, Resize resize);

  // The pod's cgroup was just brought to the limits of this pod.
  void CgroupMade(const api::core::Pod& allocated);
  // The container is going to be created with these resources. Returns at once, unless its
  // resizePolicy would restart it if this got lost.
  base::Task<void> Creating(api::PodPtr allocated, const api::core::Container* container);
  void Forget(const std::string& uid) { settled_.erase(uid); }

 private:
  struct Work;
  base::Task<absl::Status> CheckMemory(const Work& work);
  base::Task<absl::Status> Do(Work& work, ResizeStep step);
  base::Task<absl::Status> LimitPod(Work& work, PodLimits change);
  base::Task<absl::Status> Update(Work& work, ContainerResize& change, bool memory);
  base::Task<absl::Status> TellSandbox(const Work& work, PodLimits limits);
  void WriteDown(const Work& work);

  Deps deps_;
  ResizeOptions options_;
  std::set<std::string> settled_;   // uids whose cgroup is known to be as wanted
  bool no_sandbox_update_ = false;  // the runtime lacks the call
  base::Family<base::Histogram>* milliseconds_ = nullptr;
};

}  // namespace kubelet::runtime
