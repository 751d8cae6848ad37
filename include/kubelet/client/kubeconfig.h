// kubeconfig files (v1 Config): reading one context of one, writing the one that bootstrap leaves.
// Blocking but for ParseKubeconfig: run them through base::BlockingPool. Thread safe.
//
// As client-go's clientcmd with an explicit path, but: inline data wins over a file beside it
// (upstream refuses the pair), a server needs http:// or https://, and what a kubelet cannot do
// (auth-provider, a plugin that must be interactive) is refused here and not at the first request.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kubelet/client/credentials.h"

namespace kubelet::client {

struct KubeconfigOptions {
  std::string context;  // empty: current-context
  // Refuse a config whose files (CA, certificate, key, token) cannot be opened, as upstream does.
  // Off: whoever reads them copes.
  bool check_files = true;
};

// NotFound: there is no such file. FailedPrecondition: it names files that cannot be read.
// InvalidArgument: everything else. Messages start with the path and name the field.
absl::StatusOr<ClientConfig> LoadKubeconfig(const std::string& path,
                                            const KubeconfigOptions& options = {});

// The same for text that was read from `path`; looks at no file. Pure.
absl::StatusOr<ClientConfig> ParseKubeconfig(std::string_view text, const std::string& path,
                                             const std::string& context = "");

// The kubeconfig that bootstrap leaves behind: the cluster of `bootstrap`, and `pem_path` as both
// certificate and key (names and layout of upstream's: default-cluster, default-auth,
// default-context; also kept, which upstream loses: tls-server-name, proxy-url,
// disable-compression). Mode 0600, replaced atomically, missing directories made.
absl::Status WriteKubeconfig(const std::string& path, const ClientConfig& bootstrap,
                             const std::string& pem_path);

}  // namespace kubelet::client
