// Which CPUs and NUMA nodes containers are bound to: told when they are created and resized, and
// kept true while they run.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"
#include "kubelet/runtime/container_runtime.h"
#include "kubelet/runtime/observed.h"

namespace kubelet::runtime {

struct Pins {
  std::string cpus, mems;     // as cpuset has them: 0-3,8; empty: not bound
  bool no_cpu_quota = false;  // its CPUs are its own: nothing is to be throttled
  bool operator==(const Pins&) const = default;
};

// Consumer-owned port; core loop only.
class Pinning {
 public:
  virtual ~Pinning() = default;
  virtual Pins Of(const std::string& uid, const std::string& container) = 0;
  // Of the whole pod.
  virtual bool NoCpuQuota(const std::string& uid) = 0;
  // Returns when what Of tells would be found again after a crash.
  virtual base::Task<void> Settled() = 0;
  // The container was created with these.
  virtual void Created(const ContainerId& id, const Pins& pins) = 0;
};

// Writes them into what the runtime is told.
void Pin(const Pins& pins, LinuxResources& resources);

// Moves containers that run to the CPUs that Pinning names now: at once when it is told to look,
// and with an audit, since a call may fail and a container may come up while its CPUs change. What
// a container was last told is remembered; after a restart of the kubelet each is told once. Core
// loop only; one container after the other.
class PinUpdater {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    ContainerRuntime& runtime;
    Pinning& pinning;
    std::function<std::vector<ObservedPodPtr>()> observed;
  };
  PinUpdater(Deps deps, base::Nanos audit);

  void Start();
  void Look() { wake_.Notify(); }
  void Created(const ContainerId& id, const std::string& cpus);

 private:
  base::Task<void> Run();
  base::Task<void> UpdateAll();
  struct Behind {
    ContainerId id;
    std::string uid, name;
  };
  std::vector<Behind> FindBehind();

  Deps deps_;
  base::Nanos audit_;
  std::map<ContainerId, std::string> told_;  // CPUs
  base::WakeEvent wake_;
  base::TaskScope scope_;
};

}  // namespace kubelet::runtime
