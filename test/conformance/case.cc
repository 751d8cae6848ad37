#include "conformance/case.h"

#include <algorithm>
#include <regex>
#include <set>

#include "conformance/built_in.h"
#include "kubelet/base/status.h"

namespace kubelet::conformance {
namespace {

const std::set<std::string>& Verbs() {
  static const auto& verbs = *new std::set<std::string>{
      "create",     "pod",      "static", "until",   "expect",    "hold",   "delete",
      "patch",      "mark",     "sleep",  "write",   "remove",    "serve",  "manifest",
      "unmanifest", "kubelet",  "api",    "exec",    "change",    "erase",  "never",
      "configure",  "remember", "same",   "forward", "authority", "plugin", "device"};
  return verbs;
}

absl::Status CheckConditions(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    auto condition = ParseCondition(text);
    if (!condition.ok()) return condition.status();
  }
  return absl::OkStatus();
}

absl::Status CheckStep(const Json& step) {
  if (!step.is_object() || step.as_object().empty())
    return absl::InvalidArgumentError("a step is not an object");
  std::string verb(step.as_object().begin()->key());
  if (!KnownVerb(verb)) return absl::InvalidArgumentError("no such verb: " + verb);
  if (verb == "until" || verb == "expect" || verb == "never")
    return CheckConditions(Texts(step.as_object(), verb));
  if (verb == "hold") {
    const Json& hold = step.as_object().begin()->value();
    if (!hold.is_object()) return absl::InvalidArgumentError("hold is not an object");
    return CheckConditions(Texts(hold.as_object(), "that"));
  }
  return absl::OkStatus();
}

void AddStep(Case& out, const char* verb, const Json& value) {
  JsonObject step;
  step[verb] = value;
  out.steps.push_back(step);
}

absl::StatusOr<Case> ParseCase(const JsonObject& object) {
  static const std::set<std::string> known{
      "name",    "requirement", "field", "difference", "serial", "needs",
      "timeout", "objects",     "spec",  "pod",        "until",  "expect",
      "steps",   "never",       "ever",  "order",      "static"};
  for (const auto& member : object)
    if (known.count(std::string(member.key())) == 0)
      return absl::InvalidArgumentError("no such member: " + std::string(member.key()));
  Case out;
  out.name = Text(object, "name");
  out.requirement = Text(object, "requirement");
  out.field = Text(object, "field");
  out.difference = Text(object, "difference");
  out.serial = Text(object, "serial") == "true";
  out.needs = Texts(object, "needs");
  if (out.requirement.empty() || out.field.empty())
    return absl::InvalidArgumentError("requirement and field have to be there");
  if (std::string limit = Text(object, "timeout"); !limit.empty())
    out.timeout = std::chrono::seconds(std::atoi(limit.c_str()));
  if (const Json* objects = object.if_contains("objects")) AddStep(out, "create", *objects);
  for (const char* verb : {"spec", "pod", "static", "until", "expect"})
    if (const Json* value = object.if_contains(verb))
      AddStep(out, std::string(verb) == "spec" ? "pod" : verb, *value);
  if (const Json* steps = object.if_contains("steps")) {
    if (!steps->is_array()) return absl::InvalidArgumentError("steps is not a list");
    for (const Json& step : steps->as_array()) out.steps.push_back(step);
  }
  for (const Json& step : out.steps) RETURN_IF_ERROR(CheckStep(step));
  out.never = Texts(object, "never");
  out.ever = Texts(object, "ever");
  out.order = Texts(object, "order");
  for (const auto* list : {&out.never, &out.ever, &out.order})
    RETURN_IF_ERROR(CheckConditions(*list));
  if (out.steps.empty()) return absl::InvalidArgumentError("there is nothing to do");
  return out;
}

void Default(JsonObject& object, const char* key, Json value) {
  if (!object.contains(key)) object[key] = std::move(value);
}

void ExpandContainer(JsonObject& container, const PodContext& context, bool with_case_dir,
                     const std::string& name) {
  Default(container, "name", Json(name));
  Default(container, "image", Json(context.image));
  Default(container, "imagePullPolicy", Json("IfNotPresent"));
  if (const Json* script = container.if_contains("sh")) {
    container["command"] = JsonArray{"sh", "-c", *script};
    container.erase("sh");
  }
  if (!with_case_dir) return;
  Default(container, "volumeMounts", JsonArray());
  container["volumeMounts"].as_array().push_back(
      JsonObject{{"name", "case"}, {"mountPath", "/case"}});
}

void ExpandSpec(JsonObject& spec, const PodContext& context) {
  bool with_case_dir = boost::json::serialize(spec).find("/case/") != std::string::npos;
  Default(spec, "restartPolicy", Json("Never"));
  Default(spec, "terminationGracePeriodSeconds", Json(1));
  if (!context.is_static) {
    Default(spec, "automountServiceAccountToken", Json(false));
    Default(spec, "nodeName", Json(context.node));
  }
  for (const char* list : {"initContainers", "containers"}) {
    Json* containers = spec.if_contains(list);
    if (containers == nullptr || !containers->is_array()) continue;
    for (Json& container : containers->as_array())
      if (container.is_object())
        ExpandContainer(container.as_object(), context, with_case_dir, "main");
  }
  if (!with_case_dir) return;
  Default(spec, "volumes", JsonArray());
  JsonObject host{{"path", context.case_dir}, {"type", "DirectoryOrCreate"}};
  spec["volumes"].as_array().push_back(JsonObject{{"name", "case"}, {"hostPath", host}});
}

}  // namespace

