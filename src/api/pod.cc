#include "kubelet/api/pod.h"

#include "api/json_text.h"
#include "api/pod_resources.h"
#include "kubelet/base/hash.h"

namespace kubelet::api {
namespace {

constexpr int32_t kCriticalPriority = 2000000000;

// Positive cpu and memory of a requests or limits map.
ResourceList QosResources(const ResourceMap& map) {
  ResourceList list;
  for (const char* name : {"cpu", "memory"}) {
    auto it = map.find(name);
    if (it == map.end()) continue;
    Quantity quantity = Quantity::From(it->second);
    if (quantity.Sign() > 0) list.emplace(name, quantity);
  }
  return list;
}

struct QosSums {
  ResourceList requests, limits;
  bool all_limited = true;
};

void Count(const core::ResourceRequirements& resources, QosSums& sums) {
  for (const auto& [name, quantity] : QosResources(resources.requests())) {
    sums.requests[name] = sums.requests[name] + quantity;
  }
  ResourceList limits = QosResources(resources.limits());
  for (const auto& [name, quantity] : limits) sums.limits[name] = sums.limits[name] + quantity;
  sums.all_limited &= limits.size() == 2;
}

Quantity Find(const ResourceMap& map, const std::string& resource) {
  auto it = map.find(resource);
  return it == map.end() ? Quantity() : Quantity::From(it->second);
}

}  // namespace

const char* QosName(QosClass qos) {
  switch (qos) {
    case QosClass::kGuaranteed:
      return "Guaranteed";
    case QosClass::kBurstable:
      return "Burstable";
    case QosClass::kBestEffort:
      return "BestEffort";
  }
  return "";
}

QosClass ComputeQos(const core::Pod& pod) {
  const core::PodSpec& spec = pod.spec();
  QosSums sums;
  if (spec.has_resources()) {
    Count(spec.resources(), sums);
  } else {
    for (const core::Container& container : spec.containers()) Count(container.resources(), sums);
    for (const core::Container& container : spec.init_containers())
      Count(container.resources(), sums);
  }
  if (sums.requests.empty() && sums.limits.empty()) return QosClass::kBestEffort;
  bool guaranteed = sums.all_limited && sums.requests == sums.limits;
  return guaranteed ? QosClass::kGuaranteed : QosClass::kBurstable;
}

std::string Annotation(const core::Pod& pod, const std::string& key) {
  auto it = pod.metadata().annotations().find(key);
  return it == pod.metadata().annotations().end() ? std::string() : it->second;
}

bool IsStatic(const core::Pod& pod) {
  auto it = pod.metadata().annotations().find(kConfigSource);
  return it != pod.metadata().annotations().end() && it->second != "api";
}

std::string StaticUidOf(const core::Pod& mirror) {
  std::string uid = Annotation(mirror, kStaticUid);
  return uid.empty() ? Annotation(mirror, kConfigMirror) : uid;
}

bool IsMirror(const core::Pod& pod) { return pod.metadata().annotations().contains(kConfigMirror); }

bool IsCritical(const core::Pod& pod) {
  return IsStatic(pod) || IsMirror(pod) || pod.spec().priority() >= kCriticalPriority;
}

bool IsRestartableInit(const core::Container& container) {
  return container.restart_policy() == "Always";
}

Quantity Request(const core::Container& container, const std::string& resource) {
  return Find(container.resources().requests(), resource);
}

Quantity Limit(const core::Container& container, const std::string& resource) {
  return Find(container.resources().limits(), resource);
}

std::string ContainerHash(const std::string& name, const std::string& image) {
  std::string json;
  json += "{\"image\":";
  AppendJsonString(image, json);
  json += ",\"name\":";
  AppendJsonString(name, json);
  json += "}";
  // The text that upstream's dumper makes of a byte slice.
  std::string dump = "([]uint8)[";
  for (size_t i = 0; i < json.size(); ++i) {
    if (i > 0) dump += ' ';
    dump += std::to_string(static_cast<unsigned char>(json[i]));
  }
  dump += ']';
  return base::Hex(base::Fnv1a32(dump));
}

}  // namespace kubelet::api
