#include "kubelet/status/status.h"

#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/runtime/config.h"
#include "status/conditions.h"
#include "status/containers.h"
#include "status/resources.h"

namespace kubelet::status {
namespace {

using api::core::PodStatus;

// A pod that is over shows the addresses it had; the runtime forgets them with the sandbox.
std::vector<std::string> PodIps(const Input& input, const PodStatus& status) {
  std::vector<std::string> ips;
  if (input.pod->spec().host_network()) {
    ips = input.host_ips;
  } else if (input.observed != nullptr) {
    ips = input.observed->ips;
  }
  bool over = input.terminating || IsTerminal(status.phase());
  if (ips.empty() && over && input.previous != nullptr) {
    for (const auto& ip : input.previous->pod_ips()) ips.push_back(ip.ip());
  }
  return runtime::InFamilyOrder(ips, input.host_ips);
}

void SetAddresses(const Input& input, PodStatus& status) {
  if (input.host_ips.empty() && input.previous != nullptr) {
    status.set_host_ip(input.previous->host_ip());
    *status.mutable_host_ips() = input.previous->host_ips();
  }
  for (size_t i = 0; i < std::min<size_t>(input.host_ips.size(), 2); ++i) {
    if (i == 0) status.set_host_ip(input.host_ips[i]);
    status.add_host_ips()->set_ip(input.host_ips[i]);
  }
  for (const auto& ip : PodIps(input, status)) {
    if (status.pod_ip().empty()) status.set_pod_ip(ip);
    status.add_pod_ips()->set_ip(ip);
  }
}

// When the kubelet took the pod on: what was said before, else the oldest sandbox, else now.
int64_t StartTime(const Input& input) {
  if (input.previous != nullptr && input.previous->has_start_time()) {
    return input.previous->start_time().seconds();
  }
  if (input.pod->status().has_start_time()) return input.pod->status().start_time().seconds();
  base::WallTime start = input.now;
  if (input.observed != nullptr) {
    for (const auto& sandbox : input.observed->sandboxes) {
      start = std::min(start, sandbox.created_at);
    }
  }
  return std::chrono::floor<std::chrono::seconds>(start).time_since_epoch().count();
}

// What the kubelet does not own, or does not make yet, stays as the server has it.
void KeepForeign(const PodStatus& api, PodStatus& status) {
  if (!api.nominated_node_name().empty()) {
    status.set_nominated_node_name(api.nominated_node_name());
  }
  if (!api.resize().empty()) status.set_resize(api.resize());
  *status.mutable_resource_claim_statuses() = api.resource_claim_statuses();
  *status.mutable_allocated_resources() = api.allocated_resources();
  *status.mutable_node_allocatable_resource_claim_statuses() =
      api.node_allocatable_resource_claim_statuses();
  if (api.has_resources()) *status.mutable_resources() = api.resources();
  if (api.has_extended_resource_claim_status()) {
    *status.mutable_extended_resource_claim_status() = api.extended_resource_claim_status();
  }
}

bool AnyRuns(const PodStatus& status) {
  auto runs = [](const auto& statuses) {
    return std::any_of(statuses.begin(), statuses.end(),
                       [](const auto& s) { return s.state().has_running(); });
  };
  return runs(status.container_statuses()) || runs(status.init_container_statuses());
}

// Of a pod that the node ends only when it is known how its containers ended.
bool VerdictHolds(const Input& input, const PodStatus& status, const std::string& computed) {
  if (!input.verdict->by_node) return true;
  bool known = input.finished || (input.stopped && !AnyRuns(status));
  return known && computed != "Succeeded";
}

// Phase, reason and message: what was computed, what was said before, what the server shows, and
// what somebody decided, in this order; the server's terminal phase is beyond all.
void SetPhase(const Input& input, PodStatus& status) {
  static const PodStatus kNone;
  const PodStatus& before = input.previous != nullptr ? *input.previous : kNone;
  const PodStatus& api = api::IsStatic(*input.pod) ? kNone : input.pod->status();
  std::string phase = ComputePhase(input, status);
  if (!IsTerminal(phase)) {
    if (IsTerminal(before.phase())) {
      phase = before.phase();
    } else if (IsTerminal(api.phase())) {
      phase = api.phase();
    }
  }
  if (IsTerminal(before.phase())) phase = before.phase();
  bool judged = input.verdict && VerdictHolds(input, status, phase);
  if (judged && !IsTerminal(before.phase())) phase = "Failed";
  if (IsTerminal(api.phase())) phase = api.phase();
  status.set_phase(phase);
  if (judged && phase == "Failed") {
    status.set_reason(input.verdict->reason);
    status.set_message(input.verdict->message);
  } else if (phase == before.phase()) {
    status.set_reason(before.reason().empty() ? api.reason() : before.reason());
    status.set_message(before.message().empty() ? api.message() : before.message());
  } else if (phase == api.phase()) {
    status.set_reason(api.reason());
    status.set_message(api.message());
  }
  if (status.reason().empty()) status.clear_reason();
  if (status.message().empty()) status.clear_message();
}

bool NothingEverRan(const Input& input) {
  return (input.observed == nullptr || input.observed->containers.empty()) &&
         (input.previous == nullptr || input.previous->container_statuses().empty());
}

}  // namespace

PodStatus Generate(const Input& input) {
  const api::core::Pod& pod = *input.pod;
  PodStatus status;
  if (!api::IsStatic(pod)) KeepForeign(pod.status(), status);
  bool never_admitted = input.verdict && input.verdict->rejected && NothingEverRan(input);
  if (!never_admitted) {
    SetContainers(input, status);
    SetPhase(input, status);
    if (input.finished) EndUnknown(input, status);
  } else {
    SetPhase(input, status);
  }
  if (input.finished && !IsTerminal(status.phase()) && !api::IsStatic(pod)) {
    status.set_phase("Failed");
  }
  SetPodResources(input, status);
  status.set_qos_class(api::QosName(api::ComputeQos(pod)));
  status.mutable_start_time()->set_seconds(StartTime(input));
  if (pod.metadata().generation() != 0) {
    int64_t before = input.previous != nullptr ? input.previous->observed_generation() : 0;
    status.set_observed_generation(std::max(before, pod.metadata().generation()));
  }
  SetAddresses(input, status);
  SetConditions(input, status);
  return status;
}

std::string FamilyMismatch(const PodStatus& previous, const std::vector<std::string>& host_ips) {
  auto v6 = [](const std::string& ip) { return ip.find(':') != std::string::npos; };
  const std::string& old = previous.host_ip();
  if (old.empty() || host_ips.empty() || v6(old) == v6(host_ips[0])) return "";
  return std::string("Kubelet detected an IPv") + (v6(old) ? "6" : "4") + " node IP (" + old +
         "), but the cloud provider selected an IPv" + (v6(old) ? "4" : "6") + " node IP (" +
         host_ips[0] + "); pass an explicit `--node-ip` to kubelet to fix this.";
}

}  // namespace kubelet::status
