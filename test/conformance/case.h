// Cases: what is tested, why, and how. They are data: the files cases/*.yaml, built into the
// program. Every file is a list of them (README of the format: deploy/docs/conformance.md).
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "conformance/condition.h"
#include "conformance/value.h"

namespace kubelet::conformance {

struct Case {
  std::string name;  // `probes/exec-liveness-restarts`; the part before the slash is its area
  std::string requirement;  // in plain words
  std::string field;        // what of the API it rests on
  std::string difference;   // why another kubelet may fail here, which is then known
  bool serial = false;      // runs alone, after all others
  std::vector<std::string>
      needs;  // `own-kubelet`, `own-api`, `runtime-handler`: without it the case is skipped
  std::chrono::seconds timeout{60};
  JsonArray steps;  // each an object with one verb (steps.h) and its arguments
  // Over all that was observed of the pod, when the steps are done.
  std::vector<std::string> never, ever, order;
};

// The steps of a case begin with what its shorthands stand for: `objects` are created, then the pod
// of `spec` (or `pod`), then `until` is waited for and `expect` looked at.
// InvalidArgument names file, case and member: unknown members and verbs, conditions that cannot be
// read, and a name twice are errors.
absl::StatusOr<std::vector<Case>> ParseCases(const std::string& file, const std::string& yaml);
// All that are built in, by name.
absl::StatusOr<std::vector<Case>> BuiltInCases();

// The verbs that steps may have.
bool KnownVerb(const std::string& verb);

// A name matches when any of the patterns is found in it (regular expressions).
absl::StatusOr<bool> Selected(const std::string& name, const std::vector<std::string>& focus,
                              const std::vector<std::string>& skip);

struct PodContext {
  std::string name, namespace_, node, image, case_dir;
  bool is_static = false;
};
// A whole pod out of what a case says of it: `{name, metadata, spec}`, or a spec alone. Filled in
// where absent: image, pull policy IfNotPresent, restartPolicy Never, a grace of 1 s, no service
// account token, the node. `sh: SCRIPT` of a container is its command. A pod that mentions /case/
// gets the case's directory of this machine there, in every container.
Json ExpandPod(const Json& given, const PodContext& context);

}  // namespace kubelet::conformance
