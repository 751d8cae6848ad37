// Pods out of short texts: JSON with ' for ", and ` for a ' that is meant.
#pragma once

#include <string>
#include <vector>

#include "catch.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/defaults.h"
#include "kubelet/api/types.h"
#include "kubelet/api/validation.h"
#include "kubelet/base/status.h"

namespace kubelet::api::test {

inline std::string Json(std::string text) {
  for (char& c : text) c = c == '\'' ? '"' : c == '`' ? '\'' : c;
  return text;
}

inline core::Pod DecodePod(const std::string& text) {
  core::Pod pod;
  absl::Status status = DecodeJson(Json(text), pod, {.strict = true});
  INFO(text);
  INFO(base::Message(status));
  REQUIRE(status.ok());
  return pod;
}

inline std::string Object(const std::string& fields, const std::string& more) {
  return "{" + fields + (fields.empty() || more.empty() ? "" : ",") + more + "}";
}

// The smallest valid pod plus the given fields. `spec` may bring its own containers, `metadata` its own name or
// namespace as the first field.
inline core::Pod MakePod(const std::string& spec, const std::string& container = "",
                         const std::string& metadata = "") {
  std::string containers =
      "'containers':[" + Object("'name':'c','image':'repo/i:1'", container) + "]";
  if (spec.find("'containers'") != std::string::npos) containers.clear();
  std::string named = metadata.rfind("'name':", 0) != 0 ? "'name':'p'" : "";
  std::string spaced = metadata.rfind("'namespace':", 0) != 0 ? "'namespace':'ns'" : "";
  std::string identity = named + (named.empty() || spaced.empty() ? "" : ",") + spaced;
  return DecodePod("{'metadata':" + Object(identity, metadata) +
                   ",'spec':" + Object(containers, spec) + "}");
}

inline std::vector<std::string> ErrorsOf(core::Pod pod) {
  ApplyPodDefaults(pod);
  std::vector<std::string> texts;
  for (const FieldError& error : ValidatePodCreate(pod)) texts.push_back(error.ToString());
  return texts;
}

struct Case {
  std::string spec, container, metadata;
  // What each error must begin with, in order; none: the pod is valid. Path and kind, the value
  // where it matters.
  std::vector<std::string> errors;
};

inline void CheckCases(const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    INFO("spec {" << one.spec << "} container {" << one.container << "} metadata {" << one.metadata
                  << "}");
    std::vector<std::string> errors = ErrorsOf(MakePod(one.spec, one.container, one.metadata));
    std::string all;
    for (const std::string& error : errors) all += error + "\n";
    INFO(all);
    CHECK(errors.size() == one.errors.size());
    for (size_t i = 0; i < errors.size() && i < one.errors.size(); ++i) {
      INFO("expected " << one.errors[i] << "\n  actual " << errors[i]);
      CHECK(errors[i].compare(0, one.errors[i].size(), one.errors[i]) == 0);
    }
  }
}

inline std::vector<Case> ContainerCases(
    const std::vector<std::pair<std::string, std::vector<std::string>>>& rows) {
  std::vector<Case> cases;
  for (const auto& [container, errors] : rows) cases.push_back({"", container, "", errors});
  return cases;
}

inline std::vector<Case> SpecCases(
    const std::vector<std::pair<std::string, std::vector<std::string>>>& rows) {
  std::vector<Case> cases;
  for (const auto& [spec, errors] : rows) cases.push_back({spec, "", "", errors});
  return cases;
}

}  // namespace kubelet::api::test
