#include "kubelet/runtime/config.h"

namespace kubelet::runtime {
namespace {

using ContainerSpec = api::core::Container;

void LookAt(const ContainerSpec& c, const std::string& path, std::vector<std::string>& out) {
  auto add = [&](bool set, const char* field) {
    if (set) out.push_back(path + "." + field);
  };
  add(c.has_liveness_probe(), "livenessProbe");
  add(c.has_readiness_probe(), "readinessProbe");
  add(c.has_startup_probe(), "startupProbe");
  add(c.lifecycle().has_post_start(), "lifecycle.postStart");
  add(c.lifecycle().has_pre_stop(), "lifecycle.preStop");
  add(c.volume_devices_size() > 0, "volumeDevices");
  add(c.restart_policy_rules_size() > 0, "restartPolicyRules");
  add(c.resources().claims_size() > 0, "resources.claims");
  add(c.termination_message_policy() == "FallbackToLogsOnError", "terminationMessagePolicy");
}

}  // namespace

std::vector<std::string> NotBuiltYet(const api::core::Pod& pod) {
  const auto& spec = pod.spec();
  std::vector<std::string> out;
  auto add = [&](bool set, const char* field) {
    if (set) out.push_back(std::string("spec.") + field);
  };
  add(spec.has_active_deadline_seconds(), "activeDeadlineSeconds");
  add(spec.ephemeral_containers_size() > 0, "ephemeralContainers");
  add(spec.has_resources(), "resources (pod level)");
  for (int i = 0; i < spec.init_containers_size(); ++i) {
    LookAt(spec.init_containers(i), "spec.initContainers[" + std::to_string(i) + "]", out);
  }
  for (int i = 0; i < spec.containers_size(); ++i) {
    LookAt(spec.containers(i), "spec.containers[" + std::to_string(i) + "]", out);
  }
  return out;
}

}  // namespace kubelet::runtime
