// What Devices asks of plugins: the giving of devices and the start of containers.
#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/resource/devices.h"
#include "resource/device_table.h"

namespace kubelet::resource {

using base::Message;
using base::Task;
using Response = v1beta1::ContainerAllocateResponse;

namespace {

absl::Status Reject(const std::string& why) { return absl::InvalidArgumentError(why); }

std::vector<std::string> List(const DeviceIds& ids) { return {ids.begin(), ids.end()}; }

// Of two resources that say something of one thing, the first counts (deviceRunContainerOptions).
class Merger {
 public:
  void Add(const Response& response) {
    for (const auto& [name, value] : response.envs()) Set(*out_.mutable_envs(), name, value);
    for (const auto& [name, value] : response.annotations())
      Set(*out_.mutable_annotations(), name, value);
    for (const auto& mount : response.mounts()) {
      if (Fresh("mount", mount.container_path(), mount.host_path())) *out_.add_mounts() = mount;
    }
    for (const auto& device : response.devices()) {
      if (Fresh("device", device.container_path(), device.host_path()))
        *out_.add_devices() = device;
    }
    for (const auto& cdi : response.cdi_devices()) {
      if (Fresh("CDI device", cdi.name(), "")) *out_.add_cdi_devices() = cdi;
    }
  }
  Response Take() { return std::move(out_); }

