#include "volume/payload.h"

#include <algorithm>

#include "kubelet/base/status.h"

namespace kubelet::volume {

using api::core::Pod;
using api::core::Volume;
using base::Task;

namespace {

constexpr uint32_t kDefaultMode = 0644;

template <typename Source>
uint32_t DefaultMode(const Source& source) {
  return source.has_default_mode() ? static_cast<uint32_t>(source.default_mode()) : kDefaultMode;
}

absl::Status Add(Payload& payload, const std::string& path, PayloadFile file) {
  std::string around = "/" + path + "/";
  bool outside = path.empty() || path[0] == '/' || around.find("/../") != std::string::npos ||
                 around.find("//") != std::string::npos || path.rfind("..", 0) == 0;
  if (outside) return absl::InvalidArgumentError("path `" + path + "` must stay inside the volume");
  payload[path] = std::move(file);
  return absl::OkStatus();
}

// All keys, or the items chosen. `find` gives a pointer to the bytes of a key, or null.
template <typename Items, typename Find>
absl::Status AddItems(const Items& items, const Find& find, const char* what, uint32_t mode,
                      bool optional, Payload& payload) {
  for (const auto& item : items) {
    const std::string* bytes = find(item.key());
    if (bytes == nullptr) {
      if (optional) continue;
      return absl::FailedPreconditionError("references non-existent " + std::string(what) +
                                           " key: " + item.key());
    }
    PayloadFile file;
    file.bytes = *bytes;
    file.mode = item.has_mode() ? static_cast<uint32_t>(item.mode()) : mode;
    RETURN_IF_ERROR(Add(payload, item.path(), std::move(file)));
  }
  return absl::OkStatus();
}

template <typename Map>
absl::Status AddAll(const Map& map, uint32_t mode, Payload& payload) {
  for (const auto& [key, bytes] : map)
    RETURN_IF_ERROR(Add(payload, key, PayloadFile{bytes, mode, {}}));
  return absl::OkStatus();
}

template <typename Source>
absl::Status AddConfigMap(const Source& source, const std::string& name, uint32_t mode,
                          const ObjectSet& objects, Payload& payload) {
  auto it = objects.config_maps.find(name);
  if (it == objects.config_maps.end() || !it->second) return absl::OkStatus();
  const auto& map = *it->second;
  if (source.items_size() == 0) {
    RETURN_IF_ERROR(AddAll(map.data(), mode, payload));
    return AddAll(map.binary_data(), mode, payload);
  }
  auto find = [&](const std::string& key) -> const std::string* {
    if (auto text = map.data().find(key); text != map.data().end()) return &text->second;
    auto bytes = map.binary_data().find(key);
    return bytes == map.binary_data().end() ? nullptr : &bytes->second;
  };
  return AddItems(source.items(), find, "config", mode, source.optional(), payload);
}

template <typename Source>
absl::Status AddSecret(const Source& source, const std::string& name, uint32_t mode,
                       const ObjectSet& objects, Payload& payload) {
  auto it = objects.secrets.find(name);
  if (it == objects.secrets.end() || !it->second) return absl::OkStatus();
  const auto& secret = *it->second;
  if (source.items_size() == 0) return AddAll(secret.data(), mode, payload);
  auto find = [&](const std::string& key) -> const std::string* {
    auto bytes = secret.data().find(key);
    return bytes == secret.data().end() ? nullptr : &bytes->second;
  };
  return AddItems(source.items(), find, "secret", mode, source.optional(), payload);
}

template <typename Source>
absl::Status AddDownward(const Source& source, uint32_t mode, const Pod& pod,
                         const api::NodeAllocatable& node, Payload& payload) {
  for (const auto& item : source.items()) {
    PayloadFile file;
    file.mode = item.has_mode() ? static_cast<uint32_t>(item.mode()) : mode;
    if (item.has_field_ref()) {
      ASSIGN_OR_RETURN(file.bytes, api::MetadataField(pod, item.field_ref().field_path()));
    } else if (item.has_resource_field_ref()) {
      ASSIGN_OR_RETURN(file.bytes, api::ResourceField(pod, "", item.resource_field_ref(), node));
    }
    RETURN_IF_ERROR(Add(payload, item.path(), std::move(file)));
  }
  return absl::OkStatus();
}

// The uid that all containers run as, when they agree on one (pkg/volume/util FsUserFrom).
std::optional<int64_t> CommonUser(const Pod& pod) {
  std::optional<int64_t> common;
  bool first = true, agree = true;
  auto look = [&](const api::core::Container& container) {
    std::optional<int64_t> user;
    if (container.security_context().has_run_as_user()) {
      user = container.security_context().run_as_user();
    } else if (pod.spec().security_context().has_run_as_user()) {
      user = pod.spec().security_context().run_as_user();
    }
    agree = agree && user && (first || user == common);
    common = user;
    first = false;
  };
  for (const auto& container : pod.spec().init_containers()) look(container);
  for (const auto& container : pod.spec().containers()) look(container);
  return agree ? common : std::nullopt;
}

// What only the pod's user may read, where there is one.
PayloadFile Private(const Pod& pod, std::string bytes, uint32_t mode) {
  PayloadFile file;
  file.bytes = std::move(bytes);
  file.mode = mode;
  file.owner = CommonUser(pod);
  if (file.owner || pod.spec().security_context().has_fs_group()) file.mode = 0600;
  return file;
}

absl::Status AddToken(const Pod& pod, const api::core::ServiceAccountTokenProjection& source,
                      int index, uint32_t mode, const ObjectSet& objects, Payload& payload) {
  auto it = objects.tokens.find(index);
  if (it == objects.tokens.end()) return absl::FailedPreconditionError("no token was fetched");
  return Add(payload, source.path(), Private(pod, it->second, mode));
}

absl::Status AddAnchors(const Pod& pod, const api::core::ClusterTrustBundleProjection& source,
                        int index, uint32_t mode, const ObjectSet& objects, Payload& payload) {
  auto it = objects.anchors.find(index);
  if (it == objects.anchors.end()) return absl::FailedPreconditionError("no bundle was fetched");
  return Add(payload, source.path(), Private(pod, it->second, mode));
}

absl::Status AddCertificate(const Pod& pod, const api::core::PodCertificateProjection& source,
                            int index, uint32_t mode, const ObjectSet& objects, Payload& payload) {
  auto it = objects.certificates.find(index);
  if (it == objects.certificates.end())
    return absl::FailedPreconditionError("no certificate was fetched");
  const auto& [key, chain] = it->second;
  const std::pair<const std::string&, std::string> files[] = {
      {source.credential_bundle_path(), key + chain},
      {source.key_path(), key},
      {source.certificate_chain_path(), chain}};
  for (const auto& [path, bytes] : files)
    if (!path.empty()) RETURN_IF_ERROR(Add(payload, path, Private(pod, bytes, mode)));
  return absl::OkStatus();
}

absl::Status AddProjected(const Pod& pod, const api::core::ProjectedVolumeSource& volume,
                          const ObjectSet& objects, const api::NodeAllocatable& node,
                          Payload& payload) {
  uint32_t mode = DefaultMode(volume);
  for (int i = 0; i < volume.sources_size(); ++i) {
    const auto& source = volume.sources(i);
    absl::Status status;
    if (source.has_config_map()) {
      const auto& name = source.config_map().local_object_reference().name();
      status = AddConfigMap(source.config_map(), name, mode, objects, payload);
    } else if (source.has_secret()) {
      const auto& name = source.secret().local_object_reference().name();
      status = AddSecret(source.secret(), name, mode, objects, payload);
    } else if (source.has_downward_api()) {
      status = AddDownward(source.downward_api(), mode, pod, node, payload);
    } else if (source.has_service_account_token()) {
      status = AddToken(pod, source.service_account_token(), i, mode, objects, payload);
    } else if (source.has_cluster_trust_bundle()) {
      status = AddAnchors(pod, source.cluster_trust_bundle(), i, mode, objects, payload);
    } else if (source.has_pod_certificate()) {
      status = AddCertificate(pod, source.pod_certificate(), i, mode, objects, payload);
    } else {
      status = absl::FailedPreconditionError("no kind of source that is known here");
    }
    RETURN_IF_ERROR(base::Annotate(status, "projected.sources[" + std::to_string(i) + "]"));
  }
  return absl::OkStatus();
}

absl::Status Missing(const absl::Status& status, const char* kind, const std::string& name) {
  if (!absl::IsNotFound(status)) return status;
  return absl::FailedPreconditionError(std::string(kind) + " \"" + name + "\" not found");
}

Task<absl::Status> FetchConfigMap(Objects& objects, const Pod& pod, std::string name, bool optional,
                                  ObjectSet& out) {
  auto found = co_await objects.ConfigMap(pod.metadata().namespace_(), name);
  if (found.ok()) {
    out.config_maps[name] = *std::move(found);
  } else if (!optional || !absl::IsNotFound(found.status())) {
    co_return Missing(found.status(), "configmap", name);
  }
  co_return absl::OkStatus();
}

Task<absl::Status> FetchSecret(Objects& objects, const Pod& pod, std::string name, bool optional,
                               ObjectSet& out) {
  auto found = co_await objects.Secret(pod.metadata().namespace_(), name);
  if (found.ok()) {
    out.secrets[name] = *std::move(found);
  } else if (!optional || !absl::IsNotFound(found.status())) {
    co_return Missing(found.status(), "secret", name);
  }
  co_return absl::OkStatus();
}

Task<absl::Status> FetchToken(Objects& objects, api::PodPtr pod, int index,
                              const api::core::ServiceAccountTokenProjection& source,
                              ObjectSet& out) {
  int64_t seconds = source.has_expiration_seconds() ? source.expiration_seconds() : 3600;
  auto token = co_await objects.ServiceAccountToken(pod, source.audience(), seconds);
  if (!token.ok()) co_return token.status();
  out.tokens[index] = token->text;
  if (!out.refresh_at || token->refresh_at < *out.refresh_at) out.refresh_at = token->refresh_at;
  co_return absl::OkStatus();
}

Task<absl::Status> FetchAnchors(Objects& objects, api::PodPtr pod, int index,
                                const api::core::ClusterTrustBundleProjection& source,
                                ObjectSet& out) {
  auto anchors = co_await objects.TrustAnchors(pod->metadata().uid(), source);
  if (!anchors.ok()) co_return anchors.status();
  out.anchors[index] = *std::move(anchors);
  co_return absl::OkStatus();
}

Task<absl::Status> FetchCertificate(Objects& objects, api::PodPtr pod, std::string volume,
                                    int index, ObjectSet& out) {
  auto certificate = co_await objects.Certificate(pod, std::move(volume), index);
  if (!certificate.ok()) co_return certificate.status();
  out.certificates[index] = *std::move(certificate);
  co_return absl::OkStatus();
}

Task<absl::Status> FetchSource(Objects& objects, api::PodPtr pod, const Volume& volume, int index,
                               const api::core::VolumeProjection& source, ObjectSet& out) {
  if (source.has_config_map()) {
    const auto& map = source.config_map();
    return FetchConfigMap(objects, *pod, map.local_object_reference().name(), map.optional(), out);
  }
  if (source.has_secret()) {
    const auto& secret = source.secret();
    return FetchSecret(objects, *pod, secret.local_object_reference().name(), secret.optional(),
                       out);
  }
  if (source.has_cluster_trust_bundle())
    return FetchAnchors(objects, pod, index, source.cluster_trust_bundle(), out);
  if (source.has_pod_certificate())
    return FetchCertificate(objects, pod, volume.name(), index, out);
  return FetchToken(objects, pod, index, source.service_account_token(), out);
}

}  // namespace

std::string ApiVolumePlugin(const Volume& volume) {
  const auto& source = volume.volume_source();
  if (source.has_config_map()) return "kubernetes.io~configmap";
  if (source.has_secret()) return "kubernetes.io~secret";
  if (source.has_downward_api()) return "kubernetes.io~downward-api";
  if (source.has_projected()) return "kubernetes.io~projected";
  return "";
}

bool InMemory(const Volume& volume) { return !volume.volume_source().has_config_map(); }

Task<absl::StatusOr<ObjectSet>> FetchObjects(Objects& objects, api::PodPtr pod,
                                             const Volume& volume) {
  ObjectSet out;
  const auto& source = volume.volume_source();
  absl::Status status;
  if (source.has_config_map()) {
    const auto& map = source.config_map();
    status = co_await FetchConfigMap(objects, *pod, map.local_object_reference().name(),
                                     map.optional(), out);
  } else if (source.has_secret()) {
    const auto& secret = source.secret();
    status = co_await FetchSecret(objects, *pod, secret.secret_name(), secret.optional(), out);
  } else if (source.has_projected()) {
    for (int i = 0; status.ok() && i < source.projected().sources_size(); ++i) {
      const auto& each = source.projected().sources(i);
      // The downward API asks nobody; what is of no known kind is refused where it is written.
      std::vector<const google::protobuf::FieldDescriptor*> kinds;
      each.GetReflection()->ListFields(each, &kinds);
      if (!kinds.empty() && !each.has_downward_api())
        status = co_await FetchSource(objects, pod, volume, i, each, out);
    }
  }
  if (!status.ok()) co_return status;
  co_return out;
}

absl::StatusOr<Payload> MakePayload(const Pod& pod, const Volume& volume, const ObjectSet& objects,
                                    const api::NodeAllocatable& node) {
  Payload payload;
  const auto& source = volume.volume_source();
  absl::Status status;
  if (source.has_config_map()) {
    const auto& map = source.config_map();
    status =
        AddConfigMap(map, map.local_object_reference().name(), DefaultMode(map), objects, payload);
  } else if (source.has_secret()) {
    const auto& secret = source.secret();
    status = AddSecret(secret, secret.secret_name(), DefaultMode(secret), objects, payload);
  } else if (source.has_downward_api()) {
    const auto& downward = source.downward_api();
    status = AddDownward(downward, DefaultMode(downward), pod, node, payload);
  } else {
    status = AddProjected(pod, source.projected(), objects, node, payload);
  }
  if (!status.ok()) return status;
  return payload;
}

}  // namespace kubelet::volume
