// Devices of plugins: how many the node has, which container holds which, and what that container
// is made with.
//
//   plugin --Connected/Listed/Disconnected--> Devices <--Admit-- admission (chooses, at once)
//                                                ^ ^--Allocate-- the pod's worker (asks the
//                                                plugins)
//                                                '-----Prepare-- the start of a container
//
// Admission decides without asking anybody, so pods cannot overtake one another; the plugin is
// asked by the pod's own worker, before anything of the pod starts, so a plugin that hangs delays
// its own pods only. What was given is on disk (device_checkpoint.h) before the pod goes on, and
// stays the pod's over restarts of the kubelet and of the plugin, until Release.
//
// Deviations from pkg/kubelet/cm/devicemanager of 1.36: a pod that wants a resource which was
// registered before this kubelet started, and whose plugin is not back yet, waits for it up to
// Options::patience, as does a container that holds such a device; upstream fails the one for good
// and starts the other blindly. What a pod holds is not judged again. Allocate has a deadline.
//
// Core loop only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/api/types.h"
#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"
#include "kubelet/base/metrics.h"
#include "kubelet/resource/allocation_file.h"
#include "kubelet/resource/device_plugin.h"

namespace kubelet::resource {

class DeviceTable;

class Devices {
 public:
  struct Options {
    std::string checkpoint;  // <root>/device-plugins/kubelet_internal_checkpoint
    base::Nanos gone_after = std::chrono::minutes(5);  // of a plugin: the resource counts 0 then
    base::Nanos patience = std::chrono::minutes(2);    // since the start, for plugins to come back
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    WriteFile write;
    // Pods of which something may run or be kept; nullopt: not known yet. Others hold nothing.
    std::function<std::optional<std::set<std::string>>()> live;
    std::function<void()> on_node_change;
    // Health of a device of the pod changed, or the plugin it waits for is there.
    std::function<void(const std::string& uid)> on_pod_change;
    base::Registry* metrics = nullptr;
    // NUMA nodes that a container's devices are to be near to; empty: it does not matter.
    std::function<std::optional<std::set<int64_t>>(const std::string& uid,
                                                   const std::string& container)>
        affinity = {};
  };
  Devices(Deps deps, Options options);
  ~Devices();

  // Blocks; once, before the loop runs. A bad file is logged and renamed to `<path>.bad`.
  void Load();
  // There was a checkpoint: the node's extended resources are not those of a stranger.
  bool found_checkpoint() const { return found_checkpoint_; }

  // --- for plugins. A new plugin for a resource takes over from the one before.
  void Connected(const std::string& resource, std::shared_ptr<DevicePlugin> plugin);
  // From a plugin that is not the resource's own (any more) both are ignored.
  void Listed(const std::string& resource, const DevicePlugin* plugin, std::vector<Device> devices);
  void Disconnected(const std::string& resource, const DevicePlugin* plugin);

  // --- for admission
  // Reserves what the pod wants. nullopt: it may go on; else why not, in upstream's words.
  std::optional<std::string> Admit(const api::core::Pod& pod);
  // Whether the pod has something of ours, be it only reserved.
  bool Holds(const std::string& uid) const;
  // What is taken of each resource, reservations included.
  std::map<std::string, int64_t> InUse() const;

  // --- for the pod's worker
  // Asks the plugins for what is reserved. Unavailable: a plugin is not back yet, again at
  // PatienceEnds or after on_pod_change. InvalidArgument: reject the pod, in upstream's words.
  base::Task<absl::Status> Allocate(api::PodPtr pod);
  base::MonoTime PatienceEnds() const { return started_ + options_.patience; }
  // Just before the container is made: calls PreStartContainer where it is wanted; what the plugins
  // said it is to be made with, as one answer. Unavailable as above; errors in upstream's words.
  base::Task<absl::StatusOr<v1beta1::ContainerAllocateResponse>> Prepare(api::PodPtr pod,
                                                                         std::string container);
  // Nothing of the pod runs any more, or it was rejected.
  void Release(const std::string& uid);

  // --- for others to see
  struct Counts {
    int64_t capacity = 0, allocatable = 0;
  };
  // By resource; those that are gone stay with zeros, which tells them from a cluster's own.
  std::map<std::string, Counts> Resources() const;
  // For status.containerStatuses[].allocatedResourcesStatus; healthy as long as nothing else is
  // known.
  std::vector<api::core::ResourceStatus> HealthOf(const std::string& uid,
                                                  const std::string& container) const;
  struct Held {
    std::string resource;
    Device device;  // its nodes as they were when it was given
  };
  std::vector<Held> HeldBy(const std::string& uid, const std::string& container) const;
  std::vector<Held> Allocatable() const;
  // Frees what pods hold that are no more; Admit does so too.
  void Sweep();

 private:
  using PluginPtr = std::shared_ptr<DevicePlugin>;
  PluginPtr PluginOf(const std::string& resource) const;
  bool Patient() const { return clock_.Mono() < PatienceEnds(); }
  absl::Status Await(const std::string& resource) const;
  base::Task<absl::Status> GiveAll(api::PodPtr pod);
  base::Task<absl::Status> GiveNext(api::PodPtr pod);
  base::Task<absl::Status> PreStart(api::PodPtr pod, std::string container, std::string resource);
  void ExpireLater(const std::string& resource);
  void Expire(const std::string& resource);
  void Tell(const std::set<std::string>& uids);
  base::Task<absl::Status> Write();
  void WriteSoon();
  base::Task<void> WriteInTurn();

  Deps deps_;
  base::Clock& clock_;
  Options options_;
  base::MonoTime started_;
  std::unique_ptr<DeviceTable> table_;
  bool found_checkpoint_ = false;
  std::map<std::string, PluginPtr> plugins_;
  std::map<std::string, base::Clock::TimerId> expiries_;
  std::set<std::string> gone_;  // resources that were dropped
  base::Semaphore writer_;      // two writes at a time might end in the wrong order
  uint64_t written_ = 0;        // hash of the text that the file is known to have
  bool write_due_ = false;
  base::Family<base::Histogram>* allocation_seconds_ = nullptr;
  base::TaskScope scope_;
};

}  // namespace kubelet::resource
