// Which devices there are, who holds which, and which a pod gets: the choice, without clock, files
// or plugins. Core loop, no locks; every function is done when it returns.
//
//   Plan (at admission: the devices are the pod's from here on)
//     -> per container Next -> [Preference, ask the plugin, Swap] -> ask the plugin -> Give
//     -> Release, when nothing of the pod runs any more
//
// Facts: pkg/kubelet/cm/devicemanager/{manager,pod_devices}.go, 1.36; messages are upstream's.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/api/types.h"
#include "kubelet/resource/device_plugin.h"
#include "resource/device_checkpoint.h"

namespace kubelet::resource {

using DeviceIds = std::set<std::string>;

// What one container holds of one resource.
struct Holding {
  std::map<int64_t, std::vector<std::string>> by_node;  // -1: near no node
  v1beta1::ContainerAllocateResponse response;
  DeviceIds Ids() const;
};

// What one container of an admitted pod is still to be given.
struct Wish {
  std::string container, resource;
  int count = 0;
  int reused = 0;                          // of init containers of the pod, the rest is `fresh`
  DeviceIds fresh;                         // reserved
  std::optional<std::set<int64_t>> nodes;  // that they should be near to
};

// NUMA nodes that the devices of a container are to be near to; nullopt: no preference. Where the
// hints of a topology manager come in.
using Affinity = std::function<std::optional<std::set<int64_t>>(const std::string& uid,
                                                                const std::string& container)>;

// A container or init container of the pod; null: there is none of that name.
const api::core::Container* FindContainer(const api::core::Pod& pod, const std::string& name);

class DeviceTable {
 public:
  // --- resources, as plugins tell of them
  // A resource that was registered before this kubelet ran: known, and without devices until its
  // plugin is there.
  void Expect(const std::string& resource);
  // Both return the ids whose health has changed, or is known now.
  DeviceIds SetDevices(const std::string& resource, std::vector<Device> devices);
  DeviceIds SetUnhealthy(const std::string& resource);  // all of it: its plugin is gone
  void Drop(const std::string& resource);               // it is no resource of this node any more
  bool Seen(const std::string& resource) const;  // its plugin has listed devices since the start
  struct Counts {
    int64_t capacity = 0, allocatable = 0;
  };
  std::map<std::string, Counts> Resources() const;
  bool Registered(const std::string& resource) const { return resources_.contains(resource); }
  // Pods that hold one of these.
  std::set<std::string> HoldersOf(const std::string& resource, const DeviceIds& ids) const;
  // nullopt: nobody knows of it.
  std::optional<bool> Healthy(const std::string& resource, const std::string& id) const;
  std::map<std::string, std::vector<Device>> HealthyDevices() const;

  // --- pods
  // Registered, or held by somebody.
  bool IsDevice(const std::string& resource) const;
  bool WantsDevices(const api::core::Pod& pod) const;
  // Chooses for all containers of the pod that hold nothing yet, and reserves. With `patient`, a
  // pod that wants an expected resource whose plugin is not there yet is taken on as it is, and
  // Deferred. FailedPrecondition: in upstream's words, why it cannot be given what it wants;
  // nothing is reserved then. Planning again does nothing.
  absl::Status Plan(const api::core::Pod& pod, bool patient, const Affinity& affinity = {});
  // The same for one container that is about to start and holds nothing.
  absl::Status PlanContainer(const api::core::Pod& pod, const std::string& container,
                             const Affinity& affinity = {});
  bool Planned(const std::string& uid) const { return plans_.contains(uid); }
  // The resource whose plugin the pod waits for; empty: none.
  std::string Deferred(const std::string& uid) const;
  // The next wish, or null: all is given.
  const Wish* Next(const std::string& uid) const;
  // The devices for the next wish of the pod, those to be reused included.
  DeviceIds IdsFor(const api::core::Pod& pod, const Wish& wish) const;
  // What the plugin may choose from for it; nullopt: there is no choice.
  struct Preference {
    DeviceIds available, must_include;
  };
  std::optional<Preference> PreferenceFor(const api::core::Pod& pod, const Wish& wish) const;
  // Takes what is preferred, as far as it is free still, in place of what was reserved.
  void Swap(const api::core::Pod& pod, const std::vector<std::string>& preferred);
  // The next wish is fulfilled.
  void Give(const api::core::Pod& pod, v1beta1::ContainerAllocateResponse response);
  // True: it held or was to get something.
  bool Release(const std::string& uid);
  // Only what is reserved and not given.
  void Cancel(const std::string& uid) { plans_.erase(uid); }

  using Holdings = std::map<std::string, Holding>;  // by resource
  const Holdings* Of(const std::string& uid, const std::string& container) const;
  bool Holds(const std::string& uid) const { return held_.contains(uid) || plans_.contains(uid); }
  std::set<std::string> Pods() const;
  // By resource: how many are held or reserved, and those of pods that wait for a plugin.
  std::map<std::string, int64_t> InUse() const;

  DeviceCheckpoint Save() const;
  void Load(const DeviceCheckpoint& checkpoint);

 private:
  struct Resource {
    std::map<std::string, Device> devices;
    bool seen = false;
  };
  struct PodPlan {
    std::vector<Wish> wishes;
    std::string deferred;
    std::map<std::string, int64_t> awaited;  // counts, while it is deferred
  };
  struct Draft;
  // Healthy and nobody's.
  DeviceIds Free(const std::string& resource) const;
  absl::Status Draw(const std::string& uid, const api::core::Container& container, bool lends,
                    Draft& draft, const Affinity& affinity) const;
  absl::StatusOr<Wish> MakeWish(const std::string& resource, int count, const DeviceIds& reusable,
                                Draft& draft, Wish wish) const;
  DeviceIds Reusable(const api::core::Pod& pod, const Wish& wish) const;
  // Those near to the nodes; empty when it does not matter.
  DeviceIds Near(const std::string& resource, const DeviceIds& ids,
                 const std::optional<std::set<int64_t>>& nodes) const;

  std::map<std::string, Resource> resources_;
  std::map<std::string, std::map<std::string, Holdings>> held_;  // uid -> container
  std::map<std::string, PodPlan> plans_;
};

}  // namespace kubelet::resource
