#include "kubelet/api/resources.h"

#include "api/pod_resources.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/pod.h"
#include "kubelet/base/hash.h"

namespace kubelet::api {
namespace {

constexpr char kCpu[] = "cpu", kMemory[] = "memory";
// Annotations with this prefix are this kubelet's own notes.
constexpr char kOwnPrefix[] = "kubelet.cpp/";

void ReplaceByPodLevel(QuantityMap& sum, const ResourceMap& pod_level) {
  for (const auto& [name, quantity] : pod_level) {
    if (IsPodLevelResource(name)) sum[name] = Quantity::From(quantity);
  }
}

bool SameMap(const ResourceMap& a, const ResourceMap& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, quantity] : a) {
    auto it = b.find(name);
    if (it == b.end() || !(Quantity::From(it->second) == Quantity::From(quantity))) return false;
  }
  return true;
}

bool Lost(const ResourceMap& now, const ResourceMap& next) {
  for (const auto& [name, quantity] : now) {
    if (!next.contains(name)) return true;
  }
  return false;
}

std::string LostIn(const core::ResourceRequirements& now, const core::ResourceRequirements& next) {
  if (Lost(now.requests(), next.requests())) return "resource requests cannot be removed";
  if (Lost(now.limits(), next.limits())) return "resource limits cannot be removed";
  return "";
}

template <typename Containers>
std::string LostAmong(const Containers& now, const Containers& next) {
  for (const auto& old : now) {
    for (const auto& c : next) {
      if (c.name() != old.name()) continue;
      if (std::string problem = LostIn(old.resources(), c.resources()); !problem.empty())
        return problem;
    }
  }
  return "";
}

// Keeps which amounts there are and drops how much they are.
void Blank(core::ResourceRequirements& resources) {
  for (auto* map : {resources.mutable_requests(), resources.mutable_limits()}) {
    for (auto& [name, quantity] : *map) {
      if (name == kCpu || name == kMemory) quantity = Quantity::FromInt(1).ToMessage();
    }
  }
}

}  // namespace

QuantityMap SumRequests(const core::PodSpec& spec) {
  QuantityMap sum = AggregateContainers(spec, ResourceSide::kRequests);
  ReplaceByPodLevel(sum, spec.resources().requests());
  for (const auto& [name, quantity] : ToList(spec.overhead())) {
    auto [it, fresh] = sum.emplace(name, quantity);
    if (!fresh) it->second = it->second + quantity;
  }
  return sum;
}

QuantityMap SumLimits(const core::PodSpec& spec) {
  QuantityMap sum = AggregateContainers(spec, ResourceSide::kLimits);
  ReplaceByPodLevel(sum, spec.resources().limits());
  for (const auto& [name, quantity] : ToList(spec.overhead())) {
    auto it = sum.find(name);
    if (it != sum.end() && !it->second.IsZero()) it->second = it->second + quantity;
  }
  return sum;
}

Quantity QuantityOf(const ResourceMap& map, const std::string& name) {
  auto it = map.find(name);
  return it == map.end() ? Quantity() : Quantity::From(it->second);
}

Quantity EffectiveLimit(const core::PodSpec& spec, const core::Container& container,
                        const std::string& resource) {
  Quantity own = QuantityOf(container.resources().limits(), resource);
  return own.IsZero() ? QuantityOf(spec.resources().limits(), resource) : own;
}

core::ResourceRequirements EffectiveResources(const core::PodSpec& spec,
                                              const core::Container& container) {
  core::ResourceRequirements out = container.resources();
  for (const char* name : {kCpu, kMemory}) {
    Quantity limit = EffectiveLimit(spec, container, name);
    if (!limit.IsZero()) (*out.mutable_limits())[name] = limit.ToMessage();
  }
  return out;
}

bool SameResources(const core::ResourceRequirements& a, const core::ResourceRequirements& b) {
  if (!SameMap(a.requests(), b.requests()) || !SameMap(a.limits(), b.limits())) return false;
  if (a.claims_size() != b.claims_size()) return false;
  for (int i = 0; i < a.claims_size(); ++i) {
    if (a.claims(i).name() != b.claims(i).name() || a.claims(i).request() != b.claims(i).request())
      return false;
  }
  return true;
}

bool IsResizable(const core::Container& container, bool is_init, bool init_too) {
  return !is_init || init_too || IsRestartableInit(container);
}

std::string ResizeProblem(const core::Pod& now, const core::Pod& next) {
  if (ComputeQos(now) != ComputeQos(next))
    return "Pod QOS Class may not change as a result of resizing";
  std::string lost = LostAmong(now.spec().containers(), next.spec().containers());
  if (lost.empty()) lost = LostAmong(now.spec().init_containers(), next.spec().init_containers());
  if (lost.empty()) lost = LostIn(now.spec().resources(), next.spec().resources());
  return lost;
}

std::string ResizeShape(const core::Pod& pod) {
  core::Pod shape;
  *shape.mutable_spec() = pod.spec();
  auto& meta = *shape.mutable_metadata();
  meta.set_name(pod.metadata().name());
  meta.set_namespace_(pod.metadata().namespace_());
  *meta.mutable_labels() = pod.metadata().labels();
  for (const auto& [key, value] : pod.metadata().annotations()) {
    bool note = key == kConfigHash || key == kConfigSeen || key.rfind(kOwnPrefix, 0) == 0;
    if (!note) (*meta.mutable_annotations())[key] = value;
  }
  auto& spec = *shape.mutable_spec();
  for (auto& container : *spec.mutable_containers()) Blank(*container.mutable_resources());
  for (auto& container : *spec.mutable_init_containers()) {
    if (IsRestartableInit(container)) Blank(*container.mutable_resources());
  }
  if (spec.has_resources()) Blank(*spec.mutable_resources());
  return base::Fnv1a128Hex(EncodeJson(shape) + QosName(ComputeQos(pod)));
}

}  // namespace kubelet::api
