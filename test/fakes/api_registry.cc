#include "fakes/api_registry.h"

#include "fakes/api_errors.h"
#include "k8s/core/v1/namespace.pb.h"
#include "k8s/core/v1/service.pb.h"
#include "kubelet/api/time.h"
#include "kubelet/base/status.h"

namespace kubelet::fakes {
namespace {

namespace core = api::core;

absl::Status CheckPreconditions(const Object& current, const ApiDeleteOptions& options) {
  const auto& meta = MetaOf(current);
  const ApiKind& kind = ApiKindOf(current);
  if (!options.uid.empty() && options.uid != meta.uid())
    return ApiProblem(409, "Conflict",
                      "Operation cannot be fulfilled on " + kind.kind + " \"" + meta.name() +
                          "\": the UID in the precondition (" + options.uid +
                          ") does not match the UID in record (" + meta.uid() +
                          "). The object might have been deleted and then recreated");
  if (!options.resource_version.empty() && options.resource_version != meta.resource_version())
    return ApiProblem(409, "Conflict",
                      "Operation cannot be fulfilled on " + kind.kind + " \"" + meta.name() +
                          "\": the ResourceVersion in the precondition (" +
                          options.resource_version +
                          ") does not match the ResourceVersion in record (" +
                          meta.resource_version() + "). The object might have been modified");
  return absl::OkStatus();
}

core::PodCondition& SetCondition(core::Pod& pod, const std::string& type, base::WallTime now) {
  for (auto& condition : *pod.mutable_status()->mutable_conditions()) {
    if (condition.type() != type) continue;
    if (condition.status() != "True") *condition.mutable_last_transition_time() = api::ToTime(now);
    condition.set_status("True");
    condition.clear_reason();
    condition.clear_message();
    condition.clear_observed_generation();
    return condition;
  }
  auto& condition = *pod.mutable_status()->add_conditions();
  condition.set_type(type);
  condition.set_status("True");
  *condition.mutable_last_transition_time() = api::ToTime(now);
  return condition;
}

ApiUser System() { return {"system:apiserver", "", {"system:masters"}}; }

}  // namespace

ApiRegistry::ApiRegistry(ApiStore& store) : store_(store) {}

void ApiRegistry::Bootstrap() {
  Context context{System(), false};
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    auto ns = std::make_unique<core::Namespace>();
    ns->mutable_metadata()->set_name(name);
    Create(context, std::move(ns)).IgnoreError();
  }
  auto service = std::make_unique<core::Service>();
  service->mutable_metadata()->set_name("kubernetes");
  service->mutable_metadata()->set_namespace_("default");
  (*service->mutable_metadata()->mutable_labels())["component"] = "apiserver";
  (*service->mutable_metadata()->mutable_labels())["provider"] = "kubernetes";
  service->mutable_spec()->set_cluster_ip("10.96.0.1");
  auto& port = *service->mutable_spec()->add_ports();
  port.set_name("https");
  port.set_port(443);
  port.mutable_target_port()->set_int_val(6443);
  Create(context, std::move(service)).IgnoreError();
}

absl::StatusOr<ObjectPtr> ApiRegistry::Get(const Target& target) const {
  ObjectPtr object = store_.Get(*target.kind, target.ns, target.name);
  if (object == nullptr) return ApiNotFound(*target.kind, target.name);
  return object;
}

absl::StatusOr<ObjectPtr> ApiRegistry::Create(const Context& context, NewObject object) {
  const ApiKind& kind = ApiKindOf(*object);
  ApiRequestKind request{"create", &kind, MetaOf(*object).namespace_(), "", ""};
  RETURN_IF_ERROR(PrepareCreate(store_, context.user, *object, store_.RandomSuffix()));
  RETURN_IF_ERROR(CheckNodeAccess(store_, context.user, request, nullptr, object.get()));
  return store_.Create(std::move(object), context.dry_run);
}

absl::StatusOr<ObjectPtr> ApiRegistry::Update(const Context& context, const Target& target,
                                              const std::string& verb, const Modifier& change) {
  ObjectPtr current = store_.Get(*target.kind, target.ns, target.name);
  if (current == nullptr) return ApiNotFound(*target.kind, target.name);
  auto next = change(*current);
  RETURN_IF_ERROR(next.status());
  RETURN_IF_ERROR(PrepareUpdate(verb, target.subresource, *current, **next));
  ApiRequestKind request{verb, target.kind, target.ns, target.name, target.subresource};
  RETURN_IF_ERROR(CheckNodeAccess(store_, context.user, request, current.get(), next->get()));
  const auto& meta = MetaOf(**next);
  bool finalised = meta.has_deletion_timestamp() && meta.finalizers_size() == 0 &&
                   meta.deletion_grace_period_seconds() == 0;
  // The change itself is not stored: watchers see the deletion alone.
  if (finalised && MetaOf(*current).finalizers_size() > 0)
    return store_.Erase(*target.kind, target.ns, target.name, context.dry_run);
  return store_.Replace(*std::move(next), context.dry_run);
}

absl::StatusOr<ApiRegistry::Deleted> ApiRegistry::Remove(const Context& context,
                                                         const Object& current) {
  const ApiKind& kind = ApiKindOf(current);
  const auto& meta = MetaOf(current);
  Deleted deleted;
  if (meta.finalizers_size() > 0) {
    NewObject next = CopyOf(current);
    auto& next_meta = MetaOf(*next);
    if (!next_meta.has_deletion_timestamp())
      *next_meta.mutable_deletion_timestamp() = api::ToTime(store_.Now());
    next_meta.set_deletion_grace_period_seconds(0);
    auto stored = store_.Replace(std::move(next), context.dry_run);
    RETURN_IF_ERROR(stored.status());
    deleted.object = *stored;
    return deleted;
  }
  auto erased = store_.Erase(kind, meta.namespace_(), meta.name(), context.dry_run);
  RETURN_IF_ERROR(erased.status());
  deleted.object = *erased;
  deleted.gone = true;
  return deleted;
}

