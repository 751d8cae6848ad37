// Which devices a pod gets: the choosing half of DeviceTable.
#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/base/status.h"
#include "resource/device_table.h"

namespace kubelet::resource {
namespace {

absl::Status Refuse(const std::string& why) { return absl::FailedPreconditionError(why); }

// Of extended resources the limit is the request. In the order of their names.
std::map<std::string, int> Limits(const api::core::Container& container) {
  std::map<std::string, int> out;
  for (const auto& [name, quantity] : container.resources().limits())
    out[name] = static_cast<int>(api::Quantity::From(quantity).Value());
  return out;
}

}  // namespace

const api::core::Container* FindContainer(const api::core::Pod& pod, const std::string& name) {
  for (const auto* list : {&pod.spec().init_containers(), &pod.spec().containers()}) {
    for (const auto& container : *list) {
      if (container.name() == name) return &container;
    }
  }
  return nullptr;
}

struct DeviceTable::Draft {
  PodPlan plan;
  bool patient = false;
  std::map<std::string, DeviceIds> taken;     // by this plan
  std::map<std::string, DeviceIds> reusable;  // of init containers that will have ended
  int unknown = 0;                            // makes names for devices nobody has seen yet
};

bool DeviceTable::WantsDevices(const api::core::Pod& pod) const {
  for (const auto* list : {&pod.spec().init_containers(), &pod.spec().containers()}) {
    for (const auto& container : *list) {
      for (const auto& [name, count] : Limits(container)) {
        if (count > 0 && IsDevice(name)) return true;
      }
    }
  }
  return false;
}

absl::StatusOr<Wish> DeviceTable::MakeWish(const std::string& resource, int count,
                                           const DeviceIds& reusable, Draft& draft,
                                           Wish wish) const {
  wish.resource = resource;
  wish.count = count;
  wish.reused = std::min<int>(count, static_cast<int>(reusable.size()));
  auto known = resources_.find(resource);
  if (known == resources_.end()) return Refuse("cannot allocate unregistered device " + resource);
  size_t needed = static_cast<size_t>(count - wish.reused);
  if (!known->second.seen && draft.patient) {
    draft.plan.deferred = resource;
    draft.plan.awaited[resource] += static_cast<int64_t>(needed);
    for (size_t i = 0; i < needed; ++i) wish.fresh.insert("?" + std::to_string(draft.unknown++));
    return wish;
  }
  const auto& devices = known->second.devices;
  if (std::none_of(devices.begin(), devices.end(), [](const auto& d) { return d.second.healthy; }))
    return Refuse("no healthy devices present; cannot allocate unhealthy devices " + resource);
  DeviceIds free = Free(resource);
  for (const auto& id : draft.taken[resource]) free.erase(id);
  if (free.size() < needed)
    return Refuse("requested number of devices unavailable for " + resource + ". Requested: " +
                  std::to_string(needed) + ", Available: " + std::to_string(free.size()));
  const DeviceIds near = Near(resource, free, wish.nodes);
  for (const DeviceIds* ids : {&near, static_cast<const DeviceIds*>(&free)}) {
    for (const auto& id : *ids) {
      if (wish.fresh.size() < needed) wish.fresh.insert(id);
    }
  }
  draft.taken[resource].insert(wish.fresh.begin(), wish.fresh.end());
  return wish;
}

// `lends`: an init container that ends; what it has is for those after it.
absl::Status DeviceTable::Draw(const std::string& uid, const api::core::Container& container,
                               bool lends, Draft& draft, const Affinity& affinity) const {
  const Holdings* held = Of(uid, container.name());
  for (const auto& [resource, count] : Limits(container)) {
    if (count <= 0 || !IsDevice(resource)) continue;
    DeviceIds& reusable = draft.reusable[resource];
    DeviceIds ids;
    auto had = held == nullptr ? Holdings::const_iterator() : held->find(resource);
    if (held != nullptr && had != held->end()) {
      ids = had->second.Ids();
      if (static_cast<int>(ids.size()) != count)
        return Refuse("pod \"" + uid + "\" container \"" + container.name() +
                      "\" changed request for resource \"" + resource + "\" from " +
                      std::to_string(ids.size()) + " to " + std::to_string(count));
    } else {
      Wish wish;
      wish.container = container.name();
      if (affinity) wish.nodes = affinity(uid, container.name());
      ASSIGN_OR_RETURN(wish, MakeWish(resource, count, reusable, draft, std::move(wish)));
      ids = wish.fresh;
      ids.insert(reusable.begin(), std::next(reusable.begin(), wish.reused));
      draft.plan.wishes.push_back(std::move(wish));
    }
    if (lends) {
      reusable.merge(ids);
    } else {
      for (const auto& id : ids) reusable.erase(id);
    }
  }
  return absl::OkStatus();
}

absl::Status DeviceTable::Plan(const api::core::Pod& pod, bool patient, const Affinity& affinity) {
  const std::string& uid = pod.metadata().uid();
  if (plans_.contains(uid)) return absl::OkStatus();
  Draft draft;
  draft.patient = patient;
  for (const auto& container : pod.spec().init_containers())
    RETURN_IF_ERROR(Draw(uid, container, !api::IsRestartableInit(container), draft, affinity));
  for (const auto& container : pod.spec().containers())
    RETURN_IF_ERROR(Draw(uid, container, false, draft, affinity));
  if (!draft.plan.deferred.empty()) draft.plan.wishes.clear();
  if (!draft.plan.deferred.empty() || !draft.plan.wishes.empty())
    plans_[uid] = std::move(draft.plan);
  return absl::OkStatus();
}

absl::Status DeviceTable::PlanContainer(const api::core::Pod& pod, const std::string& name,
                                        const Affinity& affinity) {
  const std::string& uid = pod.metadata().uid();
  const auto* container = FindContainer(pod, name);
  if (plans_.contains(uid) || container == nullptr) return absl::OkStatus();
  Draft draft;
  RETURN_IF_ERROR(Draw(uid, *container, false, draft, affinity));
  if (!draft.plan.wishes.empty()) plans_[uid] = std::move(draft.plan);
  return absl::OkStatus();
}

std::string DeviceTable::Deferred(const std::string& uid) const {
  auto it = plans_.find(uid);
  return it == plans_.end() ? std::string() : it->second.deferred;
}

const Wish* DeviceTable::Next(const std::string& uid) const {
  auto it = plans_.find(uid);
  return it == plans_.end() || it->second.wishes.empty() ? nullptr : &it->second.wishes.front();
}

// By what the containers before it have now: a plugin may have preferred others than were planned.
DeviceIds DeviceTable::Reusable(const api::core::Pod& pod, const Wish& wish) const {
  DeviceIds pool;
  if (wish.reused == 0) return pool;
  auto walk = [&](const auto& containers, bool init) {
    for (const auto& container : containers) {
      if (container.name() == wish.container) return true;
      const Holdings* held = Of(pod.metadata().uid(), container.name());
      if (held == nullptr || !held->contains(wish.resource)) continue;
      DeviceIds ids = held->at(wish.resource).Ids();
      if (init && !api::IsRestartableInit(container)) {
        pool.merge(ids);
      } else {
        for (const auto& id : ids) pool.erase(id);
      }
    }
    return false;
  };
  if (!walk(pod.spec().init_containers(), true)) walk(pod.spec().containers(), false);
  while (static_cast<int>(pool.size()) > wish.reused) pool.erase(std::prev(pool.end()));
  return pool;
}

DeviceIds DeviceTable::IdsFor(const api::core::Pod& pod, const Wish& wish) const {
  DeviceIds ids = Reusable(pod, wish);
  ids.insert(wish.fresh.begin(), wish.fresh.end());
  return ids;
}

DeviceIds DeviceTable::Near(const std::string& resource, const DeviceIds& ids,
                            const std::optional<std::set<int64_t>>& nodes) const {
  DeviceIds out;
  auto it = resources_.find(resource);
  if (!nodes || it == resources_.end()) return out;
  for (const auto& id : ids) {
    auto device = it->second.devices.find(id);
    if (device == it->second.devices.end()) continue;
    const auto& near = device->second.nodes;
    if (std::any_of(near.begin(), near.end(), [&](int64_t n) { return nodes->contains(n); }))
      out.insert(id);
  }
  return out;
}

// First whatever is near, then the plugin's word among the rest; where there is more near than is
// needed, its word among those.
std::optional<DeviceTable::Preference> DeviceTable::PreferenceFor(const api::core::Pod& pod,
                                                                  const Wish& wish) const {
  if (wish.fresh.empty()) return std::nullopt;
  DeviceIds available = Free(wish.resource);
  available.insert(wish.fresh.begin(), wish.fresh.end());
  DeviceIds near = Near(wish.resource, available, wish.nodes);
  Preference out;
  out.must_include = Reusable(pod, wish);
  if (wish.fresh.size() < near.size()) {
    available = near;
  } else if (wish.fresh.size() == near.size()) {
    return std::nullopt;
  } else {
    out.must_include.merge(near);
  }
  available.insert(out.must_include.begin(), out.must_include.end());
  out.available = std::move(available);
  return out;
}

void DeviceTable::Swap(const api::core::Pod& pod, const std::vector<std::string>& preferred) {
  auto plan = plans_.find(pod.metadata().uid());
  if (plan == plans_.end() || plan->second.wishes.empty()) return;
  Wish& wish = plan->second.wishes.front();
  auto choice = PreferenceFor(pod, wish);
  if (!choice) return;
  DeviceIds eligible = choice->available;
  for (const auto& id : Reusable(pod, wish)) eligible.erase(id);
  DeviceIds picked;
  auto take = [&](const auto& ids) {
    for (const auto& id : ids) {
      if (picked.size() < wish.fresh.size() && eligible.contains(id)) picked.insert(id);
    }
  };
  take(choice->must_include);
  take(preferred);
  take(wish.fresh);
  take(eligible);
  wish.fresh = std::move(picked);
}

}  // namespace kubelet::resource
