// What the program tells of itself: `kubelet docs` (for packages; not in the help) and `kubelet
// completion`.
#pragma once

#include <string>
#include <vector>

namespace kubelet::app {

// The text of deploy/docs/reference.md.
std::string ReferenceDocument();

// `args` without the command. Exit codes: 0, or 2 for what does not exist.
int RunDocs(const std::vector<std::string>& args);
int RunCompletion(const std::vector<std::string>& args);

}  // namespace kubelet::app
