#include "kubelet/runtime/environment.h"

#include <algorithm>
#include <optional>
#include <set>

#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/runtime/config.h"
#include "kubelet/runtime/ports.h"
#include "runtime/env_file.h"

namespace kubelet::runtime {

using ContainerSpec = api::core::Container;
using api::core::Pod;
using base::Task;

namespace {

// Name of an object, and whether the container can do without it.
using References = std::map<std::string, bool>;

template <typename Ref>
void Note(References& references, const Ref& ref) {
  auto [it, fresh] = references.emplace(ref.local_object_reference().name(), ref.optional());
  if (!fresh) it->second = it->second && ref.optional();
}

void Collect(const ContainerSpec& container, References& config_maps, References& secrets) {
  for (const auto& from : container.env_from()) {
    if (from.has_config_map_ref()) Note(config_maps, from.config_map_ref());
    if (from.has_secret_ref()) Note(secrets, from.secret_ref());
  }
  for (const auto& var : container.env()) {
    if (var.value_from().has_config_map_key_ref())
      Note(config_maps, var.value_from().config_map_key_ref());
    if (var.value_from().has_secret_key_ref()) Note(secrets, var.value_from().secret_key_ref());
  }
}

// Printable ASCII but `=` (relaxed rule, 1.34 and later).
bool ValidName(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(),
                                      [](char c) { return c >= 0x20 && c <= 0x7e && c != '='; });
}

std::string Join(const std::vector<std::string>& list) {
  std::string out;
  for (const auto& item : list) out += (out.empty() ? "" : ",") + item;
  return out;
}

absl::StatusOr<std::string> FieldValue(const Pod& pod, const std::string& path,
                                       const EnvNode& node) {
  if (path == "spec.nodeName") return node.node_name;
  if (path == "spec.serviceAccountName") return pod.spec().service_account_name();
  if ((path == "status.hostIP" || path == "status.hostIPs") && node.host_ips.empty())
    return absl::FailedPreconditionError("host IP unknown; known addresses: []");
  if (path == "status.hostIP") return node.host_ips.front();
  if (path == "status.hostIPs") return Join(node.host_ips);
  const auto ips = InFamilyOrder(pod.spec().host_network() ? node.host_ips : node.pod_ips, node.host_ips);
  if (path == "status.podIP") return ips.empty() ? std::string() : ips.front();
  if (path == "status.podIPs") return Join(ips);
  auto value = api::MetadataField(pod, path);
  if (value.ok()) return value;
  return absl::FailedPreconditionError("fieldPath \"" + path +
                                       "\" is not supported in an environment variable");
}

// Names once each, in the order of their last value.
class Variables {
 public:
  void Set(const std::string& name, const std::string& value) {
    auto [it, fresh] = values_.insert_or_assign(name, value);
    if (!fresh) std::erase(order_, name);
    order_.push_back(name);
  }
  bool Has(const std::string& name) const { return values_.contains(name); }
  const std::map<std::string, std::string>& values() const { return values_; }
  EnvList List() const {
    EnvList list;
    for (const auto& name : order_) list.emplace_back(name, values_.at(name));
    return list;
  }

