// What a run makes on the machine outside its directory, and how it goes away again. Blocking.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace kubelet::conformance {

// Where control groups are made: the root of v2, or each hierarchy of v1.
std::vector<std::string> CgroupTrees();
absl::Status MakeCgroups(const std::string& name);
// With everything below; processes that are left are killed.
absl::Status RemoveCgroups(const std::string& name);

void UnmountBelow(const std::string& dir);
// Symbolic links in `dir` whose target lies below `target`.
void RemoveLinksInto(const std::string& dir, const std::string& target);

}  // namespace kubelet::conformance
