#include "status/conditions.h"

#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/runtime/actions.h"

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

struct Tally {
  int running = 0, waiting = 0, stopped = 0, succeeded = 0, restartable = 0;
  bool unknown = false;
};

Tally Count(const Pod& pod, const PodStatus& status) {
  Tally tally;
  for (const auto& spec : pod.spec().containers()) {
    const ContainerStatus* s = Find(status.container_statuses(), spec.name());
    if (s == nullptr) {
      tally.unknown = true;
    } else if (s->state().has_running()) {
      ++tally.running;
    } else if (s->state().has_terminated() || s->last_state().has_terminated()) {
      const auto& end = s->state().has_terminated() ? s->state().terminated() : s->last_state().terminated();
      ++tally.stopped;
      if (end.exit_code() == 0) ++tally.succeeded;
      if (runtime::ShouldRestart(pod, spec, end.exit_code())) ++tally.restartable;
    } else {
      ++tally.waiting;
    }
  }
  return tally;
}

enum class Init { kPending, kFailed, kDone };

Init InitState(const Pod& pod, const PodStatus& status, const Tally& tally) {
  bool begun = tally.running > 0 || tally.stopped > 0;
  for (const auto& spec : pod.spec().init_containers()) {
    const ContainerStatus* s = Find(status.init_container_statuses(), spec.name());
    if (api::IsRestartableInit(spec)) {
      if (!begun && (s == nullptr || !s->started())) return Init::kPending;
      continue;
    }
    if (begun) continue;
    if (s == nullptr || !s->state().has_terminated()) return Init::kPending;
    if (s->state().terminated().exit_code() != 0) {
      return runtime::ShouldRestart(pod, spec, s->state().terminated().exit_code()) ? Init::kPending : Init::kFailed;
    }
  }
  return Init::kDone;
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

bool Finished(const std::string& phase) { return phase == "Succeeded" || phase == "Failed"; }

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
  if (status.phase() == "Succeeded") {
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

Condition Ready(const Pod& pod, const PodStatus& status, const Input& input, const Condition& containers) {
  Condition condition = containers;
  condition.type = "Ready";
  if (!containers.status) return condition;
  std::string missing;
  for (const auto& gate : pod.spec().readiness_gates()) {
    const api::core::PodCondition* found = nullptr;
    if (input.previous != nullptr) {
      for (const auto& c : input.previous->conditions()) {
        if (c.type() == gate.condition_type()) found = &c;
      }
    }
    if (found == nullptr || found->status() != "True") {
      missing += (missing.empty() ? "" : ", ") + ("corresponding condition of pod readiness gate \"" +
                 gate.condition_type() + "\" " + (found == nullptr ? "does not exist." : "is not True."));
    }
  }
  if (!missing.empty()) {
    condition.status = false;
    condition.reason = "ReadinessGatesNotReady";
    condition.message = missing;
  }
  (void)status;
  return condition;
}

Condition Initialized(const Pod& pod, const PodStatus& status) {
  Condition condition{"Initialized"};
  if (status.phase() == "Succeeded") {
    condition.status = true;
    condition.reason = "PodCompleted";
    return condition;
  }
  std::vector<std::string> incomplete;
  bool begun = std::any_of(status.container_statuses().begin(), status.container_statuses().end(), [](const auto& s) {
    return s.state().has_running() || s.state().has_terminated() || s.last_state().has_terminated();
  });
  for (const auto& spec : pod.spec().init_containers()) {
    const ContainerStatus* s = Find(status.init_container_statuses(), spec.name());
    bool done = s != nullptr && (api::IsRestartableInit(spec) ? s->started() : s->ready());
    if (!done && !begun) incomplete.push_back(spec.name());
  }
  condition.status = incomplete.empty();
  if (!incomplete.empty()) {
    condition.reason = "ContainersNotInitialized";
    condition.message = "containers with incomplete status: " + List(incomplete);
  }
  return condition;
}

}  // namespace

std::string Phase(const Pod& pod, const PodStatus& status, const std::string& previous) {
  if (Finished(previous)) return previous;
  Tally tally = Count(pod, status);
  Init init = InitState(pod, status, tally);
  if (init == Init::kFailed) return "Failed";
  if (init == Init::kPending || tally.waiting > 0) return "Pending";
  if (tally.running > 0 && !tally.unknown) return "Running";
  if (tally.running == 0 && tally.stopped > 0 && !tally.unknown) {
    if (tally.restartable > 0) return "Running";
    return tally.stopped == tally.succeeded ? "Succeeded" : "Failed";
  }
  return "Pending";
}

void SetConditions(const Input& input, PodStatus& status) {
  const Pod& pod = *input.pod;
  // Conditions of others (readiness gates, DisruptionTarget) stay as they are.
  if (input.previous != nullptr) {
    static const std::string kOurs[] = {"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady",
                                        "PodScheduled"};
    for (const auto& condition : input.previous->conditions()) {
      if (std::find(std::begin(kOurs), std::end(kOurs), condition.type()) == std::end(kOurs)) {
        *status.add_conditions() = condition;
      }
    }
  }
  Condition network{"PodReadyToStartContainers"};
  const runtime::Sandbox* sandbox = input.observed != nullptr ? input.observed->ReadySandbox() : nullptr;
  network.status = sandbox != nullptr && (pod.spec().host_network() || !input.observed->ips.empty());
  Set(input, status, network);
  Set(input, status, Initialized(pod, status));
  Condition containers = ContainersReady(pod, status);
  Set(input, status, Ready(pod, status, input, containers));
  Set(input, status, containers);
  Condition scheduled{"PodScheduled", true};
  Set(input, status, scheduled);
}

}  // namespace kubelet::status
