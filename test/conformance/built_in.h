// The files of cases/, built into the program by CMake (built_in.cmake).
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace kubelet::conformance {

// Name (`env.yaml`) and content, by name.
const std::vector<std::pair<std::string, std::string>>& BuiltInFiles();

}  // namespace kubelet::conformance
