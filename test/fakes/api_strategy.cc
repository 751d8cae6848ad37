#include "fakes/api_strategy.h"

#include <algorithm>

#include "fakes/api_errors.h"
#include "k8s/certificates/v1/certificates.pb.h"
#include "k8s/core/v1/config.pb.h"
#include "k8s/core/v1/namespace.pb.h"
#include "k8s/core/v1/node.pb.h"
#include "k8s/core/v1/service.pb.h"
#include "kubelet/base/status.h"

namespace kubelet::fakes {
namespace {

namespace core = api::core;
namespace certificates = ::k8s::io::api::certificates::v1;

bool DnsName(const std::string& name) {
  if (name.empty() || name.size() > 253) return false;
  auto edge = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return edge(name.front()) && edge(name.back()) &&
         std::all_of(name.begin(), name.end(),
                     [&](char c) { return edge(c) || c == '-' || c == '.'; });
}

absl::Status CheckMetadata(const ApiStore& store, const ApiKind& kind, const Object& object) {
  const auto& meta = MetaOf(object);
  if (meta.name().empty() && meta.generate_name().empty())
    return ApiInvalid(kind, "", "metadata.name: Required value: name or generateName is required");
  // Names of RBAC and CSRs may hold more than a DNS name.
  bool free_form = kind.plural == "certificatesigningrequests" || kind.plural == "events";
  if (!meta.name().empty() && !free_form && !DnsName(meta.name()))
    return ApiInvalid(kind, meta.name(),
                      "metadata.name: Invalid value: \"" + meta.name() +
                          "\": a lowercase RFC 1123 subdomain must consist of lower case "
                          "alphanumeric characters, '-' or '.', and must start and end with an "
                          "alphanumeric character");
  if (!kind.namespaced) return absl::OkStatus();
  const ApiKind& namespaces = *FindApiKind("", "v1", "namespaces");
  ObjectPtr ns = store.Get(namespaces, "", meta.namespace_());
  if (ns == nullptr) return ApiNotFound(namespaces, meta.namespace_());
  if (MetaOf(*ns).has_deletion_timestamp())
    return ApiForbidden(kind, meta.name(),
                        "unable to create new content in namespace " + meta.namespace_() +
                            " because it is being terminated");
  return absl::OkStatus();
}

void PrepareSecret(core::Secret& secret) {
  for (const auto& [key, value] : secret.string_data()) (*secret.mutable_data())[key] = value;
  secret.clear_string_data();
  if (secret.type().empty()) secret.set_type("Opaque");
}

void PrepareService(const ApiStore& store, core::Service& service) {
  auto& spec = *service.mutable_spec();
  if (spec.type().empty()) spec.set_type("ClusterIP");
  if (spec.session_affinity().empty()) spec.set_session_affinity("None");
  for (auto& port : *spec.mutable_ports()) {
    if (port.protocol().empty()) port.set_protocol("TCP");
    auto& target = *port.mutable_target_port();
    if (target.type() == 0 && target.int_val() == 0) {
      target.set_type(0);
      target.set_int_val(port.port());
    }
  }
  if (spec.cluster_ip().empty() && spec.type() != "ExternalName") {
    auto number = store.revision() + 10;
    spec.set_cluster_ip("10.96." + std::to_string(number / 250 % 250) + "." +
                        std::to_string(number % 250 + 1));
  }
  if (spec.cluster_ips_size() == 0 && !spec.cluster_ip().empty())
    spec.add_cluster_ips(spec.cluster_ip());
  if (!spec.has_internal_traffic_policy()) spec.set_internal_traffic_policy("Cluster");
  if (spec.ip_families_size() == 0) spec.add_ip_families("IPv4");
  if (!spec.has_ip_family_policy()) spec.set_ip_family_policy("SingleStack");
  service.mutable_status()->mutable_load_balancer();
}

// Admission plugin TaintNodesByCondition.
void PrepareNode(core::Node& node) {
  for (const auto& taint : node.spec().taints())
    if (taint.key() == "node.kubernetes.io/not-ready") return;
  auto* taint = node.mutable_spec()->add_taints();
  taint->set_key("node.kubernetes.io/not-ready");
  taint->set_effect("NoSchedule");
}

void PrepareCsr(const ApiUser& user, certificates::CertificateSigningRequest& csr) {
  auto& spec = *csr.mutable_spec();
  spec.set_username(user.name);
  spec.set_uid(user.uid);
  spec.clear_groups();
  for (const std::string& group : user.groups) spec.add_groups(group);
  if (spec.usages_size() == 0) {
    spec.add_usages("digital signature");
    spec.add_usages("key encipherment");
  }
  csr.clear_status();
}

template <typename T>
T* As(Object& object) {
  return object.GetDescriptor() == T::descriptor() ? static_cast<T*>(&object) : nullptr;
}
template <typename T>
const T* As(const Object& object) {
  return object.GetDescriptor() == T::descriptor() ? static_cast<const T*>(&object) : nullptr;
}

absl::Status CheckImmutable(const Object& current, const Object& next) {
  bool changed = false;
  if (const auto* old_map = As<core::ConfigMap>(current)) {
    const auto& map = static_cast<const core::ConfigMap&>(next);
    core::ConfigMap a, b;
    *a.mutable_data() = old_map->data();
    *b.mutable_data() = map.data();
    changed = old_map->immutable() && (!map.immutable() || !SameObject(a, b));
  } else if (const auto* old_secret = As<core::Secret>(current)) {
    const auto& secret = static_cast<const core::Secret&>(next);
    core::Secret a, b;
    *a.mutable_data() = old_secret->data();
    *b.mutable_data() = secret.data();
    changed = old_secret->immutable() && (!secret.immutable() || !SameObject(a, b));
  }
  if (!changed) return absl::OkStatus();
  return ApiInvalid(ApiKindOf(current), MetaOf(current).name(),
                    "data: Forbidden: field is immutable when `immutable` is set");
}

// Checks what upstream's ValidateObjectMetaUpdate does, and puts back what the system owns.
absl::Status UpdateMetadata(const std::string& verb, const Object& current, Object& next) {
  const ApiKind& kind = ApiKindOf(current);
  const auto& old_meta = MetaOf(current);
  auto& meta = MetaOf(next);
  if (!meta.resource_version().empty() && meta.resource_version() != old_meta.resource_version())
    return ApiModified(kind, old_meta.name());
  // A PUT has the uid as a precondition, a PATCH tries to change it.
  if (!meta.uid().empty() && meta.uid() != old_meta.uid() && verb == "patch")
    return ApiInvalid(kind, old_meta.name(),
                      "metadata.uid: Invalid value: \"" + meta.uid() + "\": field is immutable");
  if (!meta.uid().empty() && meta.uid() != old_meta.uid())
    return ApiConflict(kind, old_meta.name(),
                       "StorageError: invalid object, Code: 4, AdditionalErrorMsg: Precondition "
                       "failed: UID in precondition: " +
                           meta.uid() + ", UID in object meta: " + old_meta.uid());
  meta.set_name(old_meta.name());
  meta.set_namespace_(old_meta.namespace_());
  meta.set_uid(old_meta.uid());
  meta.set_generation(old_meta.generation());
  *meta.mutable_creation_timestamp() = old_meta.creation_timestamp();
  meta.clear_deletion_timestamp();
  meta.clear_deletion_grace_period_seconds();
  if (old_meta.has_deletion_timestamp())
    *meta.mutable_deletion_timestamp() = old_meta.deletion_timestamp();
  if (old_meta.has_deletion_grace_period_seconds())
    meta.set_deletion_grace_period_seconds(old_meta.deletion_grace_period_seconds());
  if (!old_meta.generate_name().empty()) meta.set_generate_name(old_meta.generate_name());
  return absl::OkStatus();
}

}  // namespace

bool ApiUser::In(const std::string& group) const {
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

std::string ApiUser::node() const {
  const std::string prefix = "system:node:";
  return In("system:nodes") && name.rfind(prefix, 0) == 0 ? name.substr(prefix.size()) : "";
}

absl::Status PrepareCreate(const ApiStore& store, const ApiUser& user, Object& object,
                           const std::string& pod_suffix) {
  const ApiKind& kind = ApiKindOf(object);
  RETURN_IF_ERROR(CheckMetadata(store, kind, object));
  if (!MetaOf(object).resource_version().empty())
    return ApiProblem(500, "", "resourceVersion should not be set on objects to be created");
  if (auto* pod = As<core::Pod>(object)) return PreparePodCreate(store, *pod, pod_suffix);
  if (auto* secret = As<core::Secret>(object)) PrepareSecret(*secret);
  if (auto* service = As<core::Service>(object)) PrepareService(store, *service);
  if (auto* node = As<core::Node>(object)) PrepareNode(*node);
  if (auto* csr = As<certificates::CertificateSigningRequest>(object)) PrepareCsr(user, *csr);
  if (auto* ns = As<core::Namespace>(object)) {
    ns->mutable_status()->set_phase("Active");
    ns->mutable_spec()->clear_finalizers();
    ns->mutable_spec()->add_finalizers("kubernetes");
    (*MetaOf(*ns).mutable_labels())["kubernetes.io/metadata.name"] = MetaOf(*ns).name();
  }
  return absl::OkStatus();
}

absl::Status PrepareUpdate(const std::string& verb, const std::string& subresource,
                           const Object& current, Object& next) {
  RETURN_IF_ERROR(UpdateMetadata(verb, current, next));
  if (const auto* pod = As<core::Pod>(current))
    return PreparePodUpdate(subresource, *pod, static_cast<core::Pod&>(next));
  if (auto* secret = As<core::Secret>(next)) PrepareSecret(*secret);
  RETURN_IF_ERROR(CheckImmutable(current, next));
  const ApiKind& kind = ApiKindOf(current);
  if (const auto* old_csr = As<certificates::CertificateSigningRequest>(current)) {
    auto& csr = static_cast<certificates::CertificateSigningRequest&>(next);
    *csr.mutable_spec() = old_csr->spec();
    if (subresource.empty()) CopyField(current, next, "status");
    if (subresource == "approval")
      csr.mutable_status()->set_certificate(old_csr->status().certificate());
    if (csr.status().certificate().empty()) csr.mutable_status()->clear_certificate();
    return absl::OkStatus();
  }
  if (subresource == "status") CopyField(current, next, "spec");
  if (subresource.empty() && kind.Has("status")) CopyField(current, next, "status");
  return absl::OkStatus();
}

}  // namespace kubelet::fakes
