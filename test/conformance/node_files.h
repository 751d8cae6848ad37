// What a run makes on the machine outside its directory, and how it goes away again. Blocking.
#pragma once

#include <string>

namespace kubelet::conformance {

void UnmountBelow(const std::string& dir);
// Symbolic links in `dir` whose target lies below `target`.
void RemoveLinksInto(const std::string& dir, const std::string& target);

}  // namespace kubelet::conformance
