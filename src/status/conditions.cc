#include "status/conditions.h"

#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/runtime/actions.h"
#include "status/containers.h"

namespace kubelet::status {
namespace {

using api::core::ContainerStatus;
using api::core::Pod;
using api::core::PodStatus;
using Containers = google::protobuf::RepeatedPtrField<api::core::Container>;
using Statuses = google::protobuf::RepeatedPtrField<ContainerStatus>;

const ContainerStatus* Find(const Statuses& statuses, const std::string& name) {
  for (const auto& status : statuses) {
    if (status.name() == name) return &status;
  }
  return nullptr;
}

// What the containers do, as getPhase counts it (pkg/kubelet/kubelet_pods.go).
struct Tally {
  bool init_pending = false;     // a plain init container has its turn or waits for it
  bool init_failed = false;      // and one failed for good
  bool sidecar_pending = false;  // a sidecar has not started
  int running = 0, waiting = 0, unknown = 0;
  int stopped = 0, succeeded = 0, restartable = 0;  // regular containers only
};

// The exit that counts: of the last instance, also while the next one waits.
const api::core::ContainerStateTerminated* Exit(const ContainerStatus& s) {
  if (s.state().has_terminated()) return &s.state().terminated();
  if (s.state().has_waiting() && s.last_state().has_terminated()) return &s.last_state().terminated();
  return nullptr;
}

// One that was removed to restart all containers starts again whatever its policy.
bool MayRestart(const Pod& pod, const api::core::Container& spec, const api::core::ContainerStateTerminated& exit) {
  return exit.reason() == "RestartingAllContainers" || runtime::ShouldRestart(pod, spec, exit.exit_code());
}

void CountInit(const Pod& pod, const api::core::Container& spec, const ContainerStatus* s, Tally& tally) {
  const auto* exit = s != nullptr ? Exit(*s) : nullptr;
  if (exit == nullptr) {
    tally.init_pending = true;
  } else if (exit->exit_code() != 0 && !MayRestart(pod, spec, *exit)) {
    tally.init_failed = true;
  }
}

void CountSidecar(const ContainerStatus* s, Tally& tally) {
  if (s == nullptr) {
    ++tally.unknown;
  } else if (s->state().has_running()) {
    ++tally.running;
    if (!s->started()) tally.sidecar_pending = true;
  } else if (Exit(*s) == nullptr) {
    tally.sidecar_pending = true;
    ++(s->state().has_waiting() ? tally.waiting : tally.unknown);
  }
}

void CountRegular(const Pod& pod, const api::core::Container& spec, const ContainerStatus* s, Tally& tally) {
  if (s == nullptr) {
    ++tally.unknown;
  } else if (s->state().has_running()) {
    ++tally.running;
  } else if (const auto* exit = Exit(*s)) {
    ++tally.stopped;
    if (s->state().has_terminated() && exit->exit_code() == 0) ++tally.succeeded;
    if (MayRestart(pod, spec, *exit)) ++tally.restartable;
  } else {
    ++tally.waiting;
  }
}

Tally Count(const Pod& pod, const PodStatus& status) {
  Tally tally;
  for (const auto& spec : pod.spec().init_containers()) {
    const ContainerStatus* s = Find(status.init_container_statuses(), spec.name());
    if (api::IsRestartableInit(spec)) {
      CountSidecar(s, tally);
    } else {
      CountInit(pod, spec, s, tally);
    }
  }
  for (const auto& spec : pod.spec().containers()) {
    CountRegular(pod, spec, Find(status.container_statuses(), spec.name()), tally);
  }
  return tally;
}

// Restarts of sidecars do not make a pod pending again whose regular containers exist.
bool RegularInSandbox(const Input& input) {
  return input.observed != nullptr && runtime::HasInitialized(*input.pod, *input.observed);
}

struct Condition {
  std::string type;
  bool status = false;
  std::string reason, message;
};

void Set(const Input& input, PodStatus& status, const Condition& condition) {
  auto* out = status.add_conditions();
  out->set_type(condition.type);
  out->set_status(condition.status ? "True" : "False");
  out->set_reason(condition.reason);
  out->set_message(condition.message);
  if (input.pod->metadata().generation() != 0) out->set_observed_generation(input.pod->metadata().generation());
  int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(input.now.time_since_epoch()).count();
  if (input.previous != nullptr) {
    for (const auto& old : input.previous->conditions()) {
      if (old.type() == out->type() && old.status() == out->status()) seconds = old.last_transition_time().seconds();
    }
  }
  out->mutable_last_transition_time()->set_seconds(seconds);
}

std::string List(const std::vector<std::string>& names) {
  std::string out = "[";
  for (const auto& name : names) out += (out.size() > 1 ? " " : "") + name;
  return out + "]";
}

// ContainersReady (and with gates Ready): every container and sidecar is ready.
Condition ContainersReady(const Pod& pod, const PodStatus& status) {
  Condition condition{"ContainersReady"};
  std::vector<std::string> unready, unknown;
  auto look = [&](const std::string& name, const ContainerStatus* s) {
    if (s == nullptr) {
      unknown.push_back(name);
    } else if (!s->ready()) {
      unready.push_back(name);
    }
  };
  for (const auto& spec : pod.spec().init_containers()) {
    if (api::IsRestartableInit(spec)) look(spec.name(), Find(status.init_container_statuses(), spec.name()));
  }
  for (const auto& spec : pod.spec().containers()) look(spec.name(), Find(status.container_statuses(), spec.name()));
  if (status.container_statuses().empty() && status.init_container_statuses().empty()) {
    condition.reason = "UnknownContainerStatuses";
  } else if (status.phase() == "Succeeded" && unknown.empty()) {
    condition.reason = "PodCompleted";
  } else if (status.phase() == "Failed") {
    condition.reason = "PodFailed";
  } else if (!unready.empty() || !unknown.empty()) {
    condition.reason = "ContainersNotReady";
    if (!unknown.empty()) condition.message = "containers with unknown status: " + List(unknown);
    if (!unready.empty()) {
      condition.message += (condition.message.empty() ? "" : ", ") + ("containers with unready status: " + List(unready));
    }
  } else {
    condition.status = true;
  }
  return condition;
}

// `status` has the conditions of others already: readiness gates are among them.
Condition Ready(const Pod& pod, const PodStatus& status, const Condition& containers) {
  Condition condition = containers;
  condition.type = "Ready";
  if (!containers.status) return condition;
  std::string missing;
  for (const auto& gate : pod.spec().readiness_gates()) {
    const auto& all = status.conditions();
    auto it = std::find_if(all.begin(), all.end(), [&](const auto& c) { return c.type() == gate.condition_type(); });
    if (it != all.end() && it->status() == "True") continue;
    std::string name = "pod readiness gate \"" + gate.condition_type() + "\"";
    missing += missing.empty() ? "" : ", ";
    missing += it == all.end() ? "corresponding condition of " + name + " does not exist."
                               : "the status of " + name + " is not \"True\", but " + it->status();
  }
  if (!missing.empty()) {
    condition.status = false;
    condition.reason = "ReadinessGatesNotReady";
    condition.message = missing;
  }
  return condition;
}

Condition Initialized(const Pod& pod, const PodStatus& status, const PodStatus* previous) {
  Condition condition{"Initialized"};
  if (pod.spec().init_containers_size() > 0 && status.init_container_statuses().empty()) {
    condition.reason = "UnknownContainerStatuses";
    return condition;
  }
  if (status.phase() == "Succeeded") {
    condition.status = true;
    condition.reason = "PodCompleted";
    return condition;
  }
  std::vector<std::string> incomplete;
  for (const auto& spec : pod.spec().init_containers()) {
    const ContainerStatus* s = Find(status.init_container_statuses(), spec.name());
    bool done = s != nullptr && (api::IsRestartableInit(spec) ? s->started() : s->ready());
    if (!done) incomplete.push_back(spec.name());
  }
  bool begun = std::any_of(status.container_statuses().begin(), status.container_statuses().end(), [](const auto& s) {
    return s.state().has_running() || s.state().has_terminated();
  });
  // Once initialized it stays so, whatever its init containers do later.
  bool before = previous != nullptr && std::any_of(previous->conditions().begin(), previous->conditions().end(),
                                                   [](const auto& c) {
                                                     return c.type() == "Initialized" && c.status() == "True";
                                                   });
  condition.status = incomplete.empty() || begun || before;
  if (!condition.status) {
    condition.reason = "ContainersNotInitialized";
    condition.message = "containers with incomplete status: " + List(incomplete);
  }
  return condition;
}

// True from the exit that asks for it until the last container is removed.
Condition AllRestarting(const Input& input, const PodStatus& status) {
  Condition condition{"AllContainersRestarting"};
  if (status.phase() == "Succeeded") {
    condition.reason = "PodCompleted";
  } else if (status.phase() == "Failed") {
    condition.reason = "PodFailed";
  } else if (input.observed != nullptr && RestartsAllContainers(input)) {
    auto there = [&](const auto& spec) { return input.observed->Newest(spec.name()) != nullptr; };
    const auto& spec = input.pod->spec();
    condition.status = std::any_of(spec.containers().begin(), spec.containers().end(), there) ||
                       std::any_of(spec.init_containers().begin(), spec.init_containers().end(), there);
  }
  if (condition.status) {
    condition.reason = "RestartAllContainersStarted";
    condition.message = "container exited with restart policy rule";
  }
  return condition;
}

// Conditions of others: as the server has them; those of a static pod as they were.
void KeepForeign(const Input& input, PodStatus& status) {
  static const std::string kOurs[] = {"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady",
                                      "PodScheduled", "AllContainersRestarting", "PodResizePending",
                                      "PodResizeInProgress"};
  // Shared with others, or the kubelet's but not made anew each time.
  static const std::string kOwnMemory[] = {"DisruptionTarget"};
  auto among = [](const auto& names, const std::string& type) {
    return std::find(std::begin(names), std::end(names), type) != std::end(names);
  };
  auto has = [&](const std::string& type) {
    const auto& all = status.conditions();
    return std::any_of(all.begin(), all.end(), [&](const auto& c) { return c.type() == type; });
  };
  bool is_static = api::IsStatic(*input.pod);
  if (input.previous != nullptr) {
    for (const auto& c : input.previous->conditions()) {
      if (is_static ? !among(kOurs, c.type()) : among(kOwnMemory, c.type())) *status.add_conditions() = c;
    }
  }
  if (is_static) return;
  for (const auto& c : input.pod->status().conditions()) {
    if (!among(kOurs, c.type()) && !has(c.type())) *status.add_conditions() = c;
  }
}

void SetDisruption(const Input& input, PodStatus& status) {
  auto& all = *status.mutable_conditions();
  auto end = std::remove_if(all.begin(), all.end(), [](const auto& c) { return c.type() == "DisruptionTarget"; });
  all.erase(end, all.end());
  Set(input, status, {"DisruptionTarget", true, "TerminationByKubelet", input.verdict->disruption});
}

}  // namespace

std::string ComputePhase(const Input& input, const PodStatus& status) {
  const Pod& pod = *input.pod;
  if (status.container_statuses().empty() && status.init_container_statuses().empty()) return "Pending";
  Tally tally = Count(pod, status);
  if (tally.init_failed) return "Failed";
  if (tally.init_pending || (tally.sidecar_pending && !RegularInSandbox(input)) || tally.waiting > 0) return "Pending";
  if (tally.running > 0 && tally.unknown == 0) return "Running";
  if (tally.running > 0 || tally.stopped == 0 || tally.unknown > 0) return "Pending";
  // A pod that was stopped does not restart whatever its policy; of a static pod that says nothing.
  bool ends = input.stopped && !api::IsStatic(pod);
  if (tally.restartable > 0 && !ends) return "Running";
  return tally.stopped == tally.succeeded ? "Succeeded" : "Failed";
}

void SetConditions(const Input& input, PodStatus& status) {
  const Pod& pod = *input.pod;
  KeepForeign(input, status);
  if (input.verdict && !input.verdict->disruption.empty()) SetDisruption(input, status);
  for (const auto& condition : input.resize_conditions) *status.add_conditions() = condition;
  Condition network{"PodReadyToStartContainers"};
  const runtime::Sandbox* sandbox = input.observed != nullptr ? input.observed->ReadySandbox() : nullptr;
  network.status = sandbox != nullptr && (pod.spec().host_network() || !input.observed->ips.empty());
  Set(input, status, network);
  Set(input, status, Initialized(pod, status, input.previous));
  Condition containers = ContainersReady(pod, status);
  Set(input, status, Ready(pod, status, containers));
  Set(input, status, containers);
  Condition scheduled{"PodScheduled", true};
  Set(input, status, scheduled);
  if (runtime::HasRestartAllRule(pod)) Set(input, status, AllRestarting(input, status));
}

}  // namespace kubelet::status
