// What a node may do: admission plugin NodeRestriction, and the coarse part of the Node authorizer.
#include "fakes/api_errors.h"
#include "fakes/api_strategy.h"
#include "k8s/core/v1/node.pb.h"
#include "kubelet/api/pod.h"
#include "kubelet/api/validation.h"
#include "kubelet/base/status.h"

namespace kubelet::fakes {
namespace {

namespace core = api::core;

absl::Status CheckMirrorCreate(const ApiStore& store, const std::string& node,
                               const core::Pod& pod) {
  const ApiKind& kind = ApiKindOf(pod);
  auto no = [&](const std::string& why) { return ApiForbidden(kind, pod.metadata().name(), why); };
  const std::string self = "node \"" + node + "\" ";
  if (!api::IsMirror(pod))
    return no(std::string("pod does not have \"") + api::kConfigMirror + "\" annotation, " + self +
              "can only create mirror pods");
  if (pod.spec().node_name() != node)
    return no(self + "can only create pods with spec.nodeName set to itself");
  const auto& owners = pod.metadata().owner_references();
  if (owners.size() > 1)
    return no(self + "can only create pods with a single owner reference set to itself");
  if (owners.empty())
    return no(self + "can only create pods with an owner reference set to itself");
  const auto& owner = owners[0];
  if (owner.api_version() != "v1" || owner.kind() != "Node" || owner.name() != node)
    return no(self + "can only create pods with an owner reference set to itself");
  if (!owner.controller())
    return no(self + "can only create pods with a controller owner reference set to itself");
  if (owner.block_owner_deletion())
    return no(self + "must not set blockOwnerDeletion on an owner reference");
  const ApiKind& nodes = *FindApiKind("", "v1", "nodes");
  ObjectPtr found = store.Get(nodes, "", node);
  if (found == nullptr) return ApiNotFound(nodes, node);
  if (MetaOf(*found).uid() != owner.uid())
    return no("node " + node + " UID mismatch: expected " + owner.uid() + " got " +
              MetaOf(*found).uid());
  std::string reference = api::StaticPodReference(pod);
  if (!reference.empty())
    return no(self + "can not create pods that reference API objects: " + reference);
  return absl::OkStatus();
}

absl::Status CheckPod(const ApiStore& store, const std::string& node, const ApiRequestKind& request,
                      const core::Pod* current, const core::Pod* pod) {
  auto no = [&](const std::string& why) { return ApiForbidden(*request.kind, request.name, why); };
  const std::string self = "node \"" + node + "\" ";
  bool update = request.verb == "update" || request.verb == "patch";
  if (request.subresource == "status" && update) {
    if (current != nullptr && current->spec().node_name() != node)
      return no(self + "can only update pod status for pods with spec.nodeName set to itself");
    core::Pod a, b;
    if (current != nullptr) *a.mutable_metadata()->mutable_labels() = current->metadata().labels();
    if (pod != nullptr) *b.mutable_metadata()->mutable_labels() = pod->metadata().labels();
    if (current != nullptr && pod != nullptr && !SameObject(a, b))
      return no(self + "cannot update labels through pod status");
    return absl::OkStatus();
  }
  if (request.subresource == "eviction") {
    if (current != nullptr && current->spec().node_name() != node)
      return no("node " + node + " can only evict pods with spec.nodeName set to itself");
    return absl::OkStatus();
  }
  if (request.verb == "create" && request.subresource.empty())
    return pod == nullptr ? absl::OkStatus() : CheckMirrorCreate(store, node, *pod);
  if (request.verb == "delete") {
    if (current != nullptr && current->spec().node_name() != node)
      return no(self + "can only delete pods with spec.nodeName set to itself");
    return absl::OkStatus();
  }
  return no("unexpected operation, " + self + "can only create and delete mirror pods");
}

bool AllowedLabel(const std::string& key) {
  auto slash = key.find('/');
  if (slash == std::string::npos) return true;
  std::string domain = key.substr(0, slash);
  auto under = [&](const std::string& parent) {
    return domain == parent ||
           (domain.size() > parent.size() && domain.compare(domain.size() - parent.size() - 1,
                                                            std::string::npos, "." + parent) == 0);
  };
  if (!under("kubernetes.io") && !under("k8s.io")) return true;
  static const char* const kKnown[] = {"kubernetes.io/hostname",
                                       "topology.kubernetes.io/zone",
                                       "topology.kubernetes.io/region",
                                       "failure-domain.beta.kubernetes.io/zone",
                                       "failure-domain.beta.kubernetes.io/region",
                                       "node.kubernetes.io/instance-type",
                                       "beta.kubernetes.io/instance-type",
                                       "kubernetes.io/os",
                                       "kubernetes.io/arch",
                                       "beta.kubernetes.io/os",
                                       "beta.kubernetes.io/arch"};
  for (const char* known : kKnown)
    if (key == known) return true;
  return under("kubelet.kubernetes.io") || under("node.kubernetes.io");
}

absl::Status CheckLabels(const ApiRequestKind& request, const std::string& node,
                         const Object* current, const Object& object) {
  std::string bad;
  const auto& labels = MetaOf(object).labels();
  auto check = [&](const std::string& key) {
    if (!AllowedLabel(key)) bad += (bad.empty() ? "" : ", ") + key;
  };
  for (const auto& [key, value] : labels) {
    const auto* old = current == nullptr ? nullptr : &MetaOf(*current).labels();
    bool same = old != nullptr && old->count(key) != 0 && old->at(key) == value;
    if (!same) check(key);
  }
  if (current != nullptr)
    for (const auto& [key, value] : MetaOf(*current).labels())
      if (labels.count(key) == 0) check(key);
  if (bad.empty()) return absl::OkStatus();
  return ApiForbidden(
      *request.kind, request.name,
      current == nullptr
          ? "node \"" + node + "\" is not allowed to set the following labels: " + bad
          : "is not allowed to modify labels: " + bad);
}

absl::Status CheckNode(const std::string& node, const ApiRequestKind& request,
                       const core::Node* current, const core::Node* object) {
  std::string name = request.name;
  if (name.empty() && object != nullptr) name = object->metadata().name();
  if (request.verb == "delete" || request.verb == "deletecollection")
    return ApiForbidden(*request.kind, name,
                        "User \"system:node:" + node +
                            "\" cannot delete resource \"nodes\" in API group \"\" "
                            "at the cluster scope");
  if (name != node)
    return ApiForbidden(*request.kind, name,
                        "node \"" + node + "\" is not allowed to modify node \"" + name + "\"");
  if (object == nullptr) return absl::OkStatus();
  if (current != nullptr) {
    core::Node a, b;
    *a.mutable_spec()->mutable_taints() = current->spec().taints();
    *b.mutable_spec()->mutable_taints() = object->spec().taints();
    if (!SameObject(a, b))
      return ApiForbidden(*request.kind, name,
                          "node \"" + node + "\" is not allowed to modify taints");
  }
  return CheckLabels(request, node, current, *object);
}

}  // namespace

absl::Status CheckNodeAccess(const ApiStore& store, const ApiUser& user,
                             const ApiRequestKind& request, const Object* current,
                             const Object* object) {
  std::string node = user.node();
  if (node.empty()) return absl::OkStatus();
  const std::string& plural = request.kind->plural;
  bool read = request.verb == "get" || request.verb == "list" || request.verb == "watch";
  if (read) {
    bool secret = plural == "secrets" || plural == "configmaps";
    if (secret && request.name.empty())
      return ApiForbidden(*request.kind, "",
                          "User \"" + user.name + "\" cannot " + request.verb + " resource \"" +
                              plural + "\" in API group \"\" in the namespace \"" + request.ns +
                              "\": can only read resources of this type individually");
    return absl::OkStatus();
  }
  if (plural == "pods")
    return CheckPod(store, node, request, static_cast<const core::Pod*>(current),
                    static_cast<const core::Pod*>(object));
  if (plural == "nodes")
    return CheckNode(node, request, static_cast<const core::Node*>(current),
                     static_cast<const core::Node*>(object));
  if (plural == "leases" && request.ns == "kube-node-lease") {
    std::string name =
        request.name.empty() && object != nullptr ? MetaOf(*object).name() : request.name;
    if (name == node) return absl::OkStatus();
    return ApiForbidden(*request.kind, name,
                        "can only access node lease with the same name as the requesting node");
  }
  bool open = plural == "events" || plural == "leases" || plural == "certificatesigningrequests" ||
              plural == "serviceaccounts" || plural == "csinodes" || plural == "resourceslices" ||
              request.subresource == "status";
  if (open) return absl::OkStatus();
  return ApiForbidden(*request.kind, request.name,
                      "User \"" + user.name + "\" cannot " + request.verb + " resource \"" +
                          plural + "\" in API group \"" + request.kind->group + "\"");
}

}  // namespace kubelet::fakes
