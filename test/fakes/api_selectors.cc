#include "fakes/api_selectors.h"

#include <algorithm>
#include <optional>

#include "fakes/api_errors.h"
#include "kubelet/base/status.h"

namespace kubelet::fakes {
namespace {

using google::protobuf::FieldDescriptor;

std::string Trim(const std::string& text) {
  auto first = text.find_first_not_of(' ');
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// At commas outside of parentheses.
std::vector<std::string> Terms(const std::string& text) {
  std::vector<std::string> terms;
  std::string term;
  int depth = 0;
  for (char c : text) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c == ',' && depth == 0) {
      terms.push_back(Trim(term));
      term.clear();
    } else {
      term += c;
    }
  }
  if (!Trim(term).empty() || !terms.empty()) terms.push_back(Trim(term));
  return terms;
}

// A scalar by its JSON path: `spec.nodeName`; nullopt when the type has no such field.
std::optional<std::string> FieldValue(const Object& object, const std::string& path) {
  const Object* message = &object;
  size_t start = 0;
  while (true) {
    size_t dot = path.find('.', start);
    const FieldDescriptor* field = nullptr;
    std::string name = path.substr(start, dot == std::string::npos ? dot : dot - start);
    for (int i = 0; i < message->GetDescriptor()->field_count(); ++i)
      if (message->GetDescriptor()->field(i)->json_name() == name)
        field = message->GetDescriptor()->field(i);
    if (field == nullptr || field->is_repeated()) return std::nullopt;
    const auto* reflection = message->GetReflection();
    if (dot != std::string::npos) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return std::nullopt;
      message = &reflection->GetMessage(*message, field);
      start = dot + 1;
      continue;
    }
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING)
      return reflection->GetString(*message, field);
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL)
      return reflection->GetBool(*message, field) ? "true" : "false";
    return std::nullopt;
  }
}

// What upstream lets a kind be selected by, besides name and namespace.
bool Selectable(const ApiKind& kind, const std::string& path) {
  static const auto& table = *new std::vector<std::pair<std::string, std::vector<std::string>>>{
      {"pods",
       {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName"}},
      {"nodes", {"spec.unschedulable"}},
      {"events",
       {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
        "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
        "involvedObject.fieldPath", "reason", "reportingComponent", "source.component", "type"}},
      {"secrets", {"type"}},
      {"services", {"spec.clusterIP", "spec.type"}},
      {"namespaces", {"status.phase"}},
      {"certificatesigningrequests", {"spec.signerName"}},
      {"resourceslices", {"spec.nodeName", "spec.driver"}}};
  if (path == "metadata.name" || (path == "metadata.namespace" && kind.namespaced)) return true;
  for (const auto& [plural, paths] : table)
    if (plural == kind.plural) return std::find(paths.begin(), paths.end(), path) != paths.end();
  return false;
}

std::vector<std::string> Values(const std::string& text) {
  auto open = text.find('(');
  auto close = text.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return {};
  return Terms(text.substr(open + 1, close - open - 1));
}

}  // namespace

absl::StatusOr<ApiSelector> ApiSelector::Parse(const ApiKind& kind, const std::string& field,
                                               const std::string& label) {
  ApiSelector selector;
  RETURN_IF_ERROR(ParseFields(kind, field, selector.fields_));
  RETURN_IF_ERROR(ParseLabels(label, selector.labels_));
  return selector;
}

absl::Status ApiSelector::ParseFields(const ApiKind& kind, const std::string& text,
                                      std::vector<Requirement>& out) {
  for (const std::string& term : Terms(text)) {
    auto equals = term.find('=');
    if (equals == std::string::npos)
      return ApiBadRequest("invalid selector: '" + text + "'; can't understand '" + term + "'");
    Requirement requirement;
    bool negated = equals > 0 && term[equals - 1] == '!';
    requirement.key = term.substr(0, negated ? equals - 1 : equals);
    bool twice = !negated && equals + 1 < term.size() && term[equals + 1] == '=';
    requirement.op = negated ? Requirement::Op::kNotIn : Requirement::Op::kIn;
    requirement.values.push_back(term.substr(equals + (twice ? 2 : 1)));
    if (!Selectable(kind, requirement.key))
      return ApiBadRequest("field label not supported: " + requirement.key);
    out.push_back(requirement);
  }
  return absl::OkStatus();
}

absl::Status ApiSelector::ParseLabels(const std::string& text, std::vector<Requirement>& out) {
  for (const std::string& term : Terms(text)) {
    Requirement requirement;
    auto equals = term.find('=');
    auto space = term.find(' ');
    if (term.find('(') != std::string::npos && space != std::string::npos) {
      requirement.key = term.substr(0, space);
      bool in = Trim(term.substr(space)).rfind("in", 0) == 0;
      requirement.op = in ? Requirement::Op::kIn : Requirement::Op::kNotIn;
      requirement.values = Values(term);
    } else if (equals != std::string::npos && equals > 0) {
      bool negated = term[equals - 1] == '!';
      bool twice = !negated && equals + 1 < term.size() && term[equals + 1] == '=';
      requirement.key = Trim(term.substr(0, negated ? equals - 1 : equals));
      requirement.op = negated ? Requirement::Op::kNotIn : Requirement::Op::kIn;
      requirement.values.push_back(Trim(term.substr(equals + (twice ? 2 : 1))));
    } else if (!term.empty() && term[0] == '!') {
      requirement.key = Trim(term.substr(1));
      requirement.op = Requirement::Op::kAbsent;
    } else {
      requirement.key = term;
      requirement.op = Requirement::Op::kExists;
    }
    if (requirement.key.empty() || requirement.key.find_first_of(" =(") != std::string::npos)
      return ApiBadRequest("unable to parse requirement: " + term);
    out.push_back(requirement);
  }
  return absl::OkStatus();
}

bool ApiSelector::Matches(const Requirement& requirement, const std::string* value) {
  bool in = value != nullptr && std::find(requirement.values.begin(), requirement.values.end(),
                                          *value) != requirement.values.end();
  switch (requirement.op) {
    case Requirement::Op::kIn:
      return in;
    case Requirement::Op::kNotIn:
      return !in;
    case Requirement::Op::kExists:
      return value != nullptr;
    case Requirement::Op::kAbsent:
      return value == nullptr;
  }
  return false;
}

bool ApiSelector::Matches(const Object& object) const {
  for (const Requirement& requirement : fields_) {
    auto value = FieldValue(object, requirement.key);
    if (!Matches(requirement, value ? &*value : nullptr)) return false;
  }
  const auto& labels = MetaOf(object).labels();
  for (const Requirement& requirement : labels_) {
    auto found = labels.find(requirement.key);
    if (!Matches(requirement, found == labels.end() ? nullptr : &found->second)) return false;
  }
  return true;
}

std::string ApiSelector::name() const {
  for (const Requirement& requirement : fields_)
    if (requirement.key == "metadata.name" && requirement.op == Requirement::Op::kIn)
      return requirement.values[0];
  return "";
}

}  // namespace kubelet::fakes