 private:
  template <typename Map>
  void Set(Map& map, const std::string& name, const std::string& value) {
    if (map.count(name) == 0) {
      map[name] = value;
    } else if (map.at(name) != value) {
      LOG_ERROR("Two device plugins set one name differently; the first counts", "name", name,
                "value", map.at(name), "dropped", value);
    }
  }
  bool Fresh(const char* kind, const std::string& key, const std::string& value) {
    auto [it, fresh] = seen_.emplace(std::make_pair(std::string(kind), key), value);
    if (!fresh && it->second != value)
      LOG_ERROR("Two device plugins want different things in one place; the first counts", "kind",
                kind, "place", key, "got", it->second, "dropped", value);
    return fresh;
  }
  Response out_;
  std::map<std::pair<std::string, std::string>, std::string> seen_;
};

}  // namespace

absl::Status Devices::Await(const std::string& resource) const {
  return absl::UnavailableError("waiting for the device plugin of " + resource +
                                ", which has not registered since the kubelet was started");
}

Task<absl::Status> Devices::Allocate(api::PodPtr pod) {
  const std::string uid = pod->metadata().uid();
  if (!table_->Planned(uid)) co_return absl::OkStatus();
  if (std::string awaited = table_->Deferred(uid); !awaited.empty()) {
    bool there = table_->Seen(awaited);
    if (!there && Patient()) co_return Await(awaited);
    table_->Cancel(uid);
    auto planned = table_->Plan(*pod, Patient(), deps_.affinity);
    if (!planned.ok()) co_return Reject(Message(planned));
    awaited = table_->Deferred(uid);
    if (!awaited.empty()) co_return Await(awaited);
  }
  absl::Status given = co_await GiveAll(pod);
  if (!given.ok() && !absl::IsCancelled(given)) Release(uid);
  co_return given;
}

Task<absl::Status> Devices::GiveAll(api::PodPtr pod) {
  const std::string uid = pod->metadata().uid();
  while (table_->Next(uid) != nullptr) {
    auto status = co_await GiveNext(pod);
    if (!status.ok()) co_return status;
  }
  auto written = co_await Write();
  if (!written.ok())
    co_return Reject("failed to write checkpoint file \"kubelet_internal_checkpoint\": " +
                     Message(written));
  co_return absl::OkStatus();
}

Task<absl::Status> Devices::GiveNext(api::PodPtr pod) {
  const std::string uid = pod->metadata().uid();
  const Wish wish = *table_->Next(uid);
  const std::string resource = wish.resource;
  PluginPtr plugin = PluginOf(resource);
  if (!plugin) {
    co_return Reject(table_->Registered(resource)
                         ? "the endpoint of device plugin " + resource + " has been stopped"
                         : "unknown Device Plugin " + resource);
  }
  auto choice = table_->PreferenceFor(*pod, wish);
  if (choice && plugin->options().preferred) {
    auto available = List(choice->available), must_include = List(choice->must_include);
    auto preferred =
        co_await plugin->Preferred(std::move(available), std::move(must_include), wish.count);
    if (!preferred.ok())
      co_return Reject("device plugin GetPreferredAllocation rpc failed with err: " +
                       Message(preferred.status()));
    table_->Swap(*pod, *preferred);
  }
  const Wish* now = table_->Next(uid);
  if (now == nullptr) co_return absl::CancelledError("the pod was released meanwhile");
  auto ids = List(table_->IdsFor(*pod, *now));
  LOG_V(4, "Making allocation request for device plugin", "resourceName", resource, "pod",
        api::PodKey(*pod), "containerName", wish.container, "count", ids.size());
  auto started = clock_.Mono();
  auto answer = co_await plugin->Allocate(std::move(ids));
  if (allocation_seconds_ != nullptr)
    allocation_seconds_->With({resource})
        .Observe(std::chrono::duration<double>(clock_.Mono() - started).count());
  if (!answer.ok()) co_return Reject(Message(answer.status()));
  if (answer->container_responses().empty())
    co_return Reject("no containers return in allocation response " + answer->ShortDebugString());
  if (table_->Next(uid) == nullptr)
    co_return absl::CancelledError("the pod was released meanwhile");
  table_->Give(*pod, answer->container_responses(0));
  co_return absl::OkStatus();
}

Task<absl::Status> Devices::PreStart(api::PodPtr pod, std::string container, std::string resource) {
  const std::string uid = pod->metadata().uid();
  PluginPtr plugin = PluginOf(resource);
  if (!plugin) {
    if (!table_->Registered(resource))
      co_return absl::FailedPreconditionError(
          "endpoint not found in cache for a registered resource: " + resource);
    // The plugin is down. What it said counts, once it had its time to come back.
    if (!table_->Seen(resource) && Patient()) co_return Await(resource);
    co_return absl::OkStatus();
  }
  if (!plugin->options().pre_start) co_return absl::OkStatus();
  const auto* held = table_->Of(uid, container);
  if (held == nullptr || !held->contains(resource))
    co_return absl::FailedPreconditionError("no devices found allocated in local cache for pod " +
                                            uid + ", container " + container + ", resource " +
                                            resource);
  auto ids = List(held->at(resource).Ids());
  auto status = co_await plugin->PreStart(std::move(ids));
  if (status.ok()) co_return status;
  co_return absl::FailedPreconditionError("device plugin PreStartContainer rpc failed with err: " +
                                          Message(status));
}

Task<absl::StatusOr<Response>> Devices::Prepare(api::PodPtr pod, std::string container) {
  Merger merger;
  const auto* spec = FindContainer(*pod, container);
  if (spec == nullptr || !table_->WantsDevices(*pod)) co_return merger.Take();
  const std::string uid = pod->metadata().uid();
  std::set<std::string> wanted;
  for (const auto& [name, quantity] : spec->resources().limits()) {
    if (table_->IsDevice(name) && api::Quantity::From(quantity).Sign() > 0) wanted.insert(name);
  }
  // One that runs without our having known of it, its checkpoint lost: it gets devices anew.
  for (const auto& resource : wanted) {
    const auto* held = table_->Of(uid, container);
    if (held != nullptr && held->contains(resource)) continue;
    if (!table_->Seen(resource) && Patient()) co_return Await(resource);
    auto planned = table_->PlanContainer(*pod, container, deps_.affinity);
    if (!planned.ok()) co_return planned;
    auto given = co_await GiveAll(pod);
    if (!given.ok()) {
      table_->Cancel(uid);
      co_return given;
    }
  }
  for (const auto& resource : wanted) {
    auto ready = co_await PreStart(pod, container, resource);
    if (!ready.ok()) co_return ready;
  }
  if (const auto* held = table_->Of(uid, container)) {
    for (const auto& [resource, holding] : *held) merger.Add(holding.response);
  }
  co_return merger.Take();
}

}  // namespace kubelet::resource
