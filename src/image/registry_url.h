// Which credentials are meant for which image: registry addresses of credential files and plugins
// against names of images. Pure; thread safe. Facts: pkg/credentialprovider/keyring.go and net/url
// of Go (1.36).
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace kubelet::image {

// `host[:port][/path]`, as Go's url.Parse reads `https://` + text: user, query and fragment are
// dropped, the path is unescaped.
struct RegistryUrl {
  std::string host;  // with its port
  std::string path;
};
// InvalidArgument: no address.
absl::StatusOr<RegistryUrl> ParseRegistryUrl(const std::string& text);

// True when `glob` covers `target`: equal ports, as many labels in the host, each matched (`*`
// stands for any part of one label), and the glob's path the beginning of the target's. False when
// either is no address.
bool RegistryUrlMatches(const std::string& glob, const std::string& target);

// The key of an entry in a credential file: scheme and a leading /v1/ or /v2/ are dropped; nullopt
// when it is none.
std::optional<std::string> RegistryKey(const std::string& location);

}  // namespace kubelet::image
