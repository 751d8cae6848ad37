#include <algorithm>

#include "eviction/parts.h"
#include "kubelet/api/pod.h"
#include "kubelet/api/resources.h"

namespace kubelet::eviction {
namespace {

using api::Quantity;

constexpr char kContainers[] = "offending_containers";
constexpr char kContainersUsage[] = "offending_containers_usage";
constexpr char kPod[] = "offending_pod";
constexpr char kPodUsage[] = "offending_pod_usage";
constexpr char kStarved[] = "starved_resource";

void Append(std::string& list, const std::string& item) {
  list += (list.empty() ? "" : ",") + item;
}

std::string Excess(const char* kind, const std::string& name, const std::string& usage,
                   const Quantity& request, const char* resource) {
  return std::string(kind) + " " + name + " was using " + usage + ", request is " +
         request.ToString() + ", has larger consumption of " + resource + ". ";
}

// Of the first threshold of that resource that was observed.
std::string ThresholdText(const Shortage& shortage, Resource resource) {
  for (const auto& threshold : shortage.due) {
    auto left = shortage.observations.find(threshold.signal);
    if (ResourceOf(threshold.signal) != resource || left == shortage.observations.end()) continue;
    bool bytes = resource == Resource::kMemory || resource == Resource::kEphemeralStorage;
    auto available = bytes ? Quantity::FromBytes(left->second.available)
                           : Quantity::FromInt(left->second.available);
    return "Threshold quantity: " + threshold.value.Of(left->second.capacity).ToString() +
           ", available: " + available.ToString() + ". ";
  }
  return "";
}

std::optional<uint64_t> UsageOf(const runtime::ContainerUsage& container, Resource resource) {
  if (resource == Resource::kMemory) return container.memory;
  if (resource != Resource::kEphemeralStorage || !container.rootfs || !container.logs)
    return std::nullopt;
  return container.rootfs->bytes + container.logs->bytes;
}

const api::core::Container* FindSpec(const api::core::PodSpec& spec, const std::string& name) {
  for (const auto* list : {&spec.containers(), &spec.init_containers()}) {
    auto named = [&](const auto& c) { return c.name() == name; };
    auto it = std::find_if(list->begin(), list->end(), named);
    if (it != list->end()) return &*it;
  }
  return nullptr;
}

void ExplainPod(const api::core::Pod& pod, const runtime::PodUsage& usage, Victim& victim) {
  const auto& requests = pod.spec().resources().requests();
  if (!pod.spec().has_resources() || requests.count("memory") == 0 || !usage.memory) return;
  std::string used = BytesText(*usage.memory);
  victim.message += Excess("Pod", pod.metadata().name(), used, api::QuantityOf(requests, "memory"),
                           ResourceName(Resource::kMemory));
  victim.annotations[kPod] = pod.metadata().name();
  victim.annotations[kPodUsage] = used;
}

}  // namespace

std::string BytesText(uint64_t bytes) {
  return Quantity::FromBytes(static_cast<int64_t>(bytes)).ToString();
}

void Explain(const Shortage& shortage, const runtime::PodUsages& usages, Victim& victim) {
  const api::core::Pod& pod = *victim.pod;
  Resource resource = ResourceOf(shortage.due.front().signal);
  const char* name = ResourceName(resource);
  victim.message = std::string("The node was low on resource: ") + name + ". ";
  victim.message += ThresholdText(shortage, resource);
  auto usage = usages.find(pod.metadata().uid());
  if (usage == usages.end()) return;
  if (resource == Resource::kMemory && shortage.pod_level_resources)
    ExplainPod(pod, usage->second, victim);
  std::string containers, amounts;
  for (const auto& container : usage->second.containers) {
    const auto* spec = FindSpec(pod.spec(), container.name);
    auto used = UsageOf(container, resource);
    if (spec == nullptr || !used) continue;
    Quantity request = api::Request(*spec, name);
    if (!(request < Quantity::FromInt(static_cast<int64_t>(*used)))) continue;
    victim.message += Excess("Container", container.name, BytesText(*used), request, name);
    Append(containers, container.name);
    Append(amounts, BytesText(*used));
  }
  victim.annotations[kContainers] = containers;
  victim.annotations[kContainersUsage] = amounts;
  victim.annotations[kStarved] = name;
}

}  // namespace kubelet::eviction