 private:
  std::map<std::string, std::string> values_;
  std::vector<std::string> order_;
};

template <typename Map>
void AddAll(const std::string& prefix, const Map& data, Variables& out) {
  std::map<std::string, std::string> sorted(data.begin(), data.end());
  for (const auto& [key, value] : sorted)
    if (ValidName(prefix + key)) out.Set(prefix + key, value);
}

void AddEnvFrom(const ContainerSpec& container, const EnvInputs& inputs, Variables& out) {
  for (const auto& from : container.env_from()) {
    if (from.has_config_map_ref()) {
      auto it = inputs.config_maps.find(from.config_map_ref().local_object_reference().name());
      if (it != inputs.config_maps.end()) AddAll(from.prefix(), it->second->data(), out);
    } else if (from.has_secret_ref()) {
      auto it = inputs.secrets.find(from.secret_ref().local_object_reference().name());
      if (it != inputs.secrets.end()) AddAll(from.prefix(), it->second->data(), out);
    }
  }
}

// nullopt: the key is optional and not there, so there is no variable.
template <typename Ref, typename Objects>
absl::StatusOr<std::optional<std::string>> KeyValue(const Pod& pod, const Ref& ref,
                                                    const Objects& objects, const char* kind) {
  const std::string& name = ref.local_object_reference().name();
  auto object = objects.find(name);
  if (object != objects.end()) {
    auto value = object->second->data().find(ref.key());
    if (value != object->second->data().end()) return std::optional<std::string>(value->second);
  }
  if (ref.optional()) return std::optional<std::string>();
  return absl::FailedPreconditionError("couldn't find key " + ref.key() + " in " + kind + " " +
                                       pod.metadata().namespace_() + "/" + name);
}

absl::StatusOr<std::optional<std::string>> ValueFrom(const Pod& pod, const ContainerSpec& container,
                                                     const api::core::EnvVarSource& source,
                                                     const EnvInputs& inputs, const EnvNode& node) {
  if (source.has_field_ref()) return FieldValue(pod, source.field_ref().field_path(), node);
  if (source.has_resource_field_ref()) {
    auto value =
        api::ResourceField(pod, container.name(), source.resource_field_ref(), inputs.node);
    if (!value.ok()) return absl::FailedPreconditionError(base::Message(value.status()));
    return *value;
  }
  if (source.has_config_map_key_ref())
    return KeyValue(pod, source.config_map_key_ref(), inputs.config_maps, "ConfigMap");
  if (source.has_secret_key_ref())
    return KeyValue(pod, source.secret_key_ref(), inputs.secrets, "Secret");
  return std::optional<std::string>("");
}

// nullopt: optional, and the file does not have it.
absl::StatusOr<std::optional<std::string>> FileValue(const api::core::FileKeySelector& ref, int index,
                                                     const EnvInputs& inputs) {
  auto it = inputs.file_values.find(index);
  if (it == inputs.file_values.end()) return std::optional<std::string>("");
  if (!it->second.ok()) return it->second.status();
  if (!it->second->empty()) return std::optional<std::string>(*it->second);
  if (ref.optional()) return std::optional<std::string>();
  auto volume = inputs.volume_paths.find(ref.volume_name());
  std::string path = (volume == inputs.volume_paths.end() ? "" : volume->second.host_path) + "/" + ref.path();
  return absl::FailedPreconditionError("environment variable key \"" + ref.key() + "\" not found in file \"" + path +
                                       "\"");
}

absl::Status Missing(const absl::Status& status, const char* kind, const std::string& name) {
  if (!absl::IsNotFound(status)) return status;
  return absl::FailedPreconditionError(std::string(kind) + " \"" + name + "\" not found");
}

template <typename Data>
std::vector<std::string> InvalidKeys(const std::string& prefix, const Data& data) {
  std::set<std::string> keys;
  for (const auto& [key, value] : data)
    if (!ValidName(prefix + key)) keys.insert(prefix + key);
  return {keys.begin(), keys.end()};
}

}  // namespace

Task<absl::StatusOr<EnvInputs>> FetchEnvironment(EnvObjects* objects, api::PodPtr pod,
                                                 const ContainerSpec* container,
                                                 api::NodeAllocatable allocatable) {
  EnvInputs inputs;
  inputs.node = allocatable;
  References config_maps, secrets;
  Collect(*container, config_maps, secrets);
  if (objects == nullptr) {
    if (config_maps.empty() && secrets.empty()) co_return inputs;
    const char* kind = config_maps.empty() ? "secret" : "configMap";
    const std::string& name = (config_maps.empty() ? secrets : config_maps).begin()->first;
    co_return absl::FailedPreconditionError(std::string("couldn't get ") + kind + " " + pod->metadata().namespace_() +
                                            "/" + name + ", no kubeClient defined");
  }
  const std::string namespace_ = pod->metadata().namespace_();
  for (const auto& [name, optional] : config_maps) {
    auto found = co_await objects->ConfigMap(namespace_, name);
    if (found.ok()) {
      inputs.config_maps[name] = *std::move(found);
    } else if (!optional || !absl::IsNotFound(found.status())) {
      co_return Missing(found.status(), "configmap", name);
    }
  }
  for (const auto& [name, optional] : secrets) {
    auto found = co_await objects->Secret(namespace_, name);
    if (found.ok()) {
      inputs.secrets[name] = *std::move(found);
    } else if (!optional || !absl::IsNotFound(found.status())) {
      co_return Missing(found.status(), "secret", name);
    }
  }
  auto services = co_await objects->ServiceEnvironment(pod);
  if (!services.ok()) co_return services.status();
  inputs.services = *std::move(services);
  co_return inputs;
}

