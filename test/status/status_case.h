// A pod, what the runtime shows of it, and the status that comes of both.
#pragma once

#include <string>
#include <vector>

#include "kubelet/api/types.h"
#include "kubelet/status/status.h"

namespace kubelet::status {

using api::core::Pod;
using api::core::PodStatus;
using runtime::ContainerState;
using runtime::WaitingReason;

inline base::WallTime At(int64_t second) { return base::WallFromUnixNanos(second * 1'000'000'000); }

struct StatusCase {
  Pod pod;
  runtime::ObservedPod observed;
  Input input;

  explicit StatusCase(const std::string& policy = "Always",
                      std::vector<std::string> containers = {"c"}) {
    pod.mutable_metadata()->set_name("web");
    pod.mutable_spec()->set_restart_policy(policy);
    for (const auto& name : containers) {
      auto* c = pod.mutable_spec()->add_containers();
      c->set_name(name);
      c->set_image("image:1");
    }
    input.runtime_name = "containerd";
    input.host_ips = {"192.0.2.1"};
    input.now = At(1000);
  }
  void Init(const std::string& name, bool sidecar = false) {
    auto* c = pod.mutable_spec()->add_init_containers();
    c->set_name(name);
    if (sidecar) c->set_restart_policy("Always");
  }
  void Ready() {
    runtime::Sandbox sandbox;
    sandbox.id = runtime::SandboxId("s");
    sandbox.state = runtime::SandboxState::kReady;
    sandbox.created_at = At(500);
    observed.sandboxes = {sandbox};
    observed.ips = {"10.1.0.2"};
  }
  void See(const std::string& name, ContainerState state, int exit_code = 0, uint32_t attempt = 0) {
    runtime::ContainerStatus c;
    c.id = runtime::ContainerId(name + std::to_string(attempt));
    c.name = name;
    c.attempt = attempt;
    c.state = state;
    c.exit_code = exit_code;
    c.reason = state == ContainerState::kExited ? (exit_code == 0 ? "Completed" : "Error") : "";
    c.started_at = At(600);
    c.finished_at = At(700);
    observed.containers.insert(observed.containers.begin(), c);
  }
  PodStatus Get() {
    input.pod = &pod;
    input.observed = &observed;
    return Generate(input);
  }
};

inline std::string Is(const PodStatus& status, const std::string& type) {
  for (const auto& c : status.conditions()) {
    if (c.type() == type) return c.status() + (c.reason().empty() ? "" : " " + c.reason());
  }
  return "absent";
}

inline api::core::PodCondition Find(const PodStatus& status, const std::string& type) {
  for (const auto& c : status.conditions()) {
    if (c.type() == type) return c;
  }
  return {};
}

// What a container was seen to be: W waits, R runs, 0/1 ended with that code, - not there.
inline void Apply(StatusCase& c, const std::string& name, char seen) {
  if (seen == 'R') c.See(name, ContainerState::kRunning);
  if (seen == '0' || seen == '1') c.See(name, ContainerState::kExited, seen - '0');
  if (seen == 'C') {  // in its crash back-off
    c.See(name, ContainerState::kExited, 1);
    c.input.waiting[name] = {WaitingReason::kCrashLoopBackOff, "back-off"};
  }
}

}  // namespace kubelet::status
