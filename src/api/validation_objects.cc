#include "api/validation_checks.h"
#include "kubelet/api/codec.h"

namespace kubelet::api {
namespace {

constexpr size_t kMaxBytes = 1 << 20;
constexpr char kRedacted[] = "<secret contents redacted>";

void CheckObjectMetadata(const meta::ObjectMeta& metadata, Errors& errors) {
  Path path("metadata");
  if (metadata.name().empty()) {
    errors.Required(path.Child("name"));
  } else {
    errors.Invalid(path.Child("name"), metadata.name(), DnsSubdomainProblems(metadata.name()));
  }
  if (metadata.namespace_().empty()) {
    errors.Required(path.Child("namespace"));
  } else {
    errors.Invalid(path.Child("namespace"), metadata.namespace_(),
                   DnsLabelProblems(metadata.namespace_()));
  }
  CheckLabels(metadata.labels(), path.Child("labels"), errors);
  CheckAnnotations(metadata.annotations(), path.Child("annotations"), errors);
}

// The bytes of the map.
size_t CheckKeys(const StringMap& map, const Path& path, Errors& errors) {
  size_t total = 0;
  for (const auto& [key, value] : Sorted(map)) {
    errors.Invalid(path.Key(key), key, ConfigKeyProblems(key));
    total += value.size();
  }
  return total;
}

// Whether `text` is a JSON object is all that is asked.
bool IsJsonObject(const std::string& text) {
  size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string::npos && text[first] == '{' && PeekTypeMeta(text).ok();
}

void CheckDockerConfig(const core::Secret& secret, const std::string& key, Errors& errors) {
  Path path = Path("data").Key(key);
  auto it = secret.data().find(key);
  if (it == secret.data().end()) return errors.Required(path);
  if (!IsJsonObject(it->second)) errors.Invalid(path, kRedacted, "must be a JSON object");
}

void CheckType(const core::Secret& secret, Errors& errors) {
  const std::string& type = secret.type();
  auto has = [&](const char* key) { return secret.data().contains(key); };
  auto need = [&](const char* key) { errors.Required(Path("data").Key(key)); };
  if (type == "kubernetes.io/dockercfg") CheckDockerConfig(secret, ".dockercfg", errors);
  if (type == "kubernetes.io/dockerconfigjson")
    CheckDockerConfig(secret, ".dockerconfigjson", errors);
  if (type == "kubernetes.io/basic-auth" && !has("username") && !has("password")) {
    need("username");
    need("password");
  }
  if (type == "kubernetes.io/ssh-auth" &&
      (!has("ssh-privatekey") || secret.data().at("ssh-privatekey").empty()))
    need("ssh-privatekey");
  if (type == "kubernetes.io/tls") {
    if (!has("tls.crt")) need("tls.crt");
    if (!has("tls.key")) need("tls.key");
  }
  if (type == "kubernetes.io/service-account-token") {
    const char* name = "kubernetes.io/service-account.name";
    auto it = secret.metadata().annotations().find(name);
    if (it == secret.metadata().annotations().end() || it->second.empty())
      errors.Required(Path("metadata").Child("annotations").Key(name));
  }
}

}  // namespace

std::vector<FieldError> ValidateConfigMap(const core::ConfigMap& map) {
  Errors errors;
  CheckObjectMetadata(map.metadata(), errors);
  size_t total = CheckKeys(map.data(), Path("data"), errors);
  total += CheckKeys(map.binary_data(), Path("binaryData"), errors);
  for (const auto& [key, value] : Sorted(map.data())) {
    if (map.binary_data().contains(key))
      errors.Invalid(Path("data").Key(key), key, "duplicate of key present in binaryData");
  }
  if (total > kMaxBytes) errors.TooLong(Path("data"), kMaxBytes);
  return errors.Take();
}

std::vector<FieldError> ValidateSecret(const core::Secret& secret) {
  Errors errors;
  CheckObjectMetadata(secret.metadata(), errors);
  if (CheckKeys(secret.data(), Path("data"), errors) > kMaxBytes)
    errors.TooLong(Path("data"), kMaxBytes);
  CheckType(secret, errors);
  return errors.Take();
}

}  // namespace kubelet::api
