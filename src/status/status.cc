#include "kubelet/status/status.h"

#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/api/quantity.h"
#include "kubelet/runtime/actions.h"
#include "status/conditions.h"

namespace kubelet::status {
namespace {

using api::core::Container;
using api::core::Pod;
using api::core::PodStatus;
using OutStatus = api::core::ContainerStatus;
using Seen = runtime::ContainerStatus;

constexpr int kUnknownExit = 137;

int64_t Seconds(base::WallTime t) { return std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count(); }

void SetTerminated(const Input& input, const Seen& seen, api::core::ContainerState& state) {
  auto* out = state.mutable_terminated();
  out->set_exit_code(seen.exit_code);
  out->set_reason(seen.reason);
  auto it = input.termination_messages.find(seen.id.str());
  out->set_message(it != input.termination_messages.end() ? it->second : seen.message);
  out->mutable_started_at()->set_seconds(Seconds(seen.started_at));
  out->mutable_finished_at()->set_seconds(Seconds(seen.finished_at));
  out->set_container_id(input.runtime_name + "://" + seen.id.str());
}

void SetResources(const Container& spec, OutStatus& out) {
  if (spec.resources().limits().empty() && spec.resources().requests().empty()) return;
  *out.mutable_resources()->mutable_limits() = spec.resources().limits();
  *out.mutable_resources()->mutable_requests() = spec.resources().requests();
  *out.mutable_allocated_resources() = spec.resources().requests();
}

void SetMounts(const Container& spec, OutStatus& out) {
  for (const auto& mount : spec.volume_mounts()) {
    auto* m = out.add_volume_mounts();
    m->set_name(mount.name());
    m->set_mount_path(mount.mount_path());
    if (mount.read_only()) {
      m->set_read_only(true);
      m->set_recursive_read_only(mount.has_recursive_read_only() ? mount.recursive_read_only() : "Disabled");
    }
  }
}

// Newest instance and the one before it.
std::pair<const Seen*, const Seen*> Instances(const Input& input, const std::string& name) {
  const Seen *newest = nullptr, *before = nullptr;
  if (input.observed == nullptr) return {newest, before};
  for (const auto& c : input.observed->containers) {
    if (c.name != name) continue;
    if (newest == nullptr) {
      newest = &c;
    } else if (before == nullptr && c.state == runtime::ContainerState::kExited) {
      before = &c;
    }
  }
  return {newest, before};
}

const OutStatus* Previous(const Input& input, const std::string& name) {
  if (input.previous == nullptr) return nullptr;
  for (const auto* list : {&input.previous->container_statuses(), &input.previous->init_container_statuses()}) {
    for (const auto& status : *list) {
      if (status.name() == name) return &status;
    }
  }
  return nullptr;
}

void SetWaiting(const Input& input, const Container& spec, bool init, OutStatus& out) {
  auto* waiting = out.mutable_state()->mutable_waiting();
  auto it = input.waiting.find(spec.name());
  if (it != input.waiting.end() && it->second.reason != runtime::WaitingReason::kNone) {
    waiting->set_reason(runtime::WaitingReasonName(it->second.reason));
    if (it->second.reason != runtime::WaitingReason::kContainerCreating) waiting->set_message(it->second.message);
    return;
  }
  bool initializing = !init && input.pod->spec().init_containers_size() > 0;
  waiting->set_reason(initializing || init ? "PodInitializing" : "ContainerCreating");
}

// The runtime has no record of a container that once ran.
void SetVanished(const OutStatus& previous, OutStatus& out) {
  out.set_restart_count(previous.restart_count());
  if (previous.state().has_running()) {
    auto* last = out.mutable_last_state()->mutable_terminated();
    last->set_exit_code(kUnknownExit);
    last->set_reason("ContainerStatusUnknown");
    last->set_message("The container could not be located when the pod was terminated");
  } else if (previous.state().has_terminated()) {
    *out.mutable_last_state() = previous.state();
  } else {
    *out.mutable_last_state() = previous.last_state();
  }
}

OutStatus Convert(const Input& input, const Container& spec, bool init) {
  OutStatus out;
  out.set_name(spec.name());
  out.set_image(spec.image());
  out.set_started(false);
  auto [newest, before] = Instances(input, spec.name());
  const OutStatus* previous = Previous(input, spec.name());
  SetMounts(spec, out);
  if (newest == nullptr) {
    SetWaiting(input, spec, init, out);
    if (previous != nullptr) SetVanished(*previous, out);
    return out;
  }
  out.set_container_id(input.runtime_name + "://" + newest->id.str());
  out.set_image(newest->image.empty() ? spec.image() : newest->image);
  out.set_image_id(newest->image_ref);
  out.set_restart_count(static_cast<int32_t>(newest->attempt));
  if (before != nullptr) SetTerminated(input, *before, *out.mutable_last_state());
  switch (newest->state) {
    case runtime::ContainerState::kRunning:
      out.mutable_state()->mutable_running()->mutable_started_at()->set_seconds(Seconds(newest->started_at));
      out.set_started(true);
      out.set_ready(!init || api::IsRestartableInit(spec));
      SetResources(spec, out);
      break;
    case runtime::ContainerState::kExited: {
      auto it = input.waiting.find(spec.name());
      bool waits = it != input.waiting.end() && it->second.reason != runtime::WaitingReason::kNone &&
                   !input.terminating && runtime::ShouldRestart(*input.pod, spec, newest->exit_code);
      if (waits) {
        SetWaiting(input, spec, init, out);
        SetTerminated(input, *newest, *out.mutable_last_state());
      } else {
        SetTerminated(input, *newest, *out.mutable_state());
        out.set_ready(init && !api::IsRestartableInit(spec) && newest->exit_code == 0);
      }
      break;
    }
    default:
      SetWaiting(input, spec, init, out);
  }
  if (newest->user) {
    auto* user = out.mutable_user()->mutable_linux();
    user->set_uid(newest->user->uid);
    user->set_gid(newest->user->gid);
    for (int64_t group : newest->user->supplemental_groups) user->add_supplemental_groups(group);
  }
  return out;
}

void SetAddresses(const Input& input, PodStatus& status) {
  for (const auto& ip : input.host_ips) {
    if (status.host_ip().empty()) status.set_host_ip(ip);
    status.add_host_ips()->set_ip(ip);
  }
  std::vector<std::string> ips;
  if (input.pod->spec().host_network()) {
    ips = input.host_ips;
  } else if (input.observed != nullptr) {
    ips = input.observed->ips;
  }
  for (const auto& ip : ips) {
    if (status.pod_ip().empty()) status.set_pod_ip(ip);
    status.add_pod_ips()->set_ip(ip);
  }
}

// When the kubelet took the pod on: what it said before, else the oldest sandbox, else now.
int64_t StartTime(const Input& input) {
  if (input.previous != nullptr && input.previous->has_start_time()) return input.previous->start_time().seconds();
  base::WallTime start = input.now;
  if (input.observed != nullptr) {
    for (const auto& sandbox : input.observed->sandboxes) start = std::min(start, sandbox.created_at);
  }
  return Seconds(start);
}

}  // namespace

PodStatus Generate(const Input& input) {
  const Pod& pod = *input.pod;
  PodStatus status;
  for (const auto& spec : pod.spec().init_containers()) {
    *status.add_init_container_statuses() = Convert(input, spec, true);
  }
  for (const auto& spec : pod.spec().containers()) *status.add_container_statuses() = Convert(input, spec, false);
  std::sort(status.mutable_container_statuses()->begin(), status.mutable_container_statuses()->end(),
            [](const OutStatus& a, const OutStatus& b) { return a.name() < b.name(); });
  status.set_phase(Phase(pod, status, input.previous != nullptr ? input.previous->phase() : ""));
  status.set_qos_class(api::QosName(api::ComputeQos(pod)));
  status.mutable_start_time()->set_seconds(StartTime(input));
  if (pod.metadata().generation() != 0) status.set_observed_generation(pod.metadata().generation());
  SetAddresses(input, status);
  SetConditions(input, status);
  return status;
}

}  // namespace kubelet::status
