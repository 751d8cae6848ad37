#include "kubelet/api/codec.h"
#include "kubelet/api/pod.h"
#include "kubelet/api/resources.h"
#include "kubelet/resource/allocation.h"

namespace kubelet::resource {
namespace {

using api::core::Container;
using api::core::Pod;

constexpr char kGatePodLevel[] = "InPlacePodLevelResourcesVerticalScaling is disabled";
constexpr char kSwap[] = "In-place resize of containers with swap is not supported.";

const Container* Named(const Pod& pod, const std::string& name) {
  for (const auto* all : {&pod.spec().containers(), &pod.spec().init_containers()}) {
    for (const auto& c : *all) {
      if (c.name() == name) return &c;
    }
  }
  return nullptr;
}

bool RestartsForMemory(const Container& container) {
  for (const auto& policy : container.resize_policy()) {
    if (policy.resource_name() == "memory") return policy.restart_policy() == "RestartContainer";
  }
  return false;
}

bool SwapInTheWay(const Pod& desired, const Pod& allocated, const ResizeRules& rules) {
  if (!rules.may_swap) return false;
  for (const auto* all : {&desired.spec().containers(), &desired.spec().init_containers()}) {
    for (const auto& c : *all) {
      const Container* old = Named(allocated, c.name());
      if (old == nullptr || api::Request(c, "memory") == api::Request(*old, "memory")) continue;
      if (RestartsForMemory(*old)) continue;
      if (rules.may_swap(desired, c) || rules.may_swap(allocated, *old)) return true;
    }
  }
  return false;
}

// Some container's request of `name` differs; in Guaranteed pods the limits are the same.
bool RequestChanges(const Pod& desired, const Pod& allocated, const std::string& name,
                    const ResizeRules& rules) {
  auto differs = [&](const Container& c, bool is_init) {
    if (!api::IsResizable(c, is_init, rules.init_containers)) return false;
    const Container* old = Named(allocated, c.name());
    return old == nullptr || !(api::Request(c, name) == api::Request(*old, name));
  };
  for (const auto& c : desired.spec().containers()) {
    if (differs(c, false)) return true;
  }
  for (const auto& c : desired.spec().init_containers()) {
    if (differs(c, true)) return true;
  }
  return false;
}

std::string StaticPolicy(const char* manager, const char* policy) {
  return std::string("Resize is infeasible for Guaranteed Pods alongside ") + manager +
         " Manager policy \"" + policy + "\"";
}

std::string ListOf(const google::protobuf::RepeatedPtrField<Container>& containers) {
  std::string out;
  for (const auto& c : containers) {
    out += (out.empty() ? "" : ",");
    out += "{\"name\":\"" + c.name() + "\",\"resources\":" + api::EncodeJson(c.resources()) + "}";
  }
  return out;
}

// As Go's encoding/json writes a string.
std::string Quoted(const std::string& text) {
  api::core::ConfigMapKeySelector holder;
  holder.set_key(text);
  std::string object = api::EncodeJson(holder);  // {"key":"…"}
  return object.substr(7, object.size() - 8);
}

}  // namespace

std::optional<Infeasible> CheckResize(const Pod& desired, const Pod& allocated,
                                      const ResizeRules& rules) {
  if (std::string problem = api::ResizeProblem(allocated, desired); !problem.empty()) {
    return Infeasible{problem, "not_a_resize"};
  }
  if (SwapInTheWay(desired, allocated, rules)) return Infeasible{kSwap, "swap_limitation"};
  if (!rules.pod_level &&
      !api::SameResources(desired.spec().resources(), allocated.spec().resources())) {
    return Infeasible{kGatePodLevel, "plr_feature_gate_off"};
  }
  if (api::ComputeQos(desired) != api::QosClass::kGuaranteed) return std::nullopt;
  if (rules.static_cpu && RequestChanges(desired, allocated, "cpu", rules)) {
    return Infeasible{StaticPolicy("CPU", "static"), "guaranteed_pod_cpu_manager_static_policy"};
  }
  if (rules.static_memory && RequestChanges(desired, allocated, "memory", rules)) {
    return Infeasible{StaticPolicy("Memory", "Static"),
                      "guaranteed_pod_memory_manager_static_policy"};
  }
  return std::nullopt;
}

std::string ResizeMessage(const Pod& pod, int64_t generation, const std::string& error,
                          const std::string& prefix) {
  std::string out;
  if (pod.spec().init_containers_size() > 0)
    out += "\"initContainers\":[" + ListOf(pod.spec().init_containers()) + "],";
  if (pod.spec().containers_size() > 0)
    out += "\"containers\":[" + ListOf(pod.spec().containers()) + "],";
  out += "\"generation\":" + std::to_string(generation);
  if (!error.empty()) out += ",\"error\":" + Quoted(error);
  return prefix + ": {" + out + "}";
}

}  // namespace kubelet::resource
