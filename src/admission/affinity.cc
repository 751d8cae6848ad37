// Labels and taints: where a pod wants to be and what it bears.
#include <algorithm>
#include <charconv>

#include "kubelet/admission/admission.h"
#include "kubelet/api/node_selector.h"

namespace kubelet::admission {
namespace {

std::optional<int64_t> Number(const std::string& text) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

bool MatchesNode(const api::core::Pod& pod, const NodeFacts& node) {
  for (const auto& [key, value] : pod.spec().node_selector()) {
    auto it = node.labels.find(key);
    if (it == node.labels.end() || it->second != value) return false;
  }
  const auto& affinity = pod.spec().affinity().node_affinity();
  if (!affinity.has_required_during_scheduling_ignored_during_execution()) return true;
  return api::MatchesNodeSelector(affinity.required_during_scheduling_ignored_during_execution(),
                                  node.name, node.labels);
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
