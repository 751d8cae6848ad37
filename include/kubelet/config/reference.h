// What the tables of flags, fields and gates say, for people: reference, manual pages, completion
// of shells. Made out of the same tables that parse and check, so they cannot tell anything else.
// Pure; thread safe. Called by `kubelet docs` and `kubelet completion` only.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::config {

enum class Support {
  kWorks,
  kAccepted,  // read and checked, without effect or not with its full one (the remark says why)
  kNotBuilt,  // read and checked, and what it asks for is not there yet
  kRefused,   // any value but the default ends the start with an error
};
const char* SupportName(Support support);

struct ReferenceRow {
  std::string name;  // --flag, JSON path, gate
  std::string kind;  // type; stage of a gate
  std::string default_text;
  std::string other;  // field of a flag, flag of a field
  Support support = Support::kWorks;
  std::string remark;
  std::string group;  // heading it stands under; empty for gates
};
std::vector<ReferenceRow> FlagRows();
std::vector<ReferenceRow> FieldRows();
std::vector<ReferenceRow> GateRows();

// The three tables as Markdown, each with a heading of the second level.
std::string ReferenceTables();

// kubelet(1) and kubelet-config(5) as troff.
std::string ManPage();
std::string ConfigManPage();

// For bash, zsh or fish. InvalidArgument for other shells.
absl::StatusOr<std::string> CompletionScript(const std::string& shell);

}  // namespace kubelet::config
