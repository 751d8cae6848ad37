#include "kubelet/api/node_selector.h"

#include <algorithm>

#include "absl/strings/numbers.h"

namespace kubelet::api {
namespace {

using Map = std::map<std::string, std::string>;

bool Matches(const core::NodeSelectorRequirement& want, const Map& have) {
  auto it = have.find(want.key());
  bool there = it != have.end();
  const auto& values = want.values();
  bool among = there && std::find(values.begin(), values.end(), it->second) != values.end();
  const std::string& op = want.operator_();
  if (op == "In") return among && !values.empty();
  if (op == "NotIn") return !among && !values.empty();
  if (op == "Exists") return there && values.empty();
  if (op == "DoesNotExist") return !there && values.empty();
  int64_t left = 0, right = 0;
  if ((op != "Gt" && op != "Lt") || !there || values.size() != 1 ||
      !absl::SimpleAtoi(it->second, &left) || !absl::SimpleAtoi(values[0], &right))
    return false;
  return op == "Gt" ? left > right : left < right;
}

}  // namespace

bool MatchesNodeSelector(const core::NodeSelector& selector, const std::string& name,
                         const Map& labels) {
  const Map fields = {{"metadata.name", name}};
  const auto& terms = selector.node_selector_terms();
  return std::any_of(terms.begin(), terms.end(), [&](const core::NodeSelectorTerm& term) {
    const auto &by_label = term.match_expressions(), &by_field = term.match_fields();
    if (by_label.empty() && by_field.empty()) return false;
    return std::all_of(by_label.begin(), by_label.end(),
                       [&](const auto& want) { return Matches(want, labels); }) &&
           (name.empty() || std::all_of(by_field.begin(), by_field.end(),
                                        [&](const auto& want) { return Matches(want, fields); }));
  });
}

}  // namespace kubelet::api
