// Glue between ports of one room and classes of another. No policy.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/node.h"
#include "app/node_cgroups.h"
#include "app/pod_resizes.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/status.h"
#include "kubelet/config/config.h"
#include "kubelet/resource/devices.h"
#include "kubelet/runtime/pod_syncer.h"
#include "kubelet/volume/volume.h"
#include "kubelet/worker/pod_workers.h"

namespace kubelet::app {

// runtime::PodSyncer as the worker's port; tells the others when a pod is forgotten.
class SyncerPort : public worker::PodRuntime {
 public:
  // `on_refused`: a device plugin refused what admission had reserved; nothing of the pod was
  // started.
  SyncerPort(runtime::PodSyncer& syncer, PodResizes& resizes, resource::Devices& devices,
             std::function<void(const std::string&)> on_forget,
             std::function<void(const api::PodPtr&, const std::string&)> on_refused)
      : syncer_(syncer),
        resizes_(resizes),
        devices_(devices),
        on_forget_(std::move(on_forget)),
        on_refused_(std::move(on_refused)) {}
  // With the resources that the pod was given.
  base::Task<runtime::SyncResult> Sync(api::PodPtr pod, std::shared_ptr<runtime::Progress> progress,
                                       std::function<bool()> wanted) override {
    api::PodPtr allocated = resizes_.allocations().Allocated(pod);
    if (devices_.Holds(pod->metadata().uid())) {
      runtime::SyncResult waits;
      waits.status = co_await devices_.Allocate(allocated);
      if (!waits.status.ok()) {
        progress->step = base::Message(waits.status);
        if (absl::IsInvalidArgument(waits.status)) on_refused_(pod, base::Message(waits.status));
        if (absl::IsUnavailable(waits.status)) waits.retry_at = devices_.PatienceEnds();
        co_return waits;
      }
    }
    auto result = co_await syncer_.Sync(allocated, std::move(progress), std::move(wanted));
    resizes_.Synced(*allocated, result);
    co_return result;
  }
  base::Task<absl::Status> Kill(std::string uid, api::PodPtr pod, std::chrono::seconds grace,
                                std::shared_ptr<runtime::Progress> progress) override {
    return syncer_.Kill(std::move(uid), std::move(pod), grace, std::move(progress));
  }
  base::Task<absl::Status> Remove(std::string uid, std::string name, std::string namespace_,
                                  std::shared_ptr<runtime::Progress> progress) override {
    return syncer_.Remove(std::move(uid), std::move(name), std::move(namespace_),
                          std::move(progress));
  }
  base::Task<absl::Status> Retire(std::string uid,
                                  std::shared_ptr<runtime::Progress> progress) override {
    return syncer_.Retire(std::move(uid), std::move(progress));
  }
  void Forget(const std::string& uid) override {
    syncer_.Forget(uid);
    on_forget_(uid);
  }

 private:
  runtime::PodSyncer& syncer_;
  PodResizes& resizes_;
  resource::Devices& devices_;
  std::function<void(const std::string&)> on_forget_;
  std::function<void(const api::PodPtr&, const std::string&)> on_refused_;
};

struct VolumeSources {
  volume::Objects* objects = nullptr;         // null: there is no API server
  volume::Objects* static_objects = nullptr;  // null: static pods have no others
};

// What PodVolumes tells and counts with.
struct VolumeHooks {
  base::Registry* metrics = nullptr;
  decltype(volume::VolumeOptions::on_event) on_event;
  decltype(volume::VolumeOptions::on_ready) on_ready;
  decltype(volume::VolumeOptions::node_labels) node_labels;
};

// Volumes, cgroups and files of pods for runtime::PodSyncer, on the blocking pool.
class Adapters {
 public:
  // `on_resolv_conf` gets the node's resolver configuration whenever a pod is about to start.
  Adapters(NodeCgroups::Deps deps, VolumeSources sources,
           std::function<api::NodeAllocatable()> allocatable,
           std::function<void(runtime::DnsConfig)> on_resolv_conf, VolumeHooks hooks = {});
  ~Adapters();
  runtime::Volumes& volumes();
  runtime::Cgroups& cgroups();
  runtime::PodFiles& files();
  runtime::UserNamespaces& user_namespaces();
  // For housekeeping.
  volume::PodVolumes& pod_volumes();
  NodeCgroups& node_cgroups();
  // The runtime told which driver it uses; before the first pod is started.
  void UseDriver(runtime::CgroupDriver driver);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace kubelet::app
