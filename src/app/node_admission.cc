#include "app/node_admission.h"

#include <algorithm>

#include "app/node_options.h"
#include "kubelet/api/pod.h"

namespace kubelet::app {

NodeLook::NodePtr NodeAdmission::KnownNode() const {
  auto known = deps_.cluster != nullptr ? deps_.cluster->KnownNode() : nullptr;
  return look_ ? look_->Newest(known) : known;
}

admission::Amounts NodeAdmission::Allocatable() const {
  auto known = KnownNode();
  static const api::core::NodeStatus kNothing;
  return admission::AmountsOf(node::ComputeAllocatable(known ? known->status() : kNothing,
                                                       MachineFacts(deps_.config, deps_.node),
                                                       MakeNodeOptions(deps_.config, deps_.node)));
}

admission::NodeFacts NodeAdmission::Facts() const {
  const Node& node = deps_.node;
  auto options = MakeNodeOptions(deps_.config, node);
  auto known = KnownNode();
  api::core::Node object;
  if (!known) {
    auto facts = MachineFacts(deps_.config, node);
    object = node::MakeInitialNode(facts, options, deps_.clock.Now()).node;
  }
  const api::core::Node& seen = known ? *known : object;
  admission::NodeFacts out;
  out.name = node.name;
  const auto& labels = seen.metadata().labels();
  out.labels.insert(labels.begin(), labels.end());
  out.labels_known = known != nullptr || deps_.cluster == nullptr;
  out.taints.assign(seen.spec().taints().begin(), seen.spec().taints().end());
  out.allocatable = Allocatable();
  // A runtime that has not said what it can do is taken at the word of the Node, and else refuses
  // by itself.
  const auto& features = seen.status().features();
  bool told = !features.has_supplemental_groups_policy() || features.supplemental_groups_policy();
  out.supplemental_groups_policy = node.runtime_answered ? node.supplemental_groups_policy : told;
  auto pressures = deps_.pressures();
  out.memory_pressure = pressures.memory;
  out.disk_pressure = pressures.disk;
  out.pid_pressure = pressures.pid;
  out.shutting_down = deps_.shutting_down();
  out.apparmor = node.apparmor;
  out.sysctls = node.sysctls;
  if (const auto& declared = options.declared_features)
    out.declared_features.emplace(declared->begin(), declared->end());
  out.pod_level_resources = deps_.config.gates.Enabled("PodLevelResources");
  out.numeric_tolerations = deps_.config.gates.Enabled("TaintTolerationComparisonOperators");
  return out;
}

// pkg/kubelet/cm/admission, devicemanager sanitizeNodeAllocatable.
std::optional<admission::Rejection> NodeAdmission::GiveDevices(const api::core::Pod& pod,
                                                               admission::Amounts& allocatable) {
  if (auto why = deps_.devices->Admit(pod)) return DevicesRefused(*why);
  if (!deps_.devices->Holds(pod.metadata().uid())) return std::nullopt;
  for (const auto& [name, count] : deps_.devices->InUse()) {
    int64_t& known = allocatable[name];
    known = std::max(known, count);
  }
  return std::nullopt;
}

admission::Rejection DevicesRefused(const std::string& why) {
  return {"UnexpectedAdmissionError", "Allocate failed due to " + why + ", which is unexpected"};
}

worker::Judgement NodeAdmission::Judge(const api::core::Pod& pod) {
  std::vector<admission::PodAdmission::Other> others;
  for (auto& active : deps_.active()) {
    if (deps_.allocated) active.pod = deps_.allocated(active.pod);
    others.push_back({std::move(active.pod), active.leaving});
  }
  auto facts = Facts();
  bool held = false;
  if (deps_.devices != nullptr) {
    held = deps_.devices->Holds(pod.metadata().uid());
    facts.devices = [this](const api::core::Pod& judged, admission::Amounts& allocatable) {
      return GiveDevices(judged, allocatable);
    };
  }
  auto result = admission_.Judge(pod, facts, others, deps_.assign);
  // What was reserved for a pod that another handler refuses is free again.
  if (deps_.devices != nullptr && result.decision.rejection && !held)
    deps_.devices->Release(pod.metadata().uid());
  worker::Judgement out;
  if (const auto& rejection = result.decision.rejection) {
    const std::string& uid = pod.metadata().uid();
    if (deps_.unassign) deps_.unassign(uid);
    bool for_labels = rejection->reason == "NodeAffinity" && look_ && !api::IsStatic(pod);
    if (for_labels && look_->Doubts(uid)) {
      out.later = true;
      return out;
    }
    out.rejection = worker::Rejection{rejection->reason, rejection->message,
                                      admission::MetricReason(rejection->reason)};
  }
  out.preempt = std::move(result.decision.preempt);
  out.preempt_for = std::move(result.decision.preempt_for);
  out.after = std::move(result.after);
  return out;
}

}  // namespace kubelet::app
