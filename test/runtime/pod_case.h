// A pod and what is seen of it, for tables: letters stand for the states of its containers.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kubelet/api/pod.h"
#include "kubelet/runtime/actions.h"
#include "kubelet/runtime/config.h"

namespace kubelet::runtime {

struct PodCase {
  api::core::Pod pod;
  ObservedPod seen;
  Knowledge known;

  PodCase(const std::string& policy, const std::vector<std::string>& containers) {
    pod.mutable_metadata()->set_name("web");
    pod.mutable_metadata()->set_namespace_("ns");
    pod.mutable_metadata()->set_uid("u");
    pod.mutable_spec()->set_restart_policy(policy);
    for (const auto& name : containers) Fill(*pod.mutable_spec()->add_containers(), name);
    NewSandbox();
  }

  api::core::Container& Init(const std::string& name, bool sidecar = false) {
    auto* c = pod.mutable_spec()->add_init_containers();
    Fill(*c, name);
    if (sidecar) c->set_restart_policy("Always");
    return *c;
  }

  static void AddRule(api::core::Container& c, const std::string& action, const std::string& op,
                      const std::vector<int>& codes) {
    auto* rule = c.add_restart_policy_rules();
    rule->set_action(action);
    rule->mutable_exit_codes()->set_operator_(op);
    for (int code : codes) rule->mutable_exit_codes()->add_values(code);
  }

  void NewSandbox() {
    Sandbox sandbox;
    sandbox.attempt = static_cast<uint32_t>(seen.sandboxes.size());
    sandbox.id = SandboxId("s" + std::to_string(sandbox.attempt));
    sandbox.state = SandboxState::kReady;
    seen.sandboxes.insert(seen.sandboxes.begin(), sandbox);
    seen.ips = {"10.0.0.1"};
  }

  void LoseSandbox() {
    seen.sandboxes.front().state = SandboxState::kNotReady;
    for (auto& c : seen.containers) {
      if (c.state == ContainerState::kRunning) End(c, 137);
    }
  }

  // - nothing, C created, R running, N running and not started, U unknown, 0..9 ended with this code. In the sandbox of
  // today, one attempt after those before.
  void See(const std::vector<std::string>& names, const std::string& states) {
    for (size_t i = 0; i < names.size(); ++i) {
      if (states.at(i) != '-') Again(names[i], states[i]);
    }
  }

  ContainerStatus& Again(const std::string& name, char state) {
    ContainerStatus status;
    status.name = name;
    for (const auto& c : seen.containers) {
      if (c.name == name) status.attempt = std::max(status.attempt, c.attempt + 1);
    }
    status.id = ContainerId(name + std::to_string(status.attempt));
    status.annotations[kHashAnnotation] = api::ContainerHash(name, "image:1");
    status.state = ContainerState::kRunning;
    if (state == 'C') status.state = ContainerState::kCreated;
    if (state == 'U') status.state = ContainerState::kUnknown;
    if (state >= '0' && state <= '9') End(status, state - '0');
    if (state == 'N') known.health[status.id] = ContainerHealth{};
    seen.sandbox_of[status.id] = seen.sandboxes.front().id;
    seen.containers.insert(seen.containers.begin(), status);
    return seen.containers.front();
  }

  static std::vector<std::string> Started(const PodActions& actions) {
    std::vector<std::string> names;
    for (const auto& start : actions.start) names.push_back(start.spec->name());
    return names;
  }

 private:
  static void Fill(api::core::Container& c, const std::string& name) {
    c.set_name(name);
    c.set_image("image:1");
  }
  static void End(ContainerStatus& c, int code) {
    c.state = ContainerState::kExited;
    c.exit_code = code;
    c.finished_at = base::WallFromUnixNanos(int64_t{300 + static_cast<int>(c.attempt)} * 1'000'000'000);
  }
};

}  // namespace kubelet::runtime