bool KnownVerb(const std::string& verb) { return Verbs().count(verb) != 0; }

absl::StatusOr<std::vector<Case>> ParseCases(const std::string& file, const std::string& yaml) {
  auto document = ParseYaml(yaml);
  if (!document.ok()) return base::Annotate(document.status(), file);
  if (!document->is_array()) return absl::InvalidArgumentError(file + ": not a list of cases");
  std::vector<Case> cases;
  std::set<std::string> names;
  std::string area = file.substr(0, file.find('.'));
  for (const Json& each : document->as_array()) {
    if (!each.is_object()) return absl::InvalidArgumentError(file + ": a case is not an object");
    auto parsed = ParseCase(each.as_object());
    std::string where = file + ": case " + Text(each.as_object(), "name", "without a name");
    if (!parsed.ok()) return base::Annotate(parsed.status(), where);
    if (parsed->name.empty() || !names.insert(parsed->name).second)
      return absl::InvalidArgumentError(where + ": no name, or one that is there twice");
    parsed->name = area + "/" + parsed->name;
    cases.push_back(*std::move(parsed));
  }
  return cases;
}

absl::StatusOr<std::vector<Case>> BuiltInCases() {
  std::vector<Case> all;
  for (const auto& [file, text] : BuiltInFiles()) {
    auto cases = ParseCases(file, text);
    if (!cases.ok()) return cases.status();
    std::move(cases->begin(), cases->end(), std::back_inserter(all));
  }
  return all;
}

absl::StatusOr<bool> Selected(const std::string& name, const std::vector<std::string>& focus,
                              const std::vector<std::string>& skip) {
  auto any = [&name](const std::vector<std::string>& patterns) {
    return std::any_of(patterns.begin(), patterns.end(), [&name](const std::string& pattern) {
      return std::regex_search(name, std::regex(pattern));
    });
  };
  try {
    return (focus.empty() || any(focus)) && !any(skip);
  } catch (const std::regex_error& error) {
    return absl::InvalidArgumentError(std::string("bad pattern: ") + error.what());
  }
}

Json ExpandPod(const Json& given, const PodContext& context) {
  JsonObject pod;
  if (given.is_object() && given.as_object().contains("spec")) {
    pod = given.as_object();
  } else {
    pod["spec"] = given;
  }
  pod.erase("name");
  Default(pod, "apiVersion", Json("v1"));
  Default(pod, "kind", Json("Pod"));
  Default(pod, "metadata", JsonObject());
  JsonObject& metadata = pod["metadata"].as_object();
  metadata["name"] = context.name;
  metadata["namespace"] = context.namespace_;
  if (pod["spec"].is_object()) ExpandSpec(pod["spec"].as_object(), context);
  return pod;
}

}  // namespace kubelet::conformance
