#include <algorithm>

#include "api/validation_checks.h"

namespace kubelet::api {
namespace {

using Strings = google::protobuf::RepeatedPtrField<std::string>;

void CheckNodeExpression(const core::NodeSelectorRequirement& term, bool check_values,
                         const Path& path, Errors& errors) {
  const std::string& op = term.operator_();
  const Path values = path.Child("values");
  if (op == "In" || op == "NotIn") {
    if (term.values().empty()) errors.Required(values, "must be specified with operator " + op);
  } else if (op == "Exists" || op == "DoesNotExist") {
    if (!term.values().empty())
      errors.Forbidden(values, "may not be specified with operator " + op);
  } else if (op == "Gt" || op == "Lt") {
    if (term.values_size() != 1) errors.Required(values, "must be one value with operator " + op);
  } else {
    errors.Invalid(path.Child("operator"), op, "not a valid selector operator");
  }
  errors.Invalid(path.Child("key"), term.key(), QualifiedNameProblems(term.key()));
  for (int i = 0; check_values && i < term.values_size(); ++i) {
    errors.Invalid(values.Index(i), term.values(i), LabelValueProblems(term.values(i)));
  }
}

void CheckNodeField(const core::NodeSelectorRequirement& term, const Path& path, Errors& errors) {
  if (term.operator_() != "In" && term.operator_() != "NotIn") {
    errors.Invalid(path.Child("operator"), term.operator_(), "not a valid selector operator");
  } else if (term.values_size() != 1) {
    errors.Required(path.Child("values"), "must be one value for a field selector");
  }
  if (term.key() != "metadata.name") {
    errors.Invalid(path.Child("key"), term.key(), "not a valid field selector key");
    return;
  }
  for (int i = 0; i < term.values_size(); ++i) {
    errors.Invalid(path.Child("values").Index(i), term.values(i),
                   DnsSubdomainProblems(term.values(i)));
  }
}

void CheckNodeTerm(const core::NodeSelectorTerm& term, bool check_values, const Path& path,
                   Errors& errors) {
  for (int i = 0; i < term.match_expressions_size(); ++i) {
    CheckNodeExpression(term.match_expressions(i), check_values,
                        path.Child("matchExpressions").Index(i), errors);
  }
  for (int i = 0; i < term.match_fields_size(); ++i) {
    CheckNodeField(term.match_fields(i), path.Child("matchFields").Index(i), errors);
  }
}

void CheckWeight(int32_t weight, const Path& path, Errors& errors) {
  if (weight < 1 || weight > 100) {
    errors.Invalid(path.Child("weight"), weight, "must be in the range 1-100");
  }
}

void CheckNodeAffinity(const core::NodeAffinity& affinity, const Path& path, Errors& errors) {
  if (affinity.has_required_during_scheduling_ignored_during_execution()) {
    const auto& terms =
        affinity.required_during_scheduling_ignored_during_execution().node_selector_terms();
    const Path at =
        path.Child("requiredDuringSchedulingIgnoredDuringExecution").Child("nodeSelectorTerms");
    if (terms.empty()) errors.Required(at, "must have at least one node selector term");
    for (int i = 0; i < terms.size(); ++i) {
      CheckNodeTerm(terms[i], /*check_values=*/true, at.Index(i), errors);
    }
  }
  const auto& preferred = affinity.preferred_during_scheduling_ignored_during_execution();
  for (int i = 0; i < preferred.size(); ++i) {
    const Path at = path.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i);
    CheckWeight(preferred[i].weight(), at, errors);
    // A preference with a value that no node can have does no harm.
    CheckNodeTerm(preferred[i].preference(), /*check_values=*/false, at.Child("preference"),
                  errors);
  }
}

// Keys that take their values from the pod's own labels.
void CheckLabelKeys(const Strings& keys, bool has_selector, const Path& path, Errors& errors) {
  if (keys.empty()) return;
  if (!has_selector) {
    return errors.Forbidden(path, "must not be specified when labelSelector is not set");
  }
  for (int i = 0; i < keys.size(); ++i) {
    errors.Invalid(path.Index(i), keys[i], QualifiedNameProblems(keys[i]));
  }
}

// A key merged into the selector shows up there once; twice means that it was in before.
void CheckMergedKeys(const Strings& keys, const meta::LabelSelector& selector, const Path& path,
                     Errors& errors) {
  std::set<std::string> selected;
  for (const auto& [key, value] : selector.match_labels()) selected.insert(key);
  for (const auto& expression : selector.match_expressions()) {
    auto it = std::find(keys.begin(), keys.end(), expression.key());
    if (it != keys.end() && selected.count(*it) > 0) {
      errors.Invalid(path.Index(static_cast<int>(it - keys.begin())), *it,
                     "exists in both matchLabelKeys and labelSelector");
    }
    selected.insert(expression.key());
  }
}

void CheckPodTerm(const core::PodAffinityTerm& term, const Path& path, Errors& errors) {
  CheckLabelSelector(term.label_selector(), path.Child("labelSelector"), errors);
  CheckLabelSelector(term.namespace_selector(), path.Child("namespaceSelector"), errors);
  for (int i = 0; i < term.namespaces_size(); ++i) {
    errors.Invalid(path.Child("namespaces").Index(i), term.namespaces(i),
                   DnsLabelProblems(term.namespaces(i)));
  }
  const Path match = path.Child("matchLabelKeys");
  CheckLabelKeys(term.match_label_keys(), term.has_label_selector(), match, errors);
  CheckLabelKeys(term.mismatch_label_keys(), term.has_label_selector(),
                 path.Child("mismatchLabelKeys"), errors);
  CheckMergedKeys(term.match_label_keys(), term.label_selector(), match, errors);
  for (int i = 0; i < term.match_label_keys_size(); ++i) {
    const auto& other = term.mismatch_label_keys();
    if (std::find(other.begin(), other.end(), term.match_label_keys(i)) == other.end()) continue;
    errors.Invalid(match.Index(i), term.match_label_keys(i),
                   "exists in both matchLabelKeys and mismatchLabelKeys");
  }
  if (term.topology_key().empty()) {
    errors.Required(path.Child("topologyKey"), "can not be empty");
  } else {
    errors.Invalid(path.Child("topologyKey"), term.topology_key(),
                   QualifiedNameProblems(term.topology_key()));
  }
}

// PodAffinity and PodAntiAffinity.
template <typename PodTerms>
void CheckPodTerms(const PodTerms& affinity, const Path& path, Errors& errors) {
  const auto& required = affinity.required_during_scheduling_ignored_during_execution();
  for (int i = 0; i < required.size(); ++i) {
    CheckPodTerm(required[i], path.Child("requiredDuringSchedulingIgnoredDuringExecution").Index(i),
                 errors);
  }
  const auto& preferred = affinity.preferred_during_scheduling_ignored_during_execution();
  for (int i = 0; i < preferred.size(); ++i) {
    const Path at = path.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i);
    CheckWeight(preferred[i].weight(), at, errors);
    CheckPodTerm(preferred[i].pod_affinity_term(), at.Child("podAffinityTerm"), errors);
  }
}

