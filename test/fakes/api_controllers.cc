#include "fakes/api_controllers.h"

#include <algorithm>

#include "fakes/api_errors.h"
#include "k8s/certificates/v1/certificates.pb.h"
#include "k8s/core/v1/config.pb.h"
#include "k8s/core/v1/namespace.pb.h"
#include "k8s/core/v1/node.pb.h"
#include "k8s/core/v1/service.pb.h"
#include "kubelet/api/time.h"

namespace kubelet::fakes {
namespace {

namespace core = api::core;
using ::k8s::io::api::certificates::v1::CertificateSigningRequest;

const ApiKind& Kind(const char* plural) { return *FindApiKind("", "v1", plural); }

ApiRegistry::Context As(const char* name) { return {{name, "", {"system:masters"}}, false}; }

bool Tolerates(const core::Pod& pod, const core::Taint& taint) {
  const auto& all = pod.spec().tolerations();
  return std::any_of(all.begin(), all.end(), [&](const core::Toleration& toleration) {
    if (!toleration.effect().empty() && toleration.effect() != taint.effect()) return false;
    if (!toleration.key().empty() && toleration.key() != taint.key()) return false;
    return toleration.operator_() == "Exists" || toleration.value() == taint.value();
  });
}

// Why the pod cannot go there; empty when it can.
std::string Obstacle(const core::Pod& pod, const core::Node& node) {
  if (node.spec().unschedulable()) return "node(s) were unschedulable";
  for (const auto& taint : node.spec().taints()) {
    if (taint.effect() == "PreferNoSchedule" || Tolerates(pod, taint)) continue;
    return "node(s) had untolerated taint(s)";
  }
  for (const auto& [key, value] : pod.spec().node_selector()) {
    auto found = node.metadata().labels().find(key);
    if (found == node.metadata().labels().end() || found->second != value)
      return "node(s) didn't match Pod's node affinity/selector";
  }
  return "";
}

bool HasCondition(const CertificateSigningRequest& csr, const std::string& type) {
  const auto& all = csr.status().conditions();
  return std::any_of(all.begin(), all.end(), [&](const auto& c) { return c.type() == type; });
}

}  // namespace

ApiControllers::ApiControllers(ApiRegistry& registry, base::Clock& clock, Options options)
    : registry_(registry), clock_(clock), options_(std::move(options)) {
  listener_ =
      registry_.store().Listen([this](const ApiStore::Change& change) { OnChange(change); });
}

ApiControllers::~ApiControllers() {
  *alive_ = false;
  registry_.store().Unlisten(listener_);
}

void ApiControllers::OnChange(const ApiStore::Change& change) {
  const std::string& plural = change.kind->plural;
  bool deleted = change.type == ApiStore::Change::Type::kDeleted;
  if (plural == "pods" && !deleted) OnPod(*change.object);
  if (plural == "nodes" && !deleted) OnNode(*change.object);
  if (plural == "certificatesigningrequests" && !deleted) OnCsr(change);
  if (plural == "namespaces" && !deleted) OnNamespace(change);
  if (deleted && change.kind->namespaced) FinishNamespace(MetaOf(*change.object).namespace_());
}

void ApiControllers::OnPod(const Object& object) {
  const auto& pod = static_cast<const core::Pod&>(object);
  bool waiting =
      pod.spec().node_name().empty() && !pod.metadata().has_deletion_timestamp() &&
      pod.spec().scheduling_gates_size() == 0 &&
      (pod.spec().scheduler_name().empty() || pod.spec().scheduler_name() == "default-scheduler");
  if (!options_.schedule || !waiting) return;
  auto nodes = registry_.store().List(Kind("nodes"), "");
  std::string obstacle;
  for (const ObjectPtr& node : nodes) {
    obstacle = Obstacle(pod, static_cast<const core::Node&>(*node));
    if (!obstacle.empty()) continue;
    registry_
        .Bind(As("system:kube-scheduler"), pod.metadata().namespace_(), pod.metadata().name(),
              pod.metadata().uid(), MetaOf(*node).name())
        .IgnoreError();
    return;
  }
  std::string all = std::to_string(nodes.size());
  MarkUnschedulable(
      object, nodes.empty() ? "no nodes available to schedule pods"
                            : "0/" + all + " nodes are available: " + all + " " + obstacle + ".");
}

void ApiControllers::MarkUnschedulable(const Object& object, const std::string& message) {
  ApiRegistry::Target target{&Kind("pods"), MetaOf(object).namespace_(), MetaOf(object).name(),
                             "status"};
  auto change = [&](const Object& current) -> absl::StatusOr<NewObject> {
    NewObject next = CopyOf(current);
    auto& status = *static_cast<core::Pod&>(*next).mutable_status();
    core::PodCondition* condition = nullptr;
    for (auto& one : *status.mutable_conditions())
      if (one.type() == "PodScheduled") condition = &one;
    if (condition == nullptr) {
      condition = status.add_conditions();
      condition->set_type("PodScheduled");
      *condition->mutable_last_transition_time() = api::ToTime(clock_.Now());
    }
    condition->set_status("False");
    condition->set_reason("Unschedulable");
    condition->set_message(message);
    condition->set_observed_generation(MetaOf(*next).generation());
    return next;
  };
  registry_.Update(As("system:kube-scheduler"), target, "patch", change).IgnoreError();
}

void ApiControllers::OnNode(const Object& object) {
  const auto& node = static_cast<const core::Node&>(object);
  bool ready = false;
  for (const auto& condition : node.status().conditions())
    ready |= condition.type() == "Ready" && condition.status() == "True";
  auto not_ready = [](const core::Taint& taint) {
    return taint.key() == "node.kubernetes.io/not-ready" && taint.effect() == "NoSchedule";
  };
  const auto& taints = node.spec().taints();
  bool tainted = std::any_of(taints.begin(), taints.end(), not_ready);
  if (options_.taint && tainted == ready) {
    ApiRegistry::Target target{&Kind("nodes"), "", node.metadata().name(), ""};
    auto change = [&](const Object& current) -> absl::StatusOr<NewObject> {
      NewObject next = CopyOf(current);
      auto& list = *static_cast<core::Node&>(*next).mutable_spec()->mutable_taints();
      list.erase(std::remove_if(list.begin(), list.end(), not_ready), list.end());
      if (!ready) {
        auto* taint = list.Add();
        taint->set_key("node.kubernetes.io/not-ready");
        taint->set_effect("NoSchedule");
      }
      return next;
    };
    registry_
        .Update(As("system:serviceaccount:kube-system:node-controller"), target, "patch", change)
        .IgnoreError();
  }
  for (const ObjectPtr& pod : registry_.store().List(Kind("pods"), ""))
    if (static_cast<const core::Pod&>(*pod).spec().node_name().empty()) OnPod(*pod);
}

absl::Status ApiControllers::Decide(const std::string& name, bool approve) {
  ApiRegistry::Target target{FindApiKind("certificates.k8s.io", "v1", "certificatesigningrequests"),
                             "", name, "approval"};
  auto change = [&](const Object& current) -> absl::StatusOr<NewObject> {
    NewObject next = CopyOf(current);
    auto& csr = static_cast<CertificateSigningRequest&>(*next);
    auto& condition = *csr.mutable_status()->add_conditions();
    condition.set_type(approve ? "Approved" : "Denied");
    condition.set_status("True");
    condition.set_reason(approve ? "AutoApproved" : "AutoDenied");
    condition.set_message("by the test API server");
    *condition.mutable_last_update_time() = api::ToTime(clock_.Now());
    *condition.mutable_last_transition_time() = api::ToTime(clock_.Now());
    return next;
  };
  return registry_.Update(As("system:controller"), target, "update", change).status();
}

void ApiControllers::OnCsr(const ApiStore::Change& change) {
  const auto& csr = static_cast<const CertificateSigningRequest&>(*change.object);
  if (HasCondition(csr, "Failed")) return;
  if (HasCondition(csr, "Approved") && csr.status().certificate().empty()) {
    Issue(csr);
    return;
  }
  bool fresh = change.type == ApiStore::Change::Type::kAdded;
  if (!fresh || options_.approval == Options::Approval::kManual) return;
  bool approve = options_.approval == Options::Approval::kAuto;
  std::string name = csr.metadata().name();
  if (options_.approval_delay == base::Nanos(0)) {
    Decide(name, approve).IgnoreError();
    return;
  }
  clock_.After(options_.approval_delay, [this, alive = alive_, name, approve] {
    if (*alive) Decide(name, approve).IgnoreError();
  });
}

void ApiControllers::Issue(const Object& object) {
  const auto& csr = static_cast<const CertificateSigningRequest&>(object);
  if (!options_.sign) return;
  auto life = options_.certificate_life;
  if (csr.spec().has_expiration_seconds())
    life = std::min(life, std::chrono::seconds(csr.spec().expiration_seconds()));
  std::string certificate = options_.sign(csr.spec().request(), life);
  ApiRegistry::Target target{&ApiKindOf(object), "", csr.metadata().name(), "status"};
  auto change = [&](const Object& current) -> absl::StatusOr<NewObject> {
    NewObject next = CopyOf(current);
    auto& status = *static_cast<CertificateSigningRequest&>(*next).mutable_status();
    if (!certificate.empty()) {
      status.set_certificate(certificate);
      return next;
    }
    auto& condition = *status.add_conditions();
    condition.set_type("Failed");
    condition.set_status("True");
    condition.set_reason("SignerValidationFailure");
    condition.set_message("spec.request is no certificate request");
    return next;
  };
  registry_.Update(As("system:controller"), target, "update", change).IgnoreError();
}

void ApiControllers::OnNamespace(const ApiStore::Change& change) {
  std::string name = MetaOf(*change.object).name();
  if (MetaOf(*change.object).has_deletion_timestamp()) {
    EmptyNamespace(name);
    return;
  }
  if (change.type != ApiStore::Change::Type::kAdded) return;
  auto account = std::make_unique<core::ServiceAccount>();
  account->mutable_metadata()->set_name("default");
  account->mutable_metadata()->set_namespace_(name);
  registry_.Create(As("system:controller"), std::move(account)).IgnoreError();
  auto map = std::make_unique<core::ConfigMap>();
  map->mutable_metadata()->set_name("kube-root-ca.crt");
  map->mutable_metadata()->set_namespace_(name);
  (*map->mutable_data())["ca.crt"] = options_.ca_certificate;
  registry_.Create(As("system:controller"), std::move(map)).IgnoreError();
}

void ApiControllers::EmptyNamespace(const std::string& name) {
  for (const ApiKind& kind : ApiKinds()) {
    if (!kind.namespaced) continue;
    auto all = ApiSelector::Parse(kind, "", "");
    registry_.DeleteCollection(As("system:controller"), kind, name, *all, {}).IgnoreError();
  }
  FinishNamespace(name);
}

void ApiControllers::FinishNamespace(const std::string& name) {
  ObjectPtr ns = registry_.store().Get(Kind("namespaces"), "", name);
  if (ns == nullptr || !MetaOf(*ns).has_deletion_timestamp()) return;
  for (const ApiKind& kind : ApiKinds())
    if (kind.namespaced && !registry_.store().List(kind, name).empty()) return;
  registry_.store().Erase(Kind("namespaces"), "", name).IgnoreError();
}

}  // namespace kubelet::fakes
