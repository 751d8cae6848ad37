#include "admission/apparmor.h"

#include <algorithm>
#include <vector>

namespace kubelet::admission {
namespace {

constexpr char kAnnotation[] = "container.apparmor.security.beta.kubernetes.io/";
constexpr char kUnconfined[] = "unconfined";
constexpr char kLocalhostPrefix[] = "localhost/";

// What a container says of itself, of whatever kind it is.
struct Named {
  std::string name;
  const api::core::SecurityContext* context;
};

std::vector<Named> Containers(const api::core::Pod& pod) {
  std::vector<Named> out;
  for (const auto& c : pod.spec().init_containers())
    out.push_back({c.name(), &c.security_context()});
  for (const auto& c : pod.spec().containers()) out.push_back({c.name(), &c.security_context()});
  for (const auto& e : pod.spec().ephemeral_containers()) {
    const auto& c = e.ephemeral_container_common();
    out.push_back({c.name(), &c.security_context()});
  }
  return out;
}

bool IsConfined(const api::core::AppArmorProfile& profile) {
  return profile.type() != "Unconfined";
}

bool IsRequired(const api::core::Pod& pod, const std::vector<Named>& containers) {
  const auto& context = pod.spec().security_context();
  if (context.has_app_armor_profile() && IsConfined(context.app_armor_profile())) return true;
  bool any = std::any_of(containers.begin(), containers.end(), [](const Named& c) {
    return c.context->has_app_armor_profile() && IsConfined(c.context->app_armor_profile());
  });
  const auto& annotations = pod.metadata().annotations();
  return any || std::any_of(annotations.begin(), annotations.end(), [](const auto& entry) {
           return entry.first.rfind(kAnnotation, 0) == 0 && entry.second != kUnconfined;
         });
}

// The container's own, the annotation's, the pod's. Other forms of the annotation name no profile.
std::optional<api::core::AppArmorProfile> ProfileOf(const api::core::Pod& pod, const Named& c) {
  if (c.context->has_app_armor_profile()) return c.context->app_armor_profile();
  auto it = pod.metadata().annotations().find(kAnnotation + c.name);
  if (it != pod.metadata().annotations().end()) {
    const std::string& value = it->second;
    api::core::AppArmorProfile profile;
    if (value == kUnconfined) profile.set_type("Unconfined");
    if (value == "runtime/default") profile.set_type("RuntimeDefault");
    if (value.rfind(kLocalhostPrefix, 0) == 0) {
      profile.set_type("Localhost");
      profile.set_localhost_profile(value.substr(sizeof kLocalhostPrefix - 1));
    }
    if (!profile.type().empty()) return profile;
  }
  if (pod.spec().security_context().has_app_armor_profile())
    return pod.spec().security_context().app_armor_profile();
  return std::nullopt;
}

}  // namespace

std::optional<std::string> AppArmorProblem(const api::core::Pod& pod, bool enabled) {
  auto containers = Containers(pod);
  if (!IsRequired(pod, containers)) return std::nullopt;
  if (!enabled) return "AppArmor is not enabled on the host";
  for (const auto& container : containers) {
    auto profile = ProfileOf(pod, container);
    if (!profile || profile->type() != "Localhost") continue;
    const std::string& name = profile->localhost_profile();
    if (name.find_first_not_of(" \t\r\n\v\f") != std::string::npos) continue;
    std::string shown = profile->has_localhost_profile() ? "*" + name : "nil";
    return "invalid empty AppArmor profile name: \"&AppArmorProfile{Type:Localhost,"
           "LocalhostProfile:" +
           shown + ",}\"";
  }
  return std::nullopt;
}

}  // namespace kubelet::admission