Task<void> ReadEnvFiles(Volumes& volumes, api::PodPtr pod, const ContainerSpec* container, EnvInputs* inputs) {
  for (int i = 0; i < container->env_size(); ++i) {
    if (!container->env(i).value_from().has_file_key_ref()) continue;
    const auto& ref = container->env(i).value_from().file_key_ref();
    if (!inputs->volume_paths.contains(ref.volume_name())) {
      inputs->file_values.insert_or_assign(i, absl::FailedPreconditionError("cannot find the volume \"" + ref.volume_name() +
                                                                          "\" referenced by FileKeyRef"));
      continue;
    }
    auto text = co_await volumes.ReadFile(pod, ref.volume_name(), ref.path());
    absl::StatusOr<std::string> value = text.ok() ? ParseEnvFile(*text, ref.key()) : text.status();
    if (!value.ok()) {
      // What is in the file, and where it lies, is not for everybody's eyes.
      LOG_ERROR("Cannot read a file of variables", "pod", api::PodKey(*pod), "container", container->name(), "volume",
                ref.volume_name(), "path", ref.path(), "err", value.status());
      value = absl::FailedPreconditionError("couldn't parse env file");
    }
    inputs->file_values.insert_or_assign(i, std::move(value));
  }
}

std::vector<std::string> InvalidEnvironmentNames(const Pod& pod, const ContainerSpec& container,
                                                 const EnvInputs& inputs) {
  std::vector<std::string> out;
  auto tell = [&](const std::vector<std::string>& keys, const char* kind, const std::string& name) {
    if (keys.empty()) return;
    out.push_back("Keys [" + Join(keys) + "] from the EnvFrom " + kind + " " +
                  pod.metadata().namespace_() + "/" + name +
                  " were skipped since they are considered invalid environment variable names.");
  };
  for (const auto& from : container.env_from()) {
    const auto& map = from.config_map_ref().local_object_reference().name();
    const auto& secret = from.secret_ref().local_object_reference().name();
    if (auto it = inputs.config_maps.find(map); it != inputs.config_maps.end())
      tell(InvalidKeys(from.prefix(), it->second->data()), "configMap", map);
    if (auto it = inputs.secrets.find(secret); it != inputs.secrets.end())
      tell(InvalidKeys(from.prefix(), it->second->data()), "secret", secret);
  }
  return out;
}

absl::StatusOr<EnvList> MakeEnvironment(const Pod& pod, const ContainerSpec& container,
                                        const EnvInputs& inputs, const EnvNode& node) {
  Variables out;
  AddEnvFrom(container, inputs, out);
  std::map<std::string, std::string> services(inputs.services.begin(), inputs.services.end());
  for (int i = 0; i < container.env_size(); ++i) {
    const auto& var = container.env(i);
    if (!var.has_value_from()) {
      auto known = services;
      for (const auto& [name, value] : out.values()) known[name] = value;
      out.Set(var.name(), Expand(var.value(), known));
      continue;
    }
    auto value = var.value_from().has_file_key_ref() ? FileValue(var.value_from().file_key_ref(), i, inputs)
                                                     : ValueFrom(pod, container, var.value_from(), inputs, node);
    if (!value.ok()) return value.status();
    if (*value) out.Set(var.name(), **value);
  }
  for (const auto& [name, value] : inputs.services)
    if (!out.Has(name)) out.Set(name, value);
  return out.List();
}

}  // namespace kubelet::runtime
