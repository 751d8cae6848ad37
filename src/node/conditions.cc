#include <algorithm>

#include "kubelet/api/time.h"
#include "node/parts.h"

namespace kubelet::node {
namespace {

core::NodeCondition* Find(core::NodeStatus& status, const std::string& type) {
  for (auto& condition : *status.mutable_conditions()) {
    if (condition.type() == type) return &condition;
  }
  return nullptr;
}

core::NodeCondition& FindOrAdd(core::NodeStatus& status, const std::string& type) {
  if (auto* found = Find(status, type)) return *found;
  auto* added = status.add_conditions();
  added->set_type(type);
  added->set_status("Unknown");
  return *added;
}

// How one kind of pressure is told.
struct PressureText {
  const char* type;
  const char* reason_true;
  const char* message_true;
  const char* reason_false;
  const char* message_false;
};
constexpr PressureText kMemoryText{
    "MemoryPressure", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available",
    "KubeletHasSufficientMemory", "kubelet has sufficient memory available"};
constexpr PressureText kDiskText{"DiskPressure", "KubeletHasDiskPressure",
                                 "kubelet has disk pressure", "KubeletHasNoDiskPressure",
                                 "kubelet has no disk pressure"};
constexpr PressureText kPidText{"PIDPressure", "KubeletHasInsufficientPID",
                                "kubelet has insufficient PID available", "KubeletHasSufficientPID",
                                "kubelet has sufficient PID available"};

// Reason and message belong to the transition: they stay as they are while the status does.
void SetPressure(core::NodeStatus& status, const PressureText& text, bool pressure,
                 const std::string& node_name, base::WallTime now, std::vector<NodeEvent>& events) {
  auto& condition = FindOrAdd(status, text.type);
  *condition.mutable_last_heartbeat_time() = api::ToTime(now);
  std::string value = pressure ? "True" : "False";
  if (condition.status() == value) return;
  std::string reason = pressure ? text.reason_true : text.reason_false;
  condition.set_status(value);
  condition.set_reason(reason);
  condition.set_message(pressure ? text.message_true : text.message_false);
  *condition.mutable_last_transition_time() = api::ToTime(now);
  events.push_back(StatusEvent(node_name, "Node" + reason.substr(sizeof "Kubelet" - 1)));
}

// As Go's aggregate of errors prints: each text once, brackets around several.
std::string Aggregate(const std::vector<std::string>& errors) {
  std::vector<std::string> unique;
  for (const auto& error : errors) {
    if (std::find(unique.begin(), unique.end(), error) == unique.end()) unique.push_back(error);
  }
  if (unique.size() == 1) return unique[0];
  std::string text = "[";
  for (const auto& error : unique) text += (text.size() > 1 ? ", " : "") + error;
  return text + "]";
}

std::vector<std::string> NotReadyBecause(const core::NodeStatus& status, const NodeFacts& facts,
                                         const NodeOptions& options) {
  std::vector<std::string> errors = facts.errors;
  if (facts.shutting_down) errors.push_back("node is shutting down");
  std::vector<std::string> required = {kCpu, kMemory, kPods};
  if (options.local_storage_isolation) required.push_back(kEphemeralStorage);
  std::string missing;
  for (const auto& resource : required) {
    if (status.capacity().count(resource) == 0) missing += (missing.empty() ? "" : ", ") + resource;
  }
  if (!missing.empty()) errors.push_back("missing node capacity for resources: " + missing);
  return errors;
}

void SetReady(core::NodeStatus& status, const NodeFacts& facts, const NodeOptions& options,
              base::WallTime now, std::vector<NodeEvent>& events) {
  auto errors = NotReadyBecause(status, facts, options);
  bool existed = Find(status, "Ready") != nullptr;
  auto& condition = FindOrAdd(status, "Ready");
  std::string value = errors.empty() ? "True" : "False";
  if (condition.status() != value) {
    *condition.mutable_last_transition_time() = api::ToTime(now);
    if (existed)
      events.push_back(StatusEvent(options.name, errors.empty() ? "NodeReady" : "NodeNotReady"));
  }
  std::string message = errors.empty() ? "kubelet is posting ready status" : Aggregate(errors);
  if (!facts.warning.empty()) message += ". WARNING: " + facts.warning;
  condition.set_status(value);
  condition.set_reason(errors.empty() ? "KubeletReady" : "KubeletNotReady");
  condition.set_message(message);
  *condition.mutable_last_heartbeat_time() = api::ToTime(now);
}

}  // namespace

std::string NotReadyText(const std::string& type, const std::string& reason,
                         const std::string& message) {
  std::string prefix = type == "NetworkReady" ? "container runtime network not ready: "
                                              : "container runtime not ready: ";
  return prefix + type + "=false reason:" + reason + " message:" + message;
}

NodeEvent StatusEvent(const std::string& node_name, const std::string& reason) {
  return {false, reason, "Node " + node_name + " status is now: " + reason};
}

void SetConditions(core::NodeStatus& status, const NodeFacts& facts, const NodeOptions& options,
                   base::WallTime now, std::vector<NodeEvent>& events) {
  SetPressure(status, kMemoryText, facts.memory_pressure, options.name, now, events);
  SetPressure(status, kDiskText, facts.disk_pressure, options.name, now, events);
  SetPressure(status, kPidText, facts.pid_pressure, options.name, now, events);
  // Last: old masters looked at the last condition only (kubernetes/kubernetes#16961).
  SetReady(status, facts, options, now, events);
}

}  // namespace kubelet::node
