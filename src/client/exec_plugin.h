// Exec credential plugins (client.authentication.k8s.io v1, v1beta1): the request, the process, the
// answer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/time.h"
#include "kubelet/client/credentials.h"

namespace kubelet::client {

struct ExecAnswer {
  std::string token, cert_pem, key_pem;
  std::optional<base::WallTime> expires;
};

// JSON of KUBERNETES_EXEC_INFO. `ca_pem` goes into spec.cluster, which stands there only with
// provideClusterInfo. Pure.
std::string ExecInfo(const ClientConfig& config, const std::string& ca_pem);
// What the plugin printed. InvalidArgument says what is wrong. Pure.
absl::StatusOr<ExecAnswer> ParseExecAnswer(const std::string& text, const std::string& api_version);

// The three together; blocking. Unavailable with the plugin's stderr (and the install hint when it
// is not there).
absl::StatusOr<ExecAnswer> RunExecPlugin(const ClientConfig& config, base::Nanos timeout);

}  // namespace kubelet::client
