#include "kubelet/admission/resources.h"

#include "kubelet/api/pod.h"

namespace kubelet::admission {
namespace {

constexpr char kCpu[] = "cpu";
constexpr char kMemory[] = "memory";
constexpr char kPods[] = "pods";
constexpr char kEphemeralStorage[] = "ephemeral-storage";
constexpr const char* kOrder[] = {kPods, kCpu, kMemory, kEphemeralStorage};

bool StartsWith(const std::string& text, const std::string& prefix) {
  return text.rfind(prefix, 0) == 0;
}

bool IsBasic(const std::string& name) {
  return name == kCpu || name == kMemory || name == kEphemeralStorage;
}

// pkg/scheduler/util IsScalarResourceName
bool IsScalar(const std::string& name) {
  return IsExtendedResource(name) || StartsWith(name, "hugepages-") ||
         name.find("kubernetes.io/") != std::string::npos ||
         StartsWith(name, "attachable-volumes-");
}

int64_t AmountOf(const std::string& name, const api::Quantity& quantity) {
  return name == kCpu ? quantity.MilliValue() : quantity.Value();
}

int64_t Of(const Amounts& amounts, const std::string& name) {
  auto it = amounts.find(name);
  return it == amounts.end() ? 0 : it->second;
}

}  // namespace

bool IsExtendedResource(const std::string& name) {
  return name.find('/') != std::string::npos && name.find("kubernetes.io/") == std::string::npos &&
         !StartsWith(name, "requests.");
}

void Add(const Amounts& more, Amounts& sum) {
  for (const auto& [name, amount] : more) sum[name] += amount;
}

Amounts RequestsOf(const api::core::Pod& pod, bool pod_level) {
  Amounts out;
  for (const auto& [name, quantity] : api::ComputePodRequests(pod, pod_level)) {
    if (IsBasic(name) || IsScalar(name)) out[name] = AmountOf(name, quantity);
  }
  out[kPods] = 1;
  return out;
}

Amounts AmountsOf(const QuantityMap& quantities) {
  Amounts out;
  for (const auto& [name, message] : quantities)
    out[name] = AmountOf(name, api::Quantity::From(message));
  return out;
}

std::vector<Insufficient> FindInsufficient(const Amounts& requests, const Amounts& used,
                                           const Amounts& allocatable) {
  std::vector<Insufficient> out;
  auto look = [&](const std::string& name, int64_t requested) {
    Insufficient lack{name, requested, Of(used, name), Of(allocatable, name)};
    if (requested > 0 && lack.Missing() > 0) out.push_back(lack);
  };
  for (const char* name : kOrder) look(name, Of(requests, name));
  for (const auto& [name, requested] : requests) {
    if (name != kPods && !IsBasic(name)) look(name, requested);
  }
  return out;
}

std::string ReasonOf(const Insufficient& lack) { return "OutOf" + lack.resource; }

std::string MessageOf(const Insufficient& lack) {
  return "Node didn't have enough resource: " + lack.resource +
         ", requested: " + std::to_string(lack.requested) + ", used: " + std::to_string(lack.used) +
         ", capacity: " + std::to_string(lack.capacity);
}

}  // namespace kubelet::admission
