// Labels and taints: where a pod wants to be and what it bears.
#include <algorithm>
#include <charconv>

#include "kubelet/admission/admission.h"

namespace kubelet::admission {
namespace {

using api::core::NodeSelectorRequirement;
using api::core::NodeSelectorTerm;
using Map = std::map<std::string, std::string>;

std::optional<int64_t> Number(const std::string& text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool Matches(const NodeSelectorRequirement& want, const Map& have) {
  auto it = have.find(want.key());
  bool there = it != have.end();
  const auto& values = want.values();
  bool among = there && std::find(values.begin(), values.end(), it->second) != values.end();
  const std::string& op = want.operator_();
  if (op == "In") return among && !values.empty();
  if (op == "NotIn") return !among && !values.empty();
  if (op == "Exists") return there && values.empty();
  if (op == "DoesNotExist") return !there && values.empty();
  if ((op != "Gt" && op != "Lt") || !there || values.size() != 1) return false;
  auto left = Number(it->second), right = Number(values[0]);
  if (!left || !right) return false;
  return op == "Gt" ? *left > *right : *left < *right;
}

bool Matches(const NodeSelectorTerm& term, const NodeFacts& node) {
  if (term.match_expressions().empty() && term.match_fields().empty()) return false;
  const Map fields = {{"metadata.name", node.name}};
  return std::all_of(term.match_expressions().begin(), term.match_expressions().end(),
                     [&](const auto& want) { return Matches(want, node.labels); }) &&
         std::all_of(term.match_fields().begin(), term.match_fields().end(),
                     [&](const auto& want) { return Matches(want, fields); });
}

}  // namespace

bool MatchesNode(const api::core::Pod& pod, const NodeFacts& node) {
  for (const auto& [key, value] : pod.spec().node_selector()) {
    auto it = node.labels.find(key);
    if (it == node.labels.end() || it->second != value) return false;
  }
  const auto& affinity = pod.spec().affinity().node_affinity();
  if (!affinity.has_required_during_scheduling_ignored_during_execution()) return true;
  const auto& terms =
      affinity.required_during_scheduling_ignored_during_execution().node_selector_terms();
  return std::any_of(terms.begin(), terms.end(),
                     [&](const auto& term) { return Matches(term, node); });
}

bool Tolerates(const api::core::PodSpec& spec, const api::core::Taint& taint, bool numeric) {
  return std::any_of(spec.tolerations().begin(), spec.tolerations().end(), [&](const auto& t) {
    if (!t.effect().empty() && t.effect() != taint.effect()) return false;
    if (!t.key().empty() && t.key() != taint.key()) return false;
    const std::string& op = t.operator_();
    if (op.empty() || op == "Equal") return t.value() == taint.value();
    if (op == "Exists") return true;
    if (!numeric || (op != "Gt" && op != "Lt")) return false;
    auto limit = Number(t.value()), value = Number(taint.value());
    if (!limit || !value) return false;
    return op == "Gt" ? *value > *limit : *value < *limit;
  });
}

}  // namespace kubelet::admission
