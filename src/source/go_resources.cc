// The defaulting of resources, in the forms Go leaves quantities in.
#include <functional>

#include "source/go_quantity.h"
#include "source/json_cut.h"

namespace kubelet::source {
namespace {

using Items = std::map<std::string, GoQuantity>;

std::string_view Member(std::string_view object, std::string_view key) {
  return JsonMember(object, key).value_or(std::string_view());
}

std::string_view QuantityText(std::string_view json) {
  if (json.size() >= 2 && json.front() == '"') json = json.substr(1, json.size() - 2);
  size_t start = json.find_first_not_of(" \t\r\n\v\f");
  if (start == std::string_view::npos) return "";
  return json.substr(start, json.find_last_not_of(" \t\r\n\v\f") + 1 - start);
}

GoRequirements Read(std::string_view json) {
  return {ReadResources(Member(json, "limits")), ReadResources(Member(json, "requests"))};
}

void Round(GoResources& resources) {
  if (!resources) return;
  for (auto& [name, quantity] : *resources) quantity.RoundUpToMilli();
}

GoRequirements Rounded(GoRequirements r) {
  Round(r.limits);
  Round(r.requests);
  return r;
}

// Requests not given are the limits.
GoRequirements Filled(std::string_view resources_json) {
  GoRequirements r = Read(resources_json);
  if (!r.limits) return r;
  if (!r.requests) r.requests.emplace();
  r.requests->insert(r.limits->begin(), r.limits->end());
  return r;
}

void AddAll(Items& sum, const Items& more) {
  for (const auto& [name, quantity] : more) {
    auto [it, fresh] = sum.emplace(name, quantity);
    if (!fresh) it->second.Add(quantity);
  }
}

void MaxAll(Items& most, const Items& other) {
  for (auto [name, quantity] : other) {
    auto it = most.find(name);
    if (it == most.end()) {
      most.emplace(name, quantity);
    } else if (quantity.Compare(it->second) > 0) {
      it->second = quantity;
    }
  }
}

using Side = GoResources GoRequirements::*;

// component-helpers resource.AggregateContainerRequests and ...Limits.
Items Aggregate(std::string_view spec_json, Side side) {
  auto each = [&](std::string_view key, const std::function<void(std::string_view, Items)>& use) {
    auto elements = JsonElements(Member(spec_json, key));
    if (!elements) return;
    for (std::string_view container : *elements) {
      GoRequirements r = Filled(Member(container, "resources"));
      use(container, (r.*side).value_or(Items()));
    }
  };
  Items sum, sidecars, init;
  each("containers", [&](std::string_view, const Items& items) { AddAll(sum, items); });
  each("initContainers", [&](std::string_view container, const Items& items) {
    if (JsonPlainString(Member(container, "restartPolicy")) == "Always") {
      AddAll(sum, items);
      AddAll(sidecars, items);
      MaxAll(init, sidecars);
      return;
    }
    Items together = items;
    AddAll(together, sidecars);
    MaxAll(init, together);
  });
  MaxAll(sum, init);
  return sum;
}

bool IsHugePages(const std::string& name) { return name.starts_with("hugepages-"); }
bool IsPodLevel(const std::string& name) {
  return name == "cpu" || name == "memory" || IsHugePages(name);
}

}  // namespace

GoResources ReadResources(std::string_view json) {
  auto members = JsonMembers(json);
  if (!members) return std::nullopt;
  Items items;
  for (const auto& [name, value] : *members) {
    auto quantity = GoQuantity::Parse(QuantityText(value));
    items[std::string(name)] = quantity.value_or(GoQuantity());
  }
  return items;
}

GoRequirements PlainRequirements(std::string_view resources_json) {
  return Rounded(Read(resources_json));
}

GoRequirements ContainerRequirements(std::string_view resources_json) {
  return Rounded(Filled(resources_json));
}

GoRequirements PodRequirements(std::string_view spec_json) {
  GoRequirements r = Read(Member(spec_json, "resources"));
  Items limits = r.limits.value_or(Items()), requests = r.requests.value_or(Items());
  if (!limits.empty() || !requests.empty()) {
    for (const auto& [name, sum] : Aggregate(spec_json, &GoRequirements::limits)) {
      if (IsHugePages(name) && !requests.contains(name)) limits.emplace(name, sum);
    }
    if (!limits.empty()) r.limits = limits;
  }
  if (!limits.empty()) {
    for (const auto& [name, sum] : Aggregate(spec_json, &GoRequirements::requests)) {
      if (IsPodLevel(name) && !IsHugePages(name)) requests.emplace(name, sum);
    }
    for (const auto& [name, limit] : limits) {
      if (IsPodLevel(name)) requests.emplace(name, limit);
    }
    if (!requests.empty()) r.requests = requests;
  }
  return Rounded(std::move(r));
}

}  // namespace kubelet::source
