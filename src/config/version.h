// What the program says it is.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace kubelet::config {

// The text of --version; `reported` as in Flags, raw with the details of the build.
std::string VersionLine(const std::string& reported, bool raw);

// A version somebody wants to be reported must be semantic, with the release numbers of
// OwnVersion().
absl::Status CheckReportedVersion(const std::string& version);

// Minor number of the Kubernetes release, 36 for v1.36.2.
int KubernetesMinor();

}  // namespace kubelet::config
