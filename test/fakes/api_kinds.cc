#include "fakes/api_kinds.h"

#include <algorithm>

#include "k8s/certificates/v1/certificates.pb.h"
#include "k8s/coordination/v1/coordination.pb.h"
#include "k8s/core/v1/config.pb.h"
#include "k8s/core/v1/event.pb.h"
#include "k8s/core/v1/namespace.pb.h"
#include "k8s/core/v1/node.pb.h"
#include "k8s/core/v1/persistent_volume.pb.h"
#include "k8s/core/v1/service.pb.h"
#include "k8s/core/v1/volume_claim.pb.h"
#include "k8s/node/v1/node.pb.h"
#include "k8s/policy/v1/policy.pb.h"
#include "k8s/resource/v1/resource.pb.h"
#include "k8s/storage/v1/storage.pb.h"
#include "kubelet/api/codec.h"

namespace kubelet::fakes {
namespace {

namespace core = api::core;
namespace k8s_api = ::k8s::io::api;

template <typename Item, typename List>
ApiKind Make(const char* group, const char* plural, std::vector<std::string> short_names,
             bool namespaced = true, std::vector<std::string> subresources = {}) {
  ApiKind kind;
  kind.group = group;
  kind.version = "v1";
  kind.plural = plural;
  kind.item = &Item::default_instance();
  kind.list = &List::default_instance();
  kind.kind = Item::descriptor()->name();
  for (char c : kind.kind) kind.singular += static_cast<char>(std::tolower(c));
  kind.short_names = std::move(short_names);
  kind.namespaced = namespaced;
  kind.subresources = std::move(subresources);
  for (const char* name :
       {"pods", "services", "serviceaccounts", "persistentvolumes", "persistentvolumeclaims"})
    kind.returns_deleted |= kind.group.empty() && kind.plural == name;
  kind.create_on_update = kind.plural == "leases" || kind.plural == "events";
  return kind;
}

std::vector<ApiKind> MakeKinds() {
  namespace storage = k8s_api::storage::v1;
  namespace dra = k8s_api::resource::v1;
  return {
      Make<core::Pod, core::PodList>("", "pods", {"po"}, true,
                                     {"status", "binding", "eviction", "log", "exec", "attach",
                                      "portforward", "ephemeralcontainers", "resize"}),
      Make<core::Node, core::NodeList>("", "nodes", {"no"}, false, {"status", "proxy"}),
      Make<core::Event, core::EventList>("", "events", {"ev"}),
      Make<core::ConfigMap, core::ConfigMapList>("", "configmaps", {"cm"}),
      Make<core::Secret, core::SecretList>("", "secrets", {}),
      Make<core::Service, core::ServiceList>("", "services", {"svc"}, true, {"status"}),
      Make<core::ServiceAccount, core::ServiceAccountList>("", "serviceaccounts", {"sa"}, true,
                                                           {"token"}),
      Make<core::Namespace, core::NamespaceList>("", "namespaces", {"ns"}, false,
                                                 {"status", "finalize"}),
      Make<core::PersistentVolume, core::PersistentVolumeList>("", "persistentvolumes", {"pv"},
                                                               false, {"status"}),
      Make<core::PersistentVolumeClaim, core::PersistentVolumeClaimList>(
          "", "persistentvolumeclaims", {"pvc"}, true, {"status"}),
      Make<k8s_api::coordination::v1::Lease, k8s_api::coordination::v1::LeaseList>(
          "coordination.k8s.io", "leases", {}),
      Make<k8s_api::certificates::v1::CertificateSigningRequest,
           k8s_api::certificates::v1::CertificateSigningRequestList>(
          "certificates.k8s.io", "certificatesigningrequests", {"csr"}, false,
          {"status", "approval"}),
      Make<k8s_api::node::v1::RuntimeClass, k8s_api::node::v1::RuntimeClassList>(
          "node.k8s.io", "runtimeclasses", {}, false),
      Make<k8s_api::policy::v1::PodDisruptionBudget, k8s_api::policy::v1::PodDisruptionBudgetList>(
          "policy", "poddisruptionbudgets", {"pdb"}, true, {"status"}),
      Make<storage::CSINode, storage::CSINodeList>("storage.k8s.io", "csinodes", {}, false),
      Make<storage::CSIDriver, storage::CSIDriverList>("storage.k8s.io", "csidrivers", {}, false),
      Make<storage::StorageClass, storage::StorageClassList>("storage.k8s.io", "storageclasses",
                                                             {"sc"}, false),
      Make<storage::VolumeAttachment, storage::VolumeAttachmentList>(
          "storage.k8s.io", "volumeattachments", {}, false, {"status"}),
      Make<dra::ResourceSlice, dra::ResourceSliceList>("resource.k8s.io", "resourceslices", {},
                                                       false),
      Make<dra::ResourceClaim, dra::ResourceClaimList>("resource.k8s.io", "resourceclaims", {},
                                                       true, {"status"}),
      Make<dra::DeviceClass, dra::DeviceClassList>("resource.k8s.io", "deviceclasses", {}, false),
  };
}

const google::protobuf::FieldDescriptor* MetaField(const Object& object) {
  return object.GetDescriptor()->FindFieldByName("metadata");
}

}  // namespace

bool ApiKind::Has(const std::string& subresource) const {
  return std::find(subresources.begin(), subresources.end(), subresource) != subresources.end();
}

const std::vector<ApiKind>& ApiKinds() {
  static const auto& kinds = *new std::vector<ApiKind>(MakeKinds());
  return kinds;
}

const ApiKind* FindApiKind(const std::string& group, const std::string& version,
                           const std::string& plural) {
  for (const ApiKind& kind : ApiKinds())
    if (kind.group == group && kind.version == version && kind.plural == plural) return &kind;
  return nullptr;
}

const ApiKind& ApiKindOf(const Object& object) {
  for (const ApiKind& kind : ApiKinds())
    if (kind.item->GetDescriptor() == object.GetDescriptor()) return kind;
  std::abort();
}

const api::meta::ObjectMeta& MetaOf(const Object& object) {
  return static_cast<const api::meta::ObjectMeta&>(
      object.GetReflection()->GetMessage(object, MetaField(object)));
}

api::meta::ObjectMeta& MetaOf(Object& object) {
  return static_cast<api::meta::ObjectMeta&>(
      *object.GetReflection()->MutableMessage(&object, MetaField(object)));
}

NewObject CopyOf(const Object& object) {
  NewObject copy(object.New());
  copy->CopyFrom(object);
  return copy;
}

void CopyField(const Object& from, Object& to, const char* name) {
  const auto* field = from.GetDescriptor()->FindFieldByName(name);
  if (field == nullptr) return;
  if (!from.GetReflection()->HasField(from, field)) {
    to.GetReflection()->ClearField(&to, field);
  } else {
    to.GetReflection()
        ->MutableMessage(&to, field)
        ->CopyFrom(from.GetReflection()->GetMessage(from, field));
  }
}

bool SameObject(const Object& a, const Object& b) {
  return api::EncodeJson(a) == api::EncodeJson(b);
}

}  // namespace kubelet::fakes
