#include "kubelet/resource/devices.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "kubelet/base/hash.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/file.h"
#include "resource/device_table.h"

namespace kubelet::resource {

using base::Message;
using base::Task;

namespace {

constexpr size_t kMaxBytes = size_t{64} << 20;
constexpr auto kRetryWrite = std::chrono::seconds(10);

// Throws when the task was cancelled: asio tells of that at the next co_await only.
Task<void> ThrowIfCancelled() { co_return; }

}  // namespace

Devices::Devices(Deps deps, Options options)
    : deps_(std::move(deps)),
      clock_(deps_.clock),
      options_(std::move(options)),
      started_(clock_.Mono()),
      table_(std::make_unique<DeviceTable>()),
      writer_(deps_.executor, clock_, 1),
      scope_(deps_.executor) {
  if (deps_.metrics == nullptr) return;
  allocation_seconds_ =
      &deps_.metrics->AddHistogram("kubelet_device_plugin_alloc_duration_seconds",
                                   "Duration in seconds to serve a device plugin Allocation "
                                   "request. Broken down by resource name.",
                                   base::DefaultBuckets(), {"resource_name"});
}

Devices::~Devices() {
  for (const auto& [resource, timer] : expiries_) clock_.Cancel(timer);
}

void Devices::Load() {
  const std::string& path = options_.checkpoint;
  auto file = os::ReadRegularFile(path, kMaxBytes);
  if (absl::IsNotFound(file.status())) return;
  found_checkpoint_ = true;
  absl::Status bad = file.status();
  if (file.ok()) {
    auto checkpoint = DecodeDeviceCheckpoint(file->text);
    if (checkpoint.ok()) {
      table_->Load(*checkpoint);
      written_ = base::Fnv1a64(file->text);
      for (const auto& [resource, counts] : table_->Resources()) ExpireLater(resource);
      return;
    }
    bad = checkpoint.status();
  }
  std::string aside = path + ".bad";
  bool moved = std::rename(path.c_str(), aside.c_str()) == 0;
  LOG_ERROR(
      "Cannot read which containers hold which devices; running containers may share theirs with "
      "new ones",
      "file", path, "movedTo",
      moved ? aside : "cannot be moved: " + std::string(std::strerror(errno)), "err", bad);
}

void Devices::ExpireLater(const std::string& resource) {
  if (auto it = expiries_.find(resource); it != expiries_.end()) clock_.Cancel(it->second);
  expiries_[resource] = clock_.After(options_.gone_after, [this, resource] { Expire(resource); });
}

void Devices::Expire(const std::string& resource) {
  expiries_.erase(resource);
  if (plugins_.contains(resource)) return;
  LOG_INFO("A device plugin did not come back; its resource counts 0 from now on", "resource",
           resource);
  table_->Drop(resource);
  gone_.insert(resource);
  WriteSoon();
  deps_.on_node_change();
}

void Devices::Connected(const std::string& resource, PluginPtr plugin) {
  plugins_[resource] = std::move(plugin);
  gone_.erase(resource);
  table_->Expect(resource);
  if (auto it = expiries_.find(resource); it != expiries_.end()) {
    clock_.Cancel(it->second);
    expiries_.erase(it);
  }
}

void Devices::Listed(const std::string& resource, const DevicePlugin* plugin,
                     std::vector<Device> devices) {
  if (PluginOf(resource).get() != plugin) return;
  bool first = !table_->Seen(resource);
  auto changed = table_->SetDevices(resource, std::move(devices));
  auto counts = table_->Resources()[resource];
  LOG_V(2, "Processed device updates for resource", "resourceName", resource, "totalCount",
        counts.capacity, "healthyCount", counts.allocatable);
  WriteSoon();
  deps_.on_node_change();
  auto tell = table_->HoldersOf(resource, changed);
  if (first) tell.merge(table_->Pods());  // some may wait for it
  Tell(tell);
}

void Devices::Disconnected(const std::string& resource, const DevicePlugin* plugin) {
  if (PluginOf(resource).get() != plugin) return;
  LOG_WARNING("A device plugin is gone; its devices are unhealthy", "resource", resource);
  plugins_.erase(resource);
  auto changed = table_->SetUnhealthy(resource);
  ExpireLater(resource);
  WriteSoon();
  deps_.on_node_change();
  Tell(table_->HoldersOf(resource, changed));
}

void Devices::Tell(const std::set<std::string>& uids) {
  for (const auto& uid : uids) deps_.on_pod_change(uid);
}

Devices::PluginPtr Devices::PluginOf(const std::string& resource) const {
  auto it = plugins_.find(resource);
  return it == plugins_.end() ? nullptr : it->second;
}

void Devices::Sweep() {
  auto live = deps_.live();
  if (!live) return;
  bool changed = false;
  for (const auto& uid : table_->Pods()) {
    if (!live->contains(uid)) changed = table_->Release(uid) || changed;
  }
  if (changed) WriteSoon();
}

std::optional<std::string> Devices::Admit(const api::core::Pod& pod) {
  if (!table_->WantsDevices(pod)) return std::nullopt;
  Sweep();
  auto planned = table_->Plan(pod, Patient(), deps_.affinity);
  if (planned.ok()) return std::nullopt;
  return Message(planned);
}

bool Devices::Holds(const std::string& uid) const { return table_->Holds(uid); }

std::map<std::string, int64_t> Devices::InUse() const { return table_->InUse(); }

void Devices::Release(const std::string& uid) {
  if (table_->Release(uid)) WriteSoon();
}

std::map<std::string, Devices::Counts> Devices::Resources() const {
  std::map<std::string, Counts> out;
  for (const auto& [name, counts] : table_->Resources())
    out[name] = {counts.capacity, counts.allocatable};
  for (const auto& name : gone_) out[name];
  return out;
}

std::vector<api::core::ResourceStatus> Devices::HealthOf(const std::string& uid,
                                                         const std::string& container) const {
  std::vector<api::core::ResourceStatus> out;
  const auto* held = table_->Of(uid, container);
  if (held == nullptr) return out;
  for (const auto& [resource, holding] : *held) {
    auto& status = out.emplace_back();
    status.set_name(resource);
    for (const auto& id : holding.Ids()) {
      auto* health = status.add_resources();
      health->set_resource_id(id);
      health->set_health(table_->Healthy(resource, id).value_or(true) ? "Healthy" : "Unhealthy");
    }
  }
  return out;
}

std::vector<Devices::Held> Devices::HeldBy(const std::string& uid,
                                           const std::string& container) const {
  std::vector<Held> out;
  const auto* held = table_->Of(uid, container);
  if (held == nullptr) return out;
  for (const auto& [resource, holding] : *held) {
    std::map<std::string, Device> devices;
    for (const auto& [node, ids] : holding.by_node) {
      for (const auto& id : ids) {
        devices[id].id = id;
        if (node >= 0) devices[id].nodes.push_back(node);
      }
    }
    for (auto& [id, device] : devices) out.push_back({resource, std::move(device)});
  }
  return out;
}

std::vector<Devices::Held> Devices::Allocatable() const {
  std::vector<Held> out;
  for (auto& [resource, devices] : table_->HealthyDevices()) {
    for (const auto& device : devices) out.push_back({resource, device});
  }
  return out;
}

// What is due is read when it is our turn, so that the last write has everything.
Task<absl::Status> Devices::Write() {
  auto turn = co_await writer_.Acquire();
  std::string text = EncodeDeviceCheckpoint(table_->Save());
  uint64_t hash = base::Fnv1a64(text);
  if (hash == written_) co_return absl::OkStatus();
  auto status = co_await deps_.write(options_.checkpoint, std::move(text));
  co_await ThrowIfCancelled();
  if (status.ok()) written_ = hash;
  co_return status;
}

void Devices::WriteSoon() {
  if (std::exchange(write_due_, true)) return;
  scope_.Spawn("device checkpoint", WriteInTurn());
}

Task<void> Devices::WriteInTurn() {
  for (;;) {
    write_due_ = false;
    auto status = co_await Write();
    if (status.ok()) co_return;
    LOG_ERROR("Cannot write which containers hold which devices; will retry", "file",
              options_.checkpoint, "err", status);
    write_due_ = true;
    co_await base::SleepFor(clock_, kRetryWrite);
  }
}

}  // namespace kubelet::resource
