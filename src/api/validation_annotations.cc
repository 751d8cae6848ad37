#include <cstdint>
#include <limits>

#include "api/validation_checks.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/pod.h"
#include "kubelet/base/status.h"

namespace kubelet::api {
namespace {

constexpr char kTolerations[] = "scheduler.alpha.kubernetes.io/tolerations";
constexpr char kDeletionCost[] = "controller.kubernetes.io/pod-deletion-cost";
constexpr char kSeccompPod[] = "seccomp.security.alpha.kubernetes.io/pod";
constexpr char kSeccompContainer[] = "container.seccomp.security.alpha.kubernetes.io/";
constexpr char kAppArmorContainer[] = "container.apparmor.security.beta.kubernetes.io/";
constexpr char kLocalhost[] = "localhost/";

// Decimal, without `+` and leading zeros, within int32.
bool IsDeletionCost(const std::string& text) {
  size_t digits = !text.empty() && text[0] == '-' ? 1 : 0;
  if (text.size() == digits || text.size() > 11) return false;
  if (digits == 0 && text[0] == '0' && text != "0") return false;
  int64_t value = 0;
  for (size_t i = digits; i < text.size(); ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
  }
  if (digits == 1) value = -value;
  return value >= std::numeric_limits<int32_t>::min() &&
         value <= std::numeric_limits<int32_t>::max();
}

void CheckTolerationsAnnotation(const std::string& text, const Path& path, Errors& errors) {
  core::PodSpec holder;
  absl::Status decoded = DecodeJson("{\"tolerations\":" + text + "}", holder);
  if (!decoded.ok()) {
    errors.Invalid(path, kTolerations, base::Message(decoded));
    return;
  }
  CheckTolerations(holder.tolerations(), path.Child(kTolerations), errors);
}

bool HasContainer(const core::PodSpec& spec, const std::string& name) {
  bool found = false;
  ForEachContainer(spec, [&](const core::Container& container, const Path&) {
    found |= container.name() == name;
  });
  return found;
}

void CheckAppArmor(PodContext& pod, const std::string& key, const std::string& profile,
                   const Path& path) {
  std::string container = key.substr(sizeof(kAppArmorContainer) - 1);
  if (!HasContainer(pod.spec, container)) {
    pod.errors.Invalid(path.Key(key), container, "container not found");
  }
  if (profile.empty() || profile == "runtime/default" || profile == "unconfined") return;
  if (!StartsWith(profile, kLocalhost)) {
    pod.errors.Invalid(path.Key(key), profile, "invalid AppArmor profile name");
  }
}

// How a profile of a field is written as an annotation.
template <typename Profile>
bool Matches(const std::string& annotation, const Profile& field, bool docker_default,
             std::string& wrong_child) {
  wrong_child = "type";
  if (field.type() == "Unconfined") return annotation == "unconfined";
  if (field.type() == "RuntimeDefault") {
    return annotation == "runtime/default" || (docker_default && annotation == "docker/default");
  }
  if (field.type() != "Localhost") return true;
  if (!StartsWith(annotation, kLocalhost)) return false;
  wrong_child = "localhostProfile";
  return field.has_localhost_profile() &&
         annotation.substr(sizeof(kLocalhost) - 1) == field.localhost_profile();
}

void CheckSeccompMatch(PodContext& pod, const std::string& key, const core::SeccompProfile& field,
                       const Path& path) {
  auto it = pod.pod.metadata().annotations().find(key);
  if (it == pod.pod.metadata().annotations().end()) return;
  std::string child;
  if (Matches(it->second, field, /*docker_default=*/true, child)) return;
  pod.errors.Forbidden(path.Child("seccompProfile").Child(child),
                       "seccomp profile in annotation and field must match");
}

void CheckAppArmorMatch(PodContext& pod, const core::Container& container, const Path& path) {
  const core::SecurityContext& own = container.security_context();
  const core::PodSecurityContext& shared = pod.spec.security_context();
  if (!own.has_app_armor_profile() && !shared.has_app_armor_profile()) return;
  auto it = pod.pod.metadata().annotations().find(kAppArmorContainer + container.name());
  if (it == pod.pod.metadata().annotations().end()) return;
  const core::AppArmorProfile& field =
      own.has_app_armor_profile() ? own.app_armor_profile() : shared.app_armor_profile();
  std::string child;
  if (Matches(it->second, field, /*docker_default=*/false, child)) return;
  pod.errors.Forbidden(path.Child("appArmorProfile").Child(child),
                       "AppArmor profile in annotation and field must match");
}

}  // namespace

void CheckPodAnnotations(PodContext& pod) {
  const Path path("metadata.annotations");
  for (const auto& [key, value] : Sorted(pod.pod.metadata().annotations())) {
    if (key == kConfigMirror && pod.spec.node_name().empty()) {
      pod.errors.Invalid(path.Key(key), value, "a mirror pod must have spec.nodeName");
    } else if (key == kTolerations && !value.empty()) {
      CheckTolerationsAnnotation(value, path, pod.errors);
    } else if (key == kDeletionCost && !IsDeletionCost(value)) {
      pod.errors.Invalid(path.Key(key), value, "must be a 32bit integer");
    } else if (key == kSeccompPod || StartsWith(key, kSeccompContainer)) {
      CheckSeccompName(value, path.Child(key), pod.errors);
    } else if (StartsWith(key, kAppArmorContainer)) {
      CheckAppArmor(pod, key, value, path);
    }
  }
}

void CheckProfileAnnotationsMatch(PodContext& pod) {
  if (pod.spec.security_context().has_seccomp_profile()) {
    CheckSeccompMatch(pod, kSeccompPod, pod.spec.security_context().seccomp_profile(),
                      Path("spec.securityContext"));
  }
  ForEachContainer(pod.spec, [&pod](const core::Container& container, const Path& path) {
    if (!container.security_context().has_seccomp_profile()) return;
    CheckSeccompMatch(pod, kSeccompContainer + container.name(),
                      container.security_context().seccomp_profile(),
                      path.Child("securityContext"));
  });
  if (pod.spec.os().name() == "windows") return;
  ForEachContainer(pod.spec, [&pod](const core::Container& container, const Path& path) {
    CheckAppArmorMatch(pod, container, path.Child("securityContext"));
  });
}

}  // namespace kubelet::api
