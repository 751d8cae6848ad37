#include "status/resources.h"

#include <algorithm>
#include <optional>

#include "kubelet/api/pod.h"
#include "kubelet/api/resources.h"

namespace kubelet::status {
namespace {

using api::Quantity;
using api::core::ContainerStatus;
using api::core::PodStatus;
using api::core::ResourceRequirements;
using Map = google::protobuf::Map<std::string, api::resource::Quantity>;

constexpr char kCpu[] = "cpu", kMemory[] = "memory";
// Below these the kernel does not tell amounts apart: the allocated one is shown (pkg/kubelet/cm
// helpers_linux.go).
constexpr int64_t kMinShares = 2, kMinMilliCpuLimit = 10;

// What the runtime reports; nullopt: nothing about this one.
struct Reported {
  std::optional<Quantity> cpu_request, cpu_limit, memory_request, memory_limit;
};

Reported FromRuntime(const runtime::LinuxResources& has) {
  Reported out;
  if (has.cpu_shares >= kMinShares)
    out.cpu_request = Quantity::FromMilli((has.cpu_shares * 1000 + 1023) / 1024);
  if (has.cpu_period > 0 && has.cpu_quota > 0) {
    if (int64_t milli = has.cpu_quota * 1000 / has.cpu_period; milli > 0)
      out.cpu_limit = Quantity::FromMilli(milli);
  }
  if (has.memory_limit_bytes > 0) out.memory_limit = Quantity::FromBytes(has.memory_limit_bytes);
  return out;
}

Reported Observed(const Input& input, const std::string& name,
                  const runtime::ContainerStatus& seen) {
  Reported out;
  if (seen.resources) out = FromRuntime(*seen.resources);
  bool silent = !out.cpu_request && !out.cpu_limit && !out.memory_limit;
  if (input.actuated == nullptr) return out;
  auto it = input.actuated->find(name);
  if (it == input.actuated->end()) return out;
  const ResourceRequirements& set = it->second;
  Quantity memory = api::QuantityOf(set.requests(), kMemory);
  if (silent || !memory.IsZero()) out.memory_request = memory;
  if (!silent) return out;
  out.cpu_request = api::QuantityOf(set.requests(), kCpu);
  out.cpu_limit = api::QuantityOf(set.limits(), kCpu);
  out.memory_limit = api::QuantityOf(set.limits(), kMemory);
  return out;
}

void Put(Map& map, const char* name, const std::optional<Quantity>& seen, int64_t tiny_milli,
         const Map* old) {
  if (seen) {
    bool tells = tiny_milli == 0 || seen->MilliValue() > tiny_milli ||
                 api::QuantityOf(map, name).MilliValue() > tiny_milli;
    if (tells) map[name] = seen->ToMessage();
  } else if (old != nullptr && old->contains(name)) {
    map[name] = old->at(name);
  }
}

void Put(Map& map, const char* name, const Quantity& quantity) {
  if (!quantity.IsZero()) map[name] = quantity.ToMessage();
}

void KeepOld(const Map& old, Map& map) {
  for (const char* name : {kCpu, kMemory}) {
    if (old.contains(name)) map[name] = old.at(name);
  }
}

void SetAll(const api::QuantityMap& sums, Map& map) {
  map.clear();
  for (const auto& [name, quantity] : sums) map[name] = quantity.ToMessage();
}

ResourceRequirements OfRunningPod(const Input& input) {
  const auto& spec = input.pod->spec();
  auto sums = api::ComputePodResources(*input.pod);
  bool guaranteed = api::ComputeQos(*input.pod) == api::QosClass::kGuaranteed;
  ResourceRequirements out = spec.resources();
  if (sums.cpu_request_milli > kMinShares)
    Put(*out.mutable_requests(), kCpu, Quantity::FromMilli(sums.cpu_request_milli));
  if (!out.requests().contains(kMemory)) {
    auto requests = api::SumRequests(spec);
    if (auto it = requests.find(kMemory); it != requests.end())
      (*out.mutable_requests())[kMemory] = it->second.ToMessage();
  }
  if ((guaranteed || sums.all_cpu_limited) && sums.cpu_limit_milli > kMinMilliCpuLimit) {
    Put(*out.mutable_limits(), kCpu, Quantity::FromMilli(sums.cpu_limit_milli));
  }
  if (guaranteed || sums.all_memory_limited)
    Put(*out.mutable_limits(), kMemory, Quantity::FromBytes(sums.memory_limit));
  return out;
}

}  // namespace

void SetContainerResources(const Input& input, const api::core::Container& spec,
                           const runtime::ContainerStatus& seen, const ContainerStatus* old,
                           ContainerStatus& now) {
  *now.mutable_resources() = spec.resources();
  *now.mutable_allocated_resources() = spec.resources().requests();
  if (seen.state != runtime::ContainerState::kRunning) return;
  bool same =
      old != nullptr && old->state().has_running() && old->container_id() == now.container_id();
  Reported reported = Observed(input, spec.name(), seen);
  if (!spec.resources().limits().empty()) {
    const Map* before = same ? &old->resources().limits() : nullptr;
    Map& limits = *now.mutable_resources()->mutable_limits();
    Put(limits, kCpu, reported.cpu_limit, kMinMilliCpuLimit, before);
    Put(limits, kMemory, reported.memory_limit, 0, before);
  }
  if (!spec.resources().requests().empty()) {
    const Map* before = same ? &old->resources().requests() : nullptr;
    Map& requests = *now.mutable_resources()->mutable_requests();
    Put(requests, kCpu, reported.cpu_request, kMinShares, before);
    Put(requests, kMemory, reported.memory_request, 0, before);
  }
}

void SetPodResources(const Input& input, PodStatus& status) {
  if (!input.pod_level_resources) return;
  const auto& spec = input.pod->spec();
  SetAll(api::SumRequests(spec), *status.mutable_allocated_resources());
  ResourceRequirements& out = *status.mutable_resources();
  if (status.phase() != "Running") {
    out = spec.resources();
    SetAll(api::SumRequests(spec), *out.mutable_requests());
    SetAll(api::SumLimits(spec), *out.mutable_limits());
    return;
  }
  out = OfRunningPod(input);
  bool resizing = std::any_of(input.resize_conditions.begin(), input.resize_conditions.end(),
                              [](const auto& c) { return c.type() == "PodResizeInProgress"; });
  if (!resizing || input.previous == nullptr || input.previous->phase() != "Running") return;
  KeepOld(input.previous->resources().requests(), *out.mutable_requests());
  KeepOld(input.previous->resources().limits(), *out.mutable_limits());
}

}  // namespace kubelet::status
