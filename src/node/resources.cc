#include <algorithm>
#include <cstdlib>

#include "kubelet/api/quantity.h"
#include "node/parts.h"

namespace kubelet::node {
namespace {

using api::Quantity;
using QuantityMap = google::protobuf::Map<std::string, api::resource::Quantity>;

Quantity Get(const std::map<std::string, std::string>& map, const std::string& key) {
  auto it = map.find(key);
  if (it == map.end()) return {};
  auto value = Quantity::Parse(it->second);
  return value.ok() ? *value : Quantity();  // config refused the rest
}

Quantity NotNegative(const Quantity& value) { return value.Sign() < 0 ? value - value : value; }

std::map<std::string, Quantity> OwnCapacity(const NodeFacts& facts) {
  std::map<std::string, Quantity> out;
  out[kCpu] = Quantity::FromMilli(int64_t{facts.machine.cpus} * 1000);
  out[kMemory] = Quantity::FromBytes(facts.machine.memory_bytes);
  for (const auto& [size, pages] : facts.machine.huge_pages)
    out["hugepages-" + Quantity::FromBytes(size).ToString()] = Quantity::FromBytes(size * pages);
  if (facts.root_fs_bytes) out[kEphemeralStorage] = Quantity::FromBytes(*facts.root_fs_bytes);
  return out;
}

Quantity Eviction(const std::string& resource, const Quantity& capacity,
                  const NodeOptions& options) {
  if (options.allocatable_ignore_eviction) return {};
  const char* signal = resource == kMemory             ? "memory.available"
                       : resource == kEphemeralStorage ? "nodefs.available"
                                                       : "";
  auto it = options.eviction_hard.find(signal);
  return it == options.eviction_hard.end() ? Quantity() : Threshold(it->second, capacity);
}

Quantity Reserved(const std::string& resource, const Quantity& capacity,
                  const NodeOptions& options) {
  Quantity reserved =
      resource == kCpu && options.reserved_cpus > 0
          ? Quantity::FromInt(options.reserved_cpus)
          : Get(options.system_reserved, resource) + Get(options.kube_reserved, resource);
  return reserved + Eviction(resource, capacity, options);
}

std::map<std::string, Quantity> Reservation(const NodeFacts& facts, const NodeOptions& options) {
  std::map<std::string, Quantity> out;
  for (const auto& [name, capacity] : OwnCapacity(facts)) {
    if (name == kEphemeralStorage && !options.local_storage_isolation) continue;
    Quantity reserved = Reserved(name, capacity, options);
    if (!reserved.IsZero()) out[name] = reserved;
  }
  return out;
}

void SetCapacity(QuantityMap& capacity, const NodeFacts& facts, const NodeOptions& options) {
  for (const auto& [name, value] : OwnCapacity(facts)) {
    if (name == kEphemeralStorage && !options.local_storage_isolation) continue;
    capacity[name] = value.ToMessage();
  }
  for (const auto& [name, counts] : facts.devices)
    capacity[name] = Quantity::FromInt(counts.capacity).ToMessage();
  int64_t pods = options.max_pods;
  if (options.pods_per_core > 0)
    pods = std::min(pods, int64_t{options.pods_per_core} * facts.machine.cpus);
  capacity[kPods] = Quantity::FromInt(pods).ToMessage();
}

}  // namespace

// A share is computed in float, as upstream does: 10 % of 1 TB is a few kilobytes more than that.
Quantity Threshold(const std::string& text, const Quantity& capacity) {
  if (text.empty() || text.back() != '%') {
    auto value = Quantity::Parse(text);
    return value.ok() ? *value : Quantity();
  }
  if (text == "0%" || text == "100%") return {};
  float share = std::strtof(text.c_str(), nullptr) / 100;
  return Quantity::FromBytes(
      static_cast<int64_t>(static_cast<double>(capacity.Value()) * static_cast<double>(share)));
}

bool IsHugePages(const std::string& resource) { return resource.rfind("hugepages-", 0) == 0; }

bool IsExtendedResource(const std::string& resource) {
  return resource.find('/') != std::string::npos &&
         resource.find("kubernetes.io/") == std::string::npos &&
         resource.rfind("requests.", 0) != 0;
}

void SetResources(core::NodeStatus& status, const NodeFacts& facts, const NodeOptions& options) {
  SetCapacity(*status.mutable_capacity(), facts, options);
  const auto& capacity = status.capacity();
  auto& allocatable = *status.mutable_allocatable();
  for (auto it = allocatable.begin(); it != allocatable.end();) {
    bool gone = IsExtendedResource(it->first) && capacity.count(it->first) == 0;
    it = gone ? allocatable.erase(it) : std::next(it);
  }
  auto reservation = Reservation(facts, options);
  Quantity huge = Quantity::FromBytes(0);
  for (const auto& [name, message] : capacity) {
    Quantity value = Quantity::From(message);
    if (IsHugePages(name)) huge = huge + value;
    auto reserved = reservation.find(name);
    if (reserved != reservation.end()) value = NotNegative(value - reserved->second);
    allocatable[name] = NotNegative(value).ToMessage();
  }
  for (const auto& [name, counts] : facts.devices)
    allocatable[name] = Quantity::FromInt(counts.allocatable).ToMessage();
  // Memory in huge pages is no memory for anything else.
  auto& memory = allocatable[kMemory];
  memory = NotNegative(Quantity::From(memory) - huge).ToMessage();
}

QuantityMap ComputeAllocatable(const core::NodeStatus& previous, const NodeFacts& facts,
                               const NodeOptions& options) {
  core::NodeStatus status;
  *status.mutable_capacity() = previous.capacity();
  *status.mutable_allocatable() = previous.allocatable();
  SetResources(status, facts, options);
  return std::move(*status.mutable_allocatable());
}

std::map<std::string, std::string> AllocatableReservation(const NodeFacts& facts,
                                                          const NodeOptions& options) {
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : Reservation(facts, options)) out[name] = value.ToString();
  return out;
}

absl::Status ValidateReservation(const NodeFacts& facts, const NodeOptions& options) {
  auto capacity = OwnCapacity(facts);
  std::string problems;
  for (const auto& [name, reserved] : Reservation(facts, options)) {
    if (!(capacity[name] < reserved)) continue;
    problems += " Resource \"" + name + "\" has a reservation of " + reserved.ToString() +
                " but capacity of " + capacity[name].ToString() +
                ". Expected capacity >= reservation.";
  }
  if (problems.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError("invalid Node Allocatable configuration." + problems);
}

}  // namespace kubelet::node
