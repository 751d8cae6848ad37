#include "resource/device_table.h"

#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"

namespace kubelet::resource {
namespace {

constexpr int64_t kNoNode = -1;

}  // namespace

DeviceIds Holding::Ids() const {
  DeviceIds out;
  for (const auto& [node, ids] : by_node) out.insert(ids.begin(), ids.end());
  return out;
}

void DeviceTable::Expect(const std::string& resource) { resources_[resource]; }

DeviceIds DeviceTable::SetDevices(const std::string& resource, std::vector<Device> devices) {
  Resource& entry = resources_[resource];
  DeviceIds changed;
  std::map<std::string, Device> next;
  for (auto& device : devices) {
    auto before = entry.devices.find(device.id);
    if (before == entry.devices.end() || before->second.healthy != device.healthy)
      changed.insert(device.id);
    std::string id = device.id;
    next[id] = std::move(device);
  }
  entry.devices = std::move(next);
  entry.seen = true;
  return changed;
}

DeviceIds DeviceTable::SetUnhealthy(const std::string& resource) {
  DeviceIds changed;
  auto it = resources_.find(resource);
  if (it == resources_.end()) return changed;
  for (auto& [id, device] : it->second.devices) {
    if (std::exchange(device.healthy, false)) changed.insert(id);
  }
  return changed;
}

void DeviceTable::Drop(const std::string& resource) { resources_.erase(resource); }

bool DeviceTable::Seen(const std::string& resource) const {
  auto it = resources_.find(resource);
  return it != resources_.end() && it->second.seen;
}

std::map<std::string, DeviceTable::Counts> DeviceTable::Resources() const {
  std::map<std::string, Counts> out;
  for (const auto& [name, resource] : resources_) {
    Counts& counts = out[name];
    for (const auto& [id, device] : resource.devices) {
      ++counts.capacity;
      if (device.healthy) ++counts.allocatable;
    }
  }
  return out;
}

std::set<std::string> DeviceTable::HoldersOf(const std::string& resource,
                                             const DeviceIds& ids) const {
  std::set<std::string> out;
  for (const auto& [uid, containers] : held_) {
    for (const auto& [name, holdings] : containers) {
      auto it = holdings.find(resource);
      if (it == holdings.end()) continue;
      for (const auto& id : it->second.Ids()) {
        if (ids.contains(id)) out.insert(uid);
      }
    }
  }
  return out;
}

std::optional<bool> DeviceTable::Healthy(const std::string& resource, const std::string& id) const {
  auto it = resources_.find(resource);
  if (it == resources_.end()) return std::nullopt;
  auto device = it->second.devices.find(id);
  if (device == it->second.devices.end()) return std::nullopt;
  return device->second.healthy;
}

std::map<std::string, std::vector<Device>> DeviceTable::HealthyDevices() const {
  std::map<std::string, std::vector<Device>> out;
  for (const auto& [name, resource] : resources_) {
    for (const auto& [id, device] : resource.devices) {
      if (device.healthy) out[name].push_back(device);
    }
  }
  return out;
}

bool DeviceTable::IsDevice(const std::string& resource) const {
  if (resources_.contains(resource)) return true;
  return std::any_of(held_.begin(), held_.end(), [&](const auto& pod) {
    return std::any_of(pod.second.begin(), pod.second.end(),
                       [&](const auto& container) { return container.second.contains(resource); });
  });
}

DeviceIds DeviceTable::Free(const std::string& resource) const {
  DeviceIds out;
  auto it = resources_.find(resource);
  if (it == resources_.end()) return out;
  for (const auto& [id, device] : it->second.devices) {
    if (device.healthy) out.insert(id);
  }
  for (const auto& [uid, containers] : held_) {
    for (const auto& [name, holdings] : containers) {
      auto held = holdings.find(resource);
      if (held == holdings.end()) continue;
      for (const auto& id : held->second.Ids()) out.erase(id);
    }
  }
  for (const auto& [uid, plan] : plans_) {
    for (const auto& wish : plan.wishes) {
      if (wish.resource != resource) continue;
      for (const auto& id : wish.fresh) out.erase(id);
    }
  }
  return out;
}

std::map<std::string, int64_t> DeviceTable::InUse() const {
  std::map<std::string, DeviceIds> ids;
  std::map<std::string, int64_t> out;
  for (const auto& [uid, containers] : held_) {
    for (const auto& [name, holdings] : containers) {
      for (const auto& [resource, holding] : holdings) ids[resource].merge(holding.Ids());
    }
  }
  for (const auto& [uid, plan] : plans_) {
    for (const auto& wish : plan.wishes)
      ids[wish.resource].insert(wish.fresh.begin(), wish.fresh.end());
    for (const auto& [resource, count] : plan.awaited) out[resource] += count;
  }
  for (const auto& [resource, held] : ids) out[resource] += static_cast<int64_t>(held.size());
  return out;
}

const DeviceTable::Holdings* DeviceTable::Of(const std::string& uid,
                                             const std::string& container) const {
  auto pod = held_.find(uid);
  if (pod == held_.end()) return nullptr;
  auto it = pod->second.find(container);
  return it == pod->second.end() ? nullptr : &it->second;
}

std::set<std::string> DeviceTable::Pods() const {
  std::set<std::string> out;
  for (const auto& [uid, containers] : held_) out.insert(uid);
  for (const auto& [uid, plan] : plans_) out.insert(uid);
  return out;
}

bool DeviceTable::Release(const std::string& uid) {
  return held_.erase(uid) + plans_.erase(uid) > 0;
}

void DeviceTable::Give(const api::core::Pod& pod, v1beta1::ContainerAllocateResponse response) {
  const std::string& uid = pod.metadata().uid();
  auto plan = plans_.find(uid);
  if (plan == plans_.end() || plan->second.wishes.empty()) return;
  Wish wish = plan->second.wishes.front();
  Holding holding;
  holding.response = std::move(response);
  auto resource = resources_.find(wish.resource);
  for (const auto& id : IdsFor(pod, wish)) {
    std::vector<int64_t> nodes;
    if (resource != resources_.end()) {
      auto device = resource->second.devices.find(id);
      if (device != resource->second.devices.end()) nodes = device->second.nodes;
    }
    if (nodes.empty()) nodes.push_back(kNoNode);
    for (int64_t node : nodes) holding.by_node[node].push_back(id);
  }
  held_[uid][wish.container][wish.resource] = std::move(holding);
  plan->second.wishes.erase(plan->second.wishes.begin());
  if (plan->second.wishes.empty()) plans_.erase(plan);
}

DeviceCheckpoint DeviceTable::Save() const {
  DeviceCheckpoint out;
  for (const auto& [uid, containers] : held_) {
    for (const auto& [name, holdings] : containers) {
      for (const auto& [resource, holding] : holdings)
        out.entries.push_back(
            {uid, name, resource, holding.by_node, holding.response.SerializeAsString()});
    }
  }
  for (const auto& [name, resource] : resources_) {
    auto& ids = out.registered[name];
    for (const auto& [id, device] : resource.devices) {
      if (device.healthy) ids.push_back(id);
    }
  }
  return out;
}

void DeviceTable::Load(const DeviceCheckpoint& checkpoint) {
  for (const auto& entry : checkpoint.entries) {
    Holding holding;
    holding.by_node = entry.ids;
    if (!holding.response.ParseFromString(entry.response)) {
      LOG_ERROR(
          "A device plugin's answer in the checkpoint cannot be read; the container gets its "
          "devices anew",
          "podUID", entry.pod_uid, "container", entry.container, "resource", entry.resource);
      continue;
    }
    held_[entry.pod_uid][entry.container][entry.resource] = std::move(holding);
  }
  for (const auto& [name, ids] : checkpoint.registered) Expect(name);
}

}  // namespace kubelet::resource