absl::StatusOr<ApiRegistry::Deleted> ApiRegistry::DeletePod(const Context& context,
                                                            const ObjectPtr& current,
                                                            const ApiDeleteOptions& options) {
  auto next = std::make_unique<core::Pod>(static_cast<const core::Pod&>(*current));
  switch (BeginPodDeletion(store_.Now(), options.grace_period_seconds, *next)) {
    case PodDeletion::kPending:
      return Deleted{current, false};
    case PodDeletion::kNow: {
      // Watchers see a change with a grace of 0 before it goes.
      auto marked = store_.Replace(std::move(next), context.dry_run);
      RETURN_IF_ERROR(marked.status());
      return Remove(context, **marked);
    }
    case PodDeletion::kGraceful:
      break;
  }
  auto stored = store_.Replace(std::move(next), context.dry_run);
  RETURN_IF_ERROR(stored.status());
  return Deleted{*stored, false};
}

absl::StatusOr<ApiRegistry::Deleted> ApiRegistry::Delete(const Context& context,
                                                         const Target& target,
                                                         const ApiDeleteOptions& options) {
  ObjectPtr current = store_.Get(*target.kind, target.ns, target.name);
  if (current == nullptr) return ApiNotFound(*target.kind, target.name);
  ApiRequestKind request{"delete", target.kind, target.ns, target.name, target.subresource};
  RETURN_IF_ERROR(CheckNodeAccess(store_, context.user, request, current.get(), nullptr));
  RETURN_IF_ERROR(CheckPreconditions(*current, options));
  if (target.kind->plural == "pods") return DeletePod(context, current, options);
  if (target.kind->plural == "namespaces") {
    auto next = std::make_unique<core::Namespace>(static_cast<const core::Namespace&>(*current));
    if (!next->metadata().has_deletion_timestamp())
      *next->mutable_metadata()->mutable_deletion_timestamp() = api::ToTime(store_.Now());
    next->mutable_status()->set_phase("Terminating");
    auto stored = store_.Replace(std::move(next), context.dry_run);
    RETURN_IF_ERROR(stored.status());
    return Deleted{*stored, false};
  }
  return Remove(context, *current);
}

absl::StatusOr<std::vector<ObjectPtr>> ApiRegistry::DeleteCollection(
    const Context& context, const ApiKind& kind, const std::string& ns, const ApiSelector& selector,
    const ApiDeleteOptions& options) {
  std::vector<ObjectPtr> deleted;
  for (const ObjectPtr& object : store_.List(kind, ns)) {
    if (!selector.Matches(*object)) continue;
    Target target{&kind, MetaOf(*object).namespace_(), MetaOf(*object).name(), ""};
    auto result = Delete(context, target, options);
    if (absl::IsNotFound(result.status())) continue;
    RETURN_IF_ERROR(result.status());
    deleted.push_back(result->object);
  }
  return deleted;
}

absl::Status ApiRegistry::Evict(const Context& context, const std::string& ns,
                                const std::string& name, const ApiDeleteOptions& options) {
  const ApiKind& kind = *FindApiKind("", "v1", "pods");
  ObjectPtr current = store_.Get(kind, ns, name);
  if (current == nullptr) return ApiNotFound(kind, name);
  RETURN_IF_ERROR(CheckPreconditions(*current, options));
  auto pod = std::make_unique<core::Pod>(static_cast<const core::Pod&>(*current));
  auto& condition = SetCondition(*pod, "DisruptionTarget", store_.Now());
  condition.set_reason("EvictionByEvictionAPI");
  condition.set_message("Eviction API: evicting");
  RETURN_IF_ERROR(store_.Replace(std::move(pod), context.dry_run).status());
  ApiDeleteOptions rest = options;
  rest.resource_version.clear();
  return Delete(context, {&kind, ns, name, ""}, rest).status();
}

absl::Status ApiRegistry::Bind(const Context& context, const std::string& ns,
                               const std::string& name, const std::string& uid,
                               const std::string& node) {
  const ApiKind& kind = *FindApiKind("", "v1", "pods");
  ObjectPtr current = store_.Get(kind, ns, name);
  if (current == nullptr) return ApiNotFound(kind, name);
  auto pod = std::make_unique<core::Pod>(static_cast<const core::Pod&>(*current));
  if (!uid.empty() && uid != pod->metadata().uid())
    return ApiConflict(kind, name,
                       "Precondition failed: UID in precondition: " + uid +
                           ", UID in object meta: " + pod->metadata().uid());
  if (pod->metadata().has_deletion_timestamp())
    return ApiConflict(kind, name,
                       "pod " + name + " is being deleted, cannot be assigned to a host");
  if (!pod->spec().node_name().empty())
    return ApiConflict(
        kind, name,
        "pod " + name + " is already assigned to node \"" + pod->spec().node_name() + "\"");
  if (pod->spec().scheduling_gates_size() > 0)
    return ApiConflict(kind, name, "pod " + name + " has non-empty .spec.schedulingGates");
  pod->mutable_spec()->set_node_name(node);
  SetCondition(*pod, "PodScheduled", store_.Now());
  return store_.Replace(std::move(pod), context.dry_run).status();
}

}  // namespace kubelet::fakes
