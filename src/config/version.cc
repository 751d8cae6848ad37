#include "config/version.h"

#include <cstdlib>
#include <regex>

#include "config/text.h"
#include "kubelet/config/flags.h"

namespace kubelet::config {
namespace {

// `1.36.2` out of `v1.36.2-rc.1+x`; empty when the text is no semantic version.
std::string ReleaseNumbers(const std::string& version) {
  static const auto* pattern = new std::regex(
      "v((0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*))(-[0-9A-Za-z.-]+)?(\\+[0-9A-Za-z.-]+)"
      "?");
  std::smatch match;
  // The expression walks recursively: bound what it sees.
  if (version.size() > 200 || !std::regex_match(version, match, *pattern)) return "";
  return match[1];
}

}  // namespace

std::string OwnVersion() { return KUBELET_KUBERNETES_VERSION "+cpp." KUBELET_PROJECT_VERSION; }

std::string VersionLine(const std::string& reported, bool raw) {
  std::string version = reported.empty() ? OwnVersion() : reported;
  if (!raw) return "Kubernetes " + version;
  return "version.Info{Major:\"1\", Minor:\"" + std::to_string(KubernetesMinor()) +
         "\", GitVersion:" + Quote(version) + ", Compiler:" + Quote(__VERSION__) +
         ", Platform:\"linux/" KUBELET_ARCHITECTURE "\"}";
}

absl::Status CheckReportedVersion(const std::string& version) {
  std::string numbers = ReleaseNumbers(version);
  if (numbers.empty())
    return absl::InvalidArgumentError(Quote(version) + " is no semantic version");
  if (numbers != ReleaseNumbers(OwnVersion())) {
    return absl::InvalidArgumentError("version " + Quote(version) +
                                      " must have the release numbers of " + Quote(OwnVersion()));
  }
  return absl::OkStatus();
}

int KubernetesMinor() { return std::atoi(Split(ReleaseNumbers(OwnVersion()), '.')[1].c_str()); }

}  // namespace kubelet::config
