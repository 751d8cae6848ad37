#include <algorithm>

#include "api/validation_checks.h"

namespace kubelet::api {
namespace {

// Field paths that exist at all; which of them may be used depends on the place.
const std::vector<std::string>& KnownFieldPaths() {
  static const std::vector<std::string> kPaths = {"metadata.annotations", "metadata.labels",
                                                  "metadata.name",        "metadata.namespace",
                                                  "metadata.uid",         "spec.host",
                                                  "spec.nodeName",        "spec.restartPolicy",
                                                  "spec.schedulerName",   "spec.serviceAccountName",
                                                  "status.hostIP",        "status.hostIPs",
                                                  "status.phase",         "status.podIP",
                                                  "status.podIPs"};
  return kPaths;
}

const std::vector<std::string>& EnvFieldPaths() {
  static const std::vector<std::string> kPaths = {"metadata.name",
                                                  "metadata.namespace",
                                                  "metadata.uid",
                                                  "spec.nodeName",
                                                  "spec.serviceAccountName",
                                                  "status.hostIP",
                                                  "status.hostIPs",
                                                  "status.podIP",
                                                  "status.podIPs"};
  return kPaths;
}

bool Holds(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// `path['key']`
bool SplitSubscript(const std::string& text, std::string& path, std::string& key) {
  size_t open = text.find("['");
  bool closed = text.size() >= 2 && text.compare(text.size() - 2, 2, "']") == 0;
  if (!closed || open == text.npos || open == 0 || open + 4 > text.size()) return false;
  path = text.substr(0, open);
  key = text.substr(open + 2, text.size() - open - 4);
  return true;
}

void CheckSubscript(const std::string& field, const std::string& path, const std::string& key,
                    const Path& at, Errors& errors) {
  if (path == "metadata.annotations") {
    errors.Invalid(at, key, QualifiedNameProblems(Lower(key)));
  } else if (path == "metadata.labels") {
    errors.Invalid(at, key, QualifiedNameProblems(key));
  } else {
    errors.Invalid(at.Child("fieldPath"), field, "field does not support a subscript");
  }
}

// A quotient that keeps numbers whole: 1 and 1m for cpu, powers of 1000 or 1024 for bytes.
void CheckDivisor(const core::ResourceFieldSelector& ref, const Path& path, Errors& errors) {
  Quantity divisor = Quantity::From(ref.divisor());
  if (divisor.IsZero()) return;
  static const std::vector<std::string> kCpu = {"1", "1m"};
  static const std::vector<std::string> kBytes = {"1",   "1k",  "1M",  "1G",  "1T",  "1P", "1E",
                                                  "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"};
  std::string name = ref.resource().substr(ref.resource().find('.') + 1);
  const std::vector<std::string>& allowed = name == "cpu" ? kCpu : kBytes;
  if (Holds(allowed, divisor.ToString())) return;
  std::string list;
  for (const std::string& one : allowed) list += (list.empty() ? "" : ", ") + one;
  errors.Invalid(path.Child("divisor"), divisor,
                 "only divisors " + list + " are supported with " + name);
}

// ConfigMapKeySelector and SecretKeySelector.
template <typename Selector>
void CheckKeySelector(const Selector& selector, const Path& path, Errors& errors) {
  const std::string& name = selector.local_object_reference().name();
  errors.Invalid(path.Child("name"), name, DnsSubdomainProblems(name));
  if (selector.key().empty()) return errors.Required(path.Child("key"));
  errors.Invalid(path.Child("key"), selector.key(), ConfigKeyProblems(selector.key()));
}

void CheckFileKey(const core::FileKeySelector& file, const Path& path, Errors& errors) {
  if (file.key().empty()) {
    errors.Required(path.Child("key"));
  } else {
    errors.Invalid(path.Child("key"), file.key(), EnvNameProblems(file.key()));
  }
  if (file.volume_name().empty()) {
    errors.Required(path.Child("volumeName"));
  } else {
    errors.Invalid(path.Child("volumeName"), file.volume_name(),
                   DnsLabelProblems(file.volume_name()));
  }
  if (file.path().empty()) {
    errors.Required(path.Child("path"));
  } else {
    CheckNoBackstep(file.path(), path.Child("path"), errors);
  }
}

int CountSources(const core::EnvVarSource& from) {
  return from.has_field_ref() + from.has_resource_field_ref() + from.has_config_map_key_ref() +
         from.has_secret_key_ref() + from.has_file_key_ref();
}

void CheckValueFrom(const core::EnvVar& env, const Path& path, Errors& errors) {
  const core::EnvVarSource& from = env.value_from();
  if (from.has_field_ref()) {
    CheckFieldRef(from.field_ref(), EnvFieldPaths(), path.Child("fieldRef"), errors);
  }
  if (from.has_resource_field_ref()) {
    CheckResourceFieldRef(from.resource_field_ref(), /*needs_container=*/false,
                          path.Child("resourceFieldRef"), errors);
  }
  if (from.has_config_map_key_ref()) {
    CheckKeySelector(from.config_map_key_ref(), path.Child("configMapKeyRef"), errors);
  }
  if (from.has_secret_key_ref()) {
    CheckKeySelector(from.secret_key_ref(), path.Child("secretKeyRef"), errors);
  }
  if (from.has_file_key_ref()) CheckFileKey(from.file_key_ref(), path.Child("fileKeyRef"), errors);
  int sources = CountSources(from);
  if (sources == 0) {
    errors.Invalid(path, "",
                   "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, "
                   "`secretKeyRef` or `fileKeyRef`");
  } else if (!env.value().empty()) {
    errors.Invalid(path, "", "may not be specified when `value` is not empty");
  } else if (sources > 1) {
    errors.Invalid(path, "", "may not have more than one field specified at a time");
  }
}

void CheckObjectName(const std::string& name, const Path& path, Errors& errors) {
  if (name.empty()) return errors.Required(path);
  // A trailing dash is let through: upstream checks these names as if they were prefixes.
  std::string masked = name;
  if (masked.size() > 1 && masked.back() == '-') masked.replace(masked.size() - 2, 2, "a");
  errors.Invalid(path, name, DnsSubdomainProblems(masked));
}

void CheckEnvFrom(const core::EnvFromSource& from, const Path& path, Errors& errors) {
  if (!from.prefix().empty()) {
    errors.Invalid(path.Child("prefix"), from.prefix(), EnvNameProblems(from.prefix()));
  }
  if (from.has_config_map_ref()) {
    CheckObjectName(from.config_map_ref().local_object_reference().name(),
                    path.Child("configMapRef").Child("name"), errors);
  }
  if (from.has_secret_ref()) {
    CheckObjectName(from.secret_ref().local_object_reference().name(),
                    path.Child("secretRef").Child("name"), errors);
  }
  if (!from.has_config_map_ref() && !from.has_secret_ref()) {
    errors.Invalid(path, "", "must specify one of: `configMapRef` or `secretRef`");
  } else if (from.has_config_map_ref() && from.has_secret_ref()) {
    errors.Invalid(path, "", "may not have more than one field specified at a time");
  }
}

}  // namespace

void CheckFieldRef(const core::ObjectFieldSelector& ref, const std::vector<std::string>& allowed,
                   const Path& path, Errors& errors) {
  if (ref.api_version().empty()) return errors.Required(path.Child("apiVersion"));
  if (ref.field_path().empty()) return errors.Required(path.Child("fieldPath"));
  const Path at = path.Child("fieldPath");
  if (ref.api_version() != "v1") {
    errors.Invalid(at, ref.field_path(), "unsupported pod version: " + ref.api_version());
    return;
  }
  std::string field, key;
  if (SplitSubscript(ref.field_path(), field, key)) {
    return CheckSubscript(ref.field_path(), field, key, path, errors);
  }
  if (!Holds(KnownFieldPaths(), ref.field_path())) {
    errors.Invalid(at, ref.field_path(), "field label not supported: " + ref.field_path());
    return;
  }
  field = ref.field_path() == "spec.host" ? "spec.nodeName" : ref.field_path();
  if (!Holds(allowed, field)) errors.NotSupported(at, field, allowed);
}

void CheckResourceFieldRef(const core::ResourceFieldSelector& ref, bool needs_container,
                           const Path& path, Errors& errors) {
  static const std::vector<std::string> kResources = {
      "limits.cpu",   "limits.ephemeral-storage",   "limits.memory",
      "requests.cpu", "requests.ephemeral-storage", "requests.memory"};
  bool huge = StartsWith(ref.resource(), "limits.hugepages-") ||
              StartsWith(ref.resource(), "requests.hugepages-");
  bool known = huge || Holds(kResources, ref.resource());
  if (needs_container && ref.container_name().empty()) {
    errors.Required(path.Child("containerName"));
  } else if (ref.resource().empty()) {
    errors.Required(path.Child("resource"));
  } else if (!known) {
    errors.NotSupported(path.Child("resource"), ref.resource(), kResources);
  }
  if (known) CheckDivisor(ref, path, errors);
}

void CheckEnv(const core::Container& container, const Path& path, Errors& errors) {
  for (int i = 0; i < container.env_size(); ++i) {
    const core::EnvVar& env = container.env(i);
    const Path at = path.Child("env").Index(i);
    if (env.name().empty()) {
      errors.Required(at.Child("name"));
    } else {
      errors.Invalid(at.Child("name"), env.name(), EnvNameProblems(env.name()));
    }
    if (env.has_value_from()) CheckValueFrom(env, at.Child("valueFrom"), errors);
  }
  for (int i = 0; i < container.env_from_size(); ++i) {
    CheckEnvFrom(container.env_from(i), path.Child("envFrom").Index(i), errors);
  }
}

void CheckFileKeyVolumes(PodContext& pod) {
  std::map<std::string, const core::VolumeSource*> sources;
  for (const core::Volume& volume : pod.spec.volumes()) {
    sources[volume.name()] = &volume.volume_source();
  }
  ForEachContainer(pod.spec, [&](const core::Container& container, const Path& path) {
    for (int i = 0; i < container.env_size(); ++i) {
      if (!container.env(i).value_from().has_file_key_ref()) continue;
      const std::string& name = container.env(i).value_from().file_key_ref().volume_name();
      Path at =
          path.Child("env").Index(i).Child("valueFrom").Child("fileKeyRef").Child("volumeName");
      auto it = sources.find(name);
      if (it == sources.end()) {
        pod.errors.NotFound(at, name);
      } else if (!it->second->has_empty_dir()) {
        pod.errors.Invalid(at, name, "referenced volume must be of type emptyDir");
      }
    }
  });
}

}  // namespace kubelet::api