void CheckTolerationOperator(const core::Toleration& toleration, const Path& path, Errors& errors) {
  const std::string& op = toleration.operator_();
  if (op.empty() || op == "Equal") {
    errors.Invalid(path.Child("value"), toleration.value(), LabelValueProblems(toleration.value()));
  } else if (op == "Exists") {
    if (!toleration.value().empty()) {
      errors.Invalid(path.Child("value"), toleration.value(),
                     "value must be empty when `operator` is 'Exists'");
    }
  } else {
    // Gt and Lt wait for a gate that is off by default.
    errors.NotSupported(path.Child("operator"), op, {"Equal", "Exists"});
  }
}

void CheckSpreadPolicy(bool present, const std::string& policy, const Path& path, Errors& errors) {
  if (present && policy != "Honor" && policy != "Ignore") {
    errors.NotSupported(path, policy, {"Honor", "Ignore"});
  }
}

void CheckConstraint(const core::TopologySpreadConstraint& constraint, const Path& path,
                     Errors& errors) {
  const std::string& action = constraint.when_unsatisfiable();
  if (constraint.max_skew() <= 0) {
    errors.Invalid(path.Child("maxSkew"), constraint.max_skew(), "must be greater than zero");
  }
  if (constraint.topology_key().empty()) {
    errors.Required(path.Child("topologyKey"), "can not be empty");
  }
  if (action != "DoNotSchedule" && action != "ScheduleAnyway") {
    errors.NotSupported(path.Child("whenUnsatisfiable"), action,
                        {"DoNotSchedule", "ScheduleAnyway"});
  }
  if (constraint.has_min_domains()) {
    const Path at = path.Child("minDomains");
    if (constraint.min_domains() <= 0) {
      errors.Invalid(at, constraint.min_domains(), "must be greater than zero");
    }
    if (action != "DoNotSchedule") {
      errors.Invalid(at, constraint.min_domains(),
                     "needs whenUnsatisfiable=DoNotSchedule, not " + action);
    }
  }
  CheckSpreadPolicy(constraint.has_node_affinity_policy(), constraint.node_affinity_policy(),
                    path.Child("nodeAffinityPolicy"), errors);
  CheckSpreadPolicy(constraint.has_node_taints_policy(), constraint.node_taints_policy(),
                    path.Child("nodeTaintsPolicy"), errors);
  const Path keys = path.Child("matchLabelKeys");
  CheckLabelKeys(constraint.match_label_keys(), constraint.has_label_selector(), keys, errors);
  CheckMergedKeys(constraint.match_label_keys(), constraint.label_selector(), keys, errors);
  CheckLabelSelector(constraint.label_selector(), path.Child("labelSelector"), errors);
}

}  // namespace

