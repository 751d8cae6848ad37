#include "api/pod_resources.h"

#include "kubelet/api/pod.h"

namespace kubelet::api {
namespace {

const ResourceMap& Side(const core::Container& container, ResourceSide side) {
  const core::ResourceRequirements& resources = container.resources();
  return side == ResourceSide::kRequests ? resources.requests() : resources.limits();
}

void Add(ResourceList& sum, const ResourceList& more) {
  for (const auto& [name, quantity] : more) {
    auto [it, fresh] = sum.emplace(name, quantity);
    if (!fresh) it->second = it->second + quantity;
  }
}

void Max(ResourceList& sum, const ResourceList& other) {
  for (const auto& [name, quantity] : other) {
    auto [it, fresh] = sum.emplace(name, quantity);
    if (!fresh && it->second < quantity) it->second = quantity;
  }
}

void ReplaceByPodLevel(ResourceList& sum, const ResourceMap& pod_level) {
  for (const auto& [name, quantity] : pod_level) {
    if (IsPodLevelResource(name)) sum[name] = Quantity::From(quantity);
  }
}

int64_t MilliOf(const ResourceList& list, const std::string& name) {
  auto it = list.find(name);
  return it == list.end() ? 0 : it->second.MilliValue();
}

int64_t ValueOf(const ResourceList& list, const std::string& name) {
  auto it = list.find(name);
  return it == list.end() ? 0 : it->second.Value();
}

ResourceList PodRequests(const core::PodSpec& spec, bool pod_level) {
  ResourceList sum = AggregateContainers(spec, ResourceSide::kRequests);
  if (pod_level) ReplaceByPodLevel(sum, spec.resources().requests());
  Add(sum, ToList(spec.overhead()));
  return sum;
}

ResourceList PodLimits(const core::PodSpec& spec, const ResourceVisitor& visit) {
  ResourceList sum = AggregateContainers(spec, ResourceSide::kLimits, visit);
  ReplaceByPodLevel(sum, spec.resources().limits());
  // A resource without a limit stays without one.
  for (const auto& [name, quantity] : spec.overhead()) {
    auto it = sum.find(name);
    if (it != sum.end() && !it->second.IsZero()) it->second = it->second + Quantity::From(quantity);
  }
  return sum;
}

bool IsPositive(const ResourceList& list, const std::string& name) {
  auto it = list.find(name);
  return it != list.end() && !it->second.IsZero();
}

}  // namespace

ResourceList ToList(const ResourceMap& map) {
  ResourceList list;
  for (const auto& [name, quantity] : map) list.emplace(name, Quantity::From(quantity));
  return list;
}

bool IsHugePages(const std::string& resource) { return resource.rfind("hugepages-", 0) == 0; }

bool IsPodLevelResource(const std::string& resource) {
  return resource == "cpu" || resource == "memory" || IsHugePages(resource);
}

bool IsNativeResource(const std::string& resource) {
  return resource.find('/') == std::string::npos ||
         resource.find("kubernetes.io/") != std::string::npos;
}

bool IsOvercommitAllowed(const std::string& resource) {
  return IsNativeResource(resource) && !IsHugePages(resource);
}

ResourceList AggregateContainers(const core::PodSpec& spec, ResourceSide side,
                                 const ResourceVisitor& visit) {
  ResourceList sum;
  for (const core::Container& container : spec.containers()) {
    ResourceList own = ToList(Side(container, side));
    if (visit) visit(own);
    Add(sum, own);
  }
  ResourceList sidecars, init_peak;
  for (const core::Container& container : spec.init_containers()) {
    ResourceList running = ToList(Side(container, side));
    if (IsRestartableInit(container)) {
      Add(sum, running);
      Add(sidecars, running);
      running = sidecars;
    } else {
      Add(running, sidecars);
    }
    if (visit) visit(running);
    Max(init_peak, running);
  }
  Max(sum, init_peak);
  return sum;
}

PodResources ComputePodResources(const core::Pod& pod) {
  const core::PodSpec& spec = pod.spec();
  PodResources result;
  result.all_cpu_limited = result.all_memory_limited = true;
  ResourceList requests = PodRequests(spec, true);
  ResourceList limits = PodLimits(spec, [&result](const ResourceList& container) {
    result.all_cpu_limited &= IsPositive(container, "cpu");
    result.all_memory_limited &= IsPositive(container, "memory");
  });
  ResourceList pod_level = ToList(spec.resources().limits());
  result.all_cpu_limited |= IsPositive(pod_level, "cpu");
  result.all_memory_limited |= IsPositive(pod_level, "memory");
  result.cpu_request_milli = MilliOf(requests, "cpu");
  result.cpu_limit_milli = MilliOf(limits, "cpu");
  result.memory_request = ValueOf(requests, "memory");
  result.memory_limit = ValueOf(limits, "memory");
  // Requests and limits of huge pages are equal; the pod level may name only the request.
  for (const auto& [name, quantity] : requests) {
    if (IsHugePages(name)) result.hugepage_limits[name] = quantity.Value();
  }
  return result;
}

std::map<std::string, Quantity> ComputePodRequests(const core::Pod& pod, bool pod_level) {
  return PodRequests(pod.spec(), pod_level);
}

}  // namespace kubelet::api
