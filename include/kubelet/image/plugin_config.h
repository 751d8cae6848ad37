// --image-credential-provider-config: which plugins there are and which images each is asked for.
// Read once at the start; blocking file reads. Facts: pkg/credentialprovider/plugin/config.go
// of 1.36.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/time.h"

namespace kubelet::image {

// The plugin gets a token of the pod's service account.
struct PluginToken {
  std::string audience;
  bool require_service_account = false;  // not asked at all for a pod without one
  bool cache_by_token = false;           // cacheType Token; else ServiceAccount
  std::vector<std::string> required_annotations,
      optional_annotations;  // of the service account, passed on
};

struct PluginSpec {
  std::string name, program;              // the program is <bin dir>/<name>
  std::vector<std::string> match_images;  // registry addresses, `*` for parts of a label
  base::Nanos cache_for{0};               // when its answer does not say; 0: not at all
  std::string api_version;  // credentialprovider.kubelet.k8s.io/v1, v1beta1 or v1alpha1
  std::vector<std::string> args, environment;
  std::optional<PluginToken> token;
};

struct PluginConfig {
  std::vector<PluginSpec> plugins;
  std::string hash;  // sha256:…, of the files; upstream's metric shows the same
};

// `path` is a file, or a directory whose *.json, *.yaml and *.yml files are taken together, by
// name. Unknown and duplicate fields are errors. InvalidArgument names file and field; NotFound the
// file, directory or program that is not there. The kubelet does not start then. `tokens`: gate
// KubeletServiceAccountTokenForCredentialProviders.
absl::StatusOr<PluginConfig> LoadPluginConfig(const std::string& path, const std::string& bin_dir,
                                              bool tokens);

}  // namespace kubelet::image