void CheckAffinity(const core::Affinity& affinity, const Path& path, Errors& errors) {
  CheckNodeAffinity(affinity.node_affinity(), path.Child("nodeAffinity"), errors);
  CheckPodTerms(affinity.pod_affinity(), path.Child("podAffinity"), errors);
  CheckPodTerms(affinity.pod_anti_affinity(), path.Child("podAntiAffinity"), errors);
}

void CheckTolerations(const google::protobuf::RepeatedPtrField<core::Toleration>& tolerations,
                      const Path& path, Errors& errors) {
  for (int i = 0; i < tolerations.size(); ++i) {
    const core::Toleration& toleration = tolerations[i];
    const Path at = path.Index(i);
    if (!toleration.key().empty()) {
      errors.Invalid(at.Child("key"), toleration.key(), QualifiedNameProblems(toleration.key()));
    } else if (toleration.operator_() != "Exists") {
      errors.Invalid(at.Child("operator"), toleration.operator_(),
                     "must be Exists when `key` is empty, which matches all keys and values");
    }
    if (toleration.has_toleration_seconds() && toleration.effect() != "NoExecute") {
      errors.Invalid(at.Child("effect"), toleration.effect(),
                     "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    CheckTolerationOperator(toleration, at, errors);
    if (!toleration.effect().empty()) {
      errors.OneOf(at.Child("effect"), toleration.effect(),
                   {"NoSchedule", "PreferNoSchedule", "NoExecute"});
    }
  }
}

void CheckSpread(const core::PodSpec& spec, const Path& path, Errors& errors) {
  std::set<std::string> seen;
  for (int i = 0; i < spec.topology_spread_constraints_size(); ++i) {
    const core::TopologySpreadConstraint& constraint = spec.topology_spread_constraints(i);
    CheckConstraint(constraint, path.Index(i), errors);
    std::string pair =
        "{" + constraint.topology_key() + ", " + constraint.when_unsatisfiable() + "}";
    if (!seen.insert(pair).second) {
      errors.Duplicate(path.Index(i).Child("{topologyKey, whenUnsatisfiable}"), pair);
    }
  }
}

}  // namespace kubelet::api
