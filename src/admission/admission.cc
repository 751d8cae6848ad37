#include "kubelet/admission/admission.h"

#include <algorithm>
#include <charconv>

namespace kubelet::admission {
namespace {

using api::core::NodeSelectorRequirement;
using api::core::NodeSelectorTerm;
using Map = std::map<std::string, std::string>;

constexpr char kOs[] = "linux";
constexpr char kOsLabel[] = "kubernetes.io/os";

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

Rejection Predicate(const std::string& name, const std::string& why) {
  return {name, "Predicate " + name + " failed: " + why};
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

std::optional<Rejection> Admit(const api::core::Pod& pod, const NodeFacts& node) {
  const auto& labels = pod.metadata().labels();
  if (auto it = labels.find(kOsLabel); it != labels.end() && it->second != kOs) {
    return Rejection{
        "PodOSSelectorNodeLabelDoesNotMatch",
        "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"};
  }
  if (pod.spec().has_os() && pod.spec().os().name() != kOs) {
    return Rejection{"PodOSNotSupported",
                     "Failed to admit pod as the OS field doesn't match node OS"};
  }
  if (!MatchesNode(pod, node)) {
    return Predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector");
  }
  if (!pod.spec().node_name().empty() && pod.spec().node_name() != node.name) {
    return Predicate("NodeName", "node(s) didn't match the requested node name");
  }
  return std::nullopt;
}

}  // namespace kubelet::admission
