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

struct ProcessResult {
  int exit_code = 0;  // 128 + signal when killed by one
  std::string out, err;
};
// Runs a program to its end with nothing on its standard input, in a process group of its own;
// `environment` comes on top of ours. Blocking. NotFound when there is no such program;
// DeadlineExceeded: its whole group was killed after `timeout`; ResourceExhausted: so it was, for
// more than a mebibyte of output. Of stderr the last 4 KiB are kept.
absl::StatusOr<ProcessResult> RunProcess(const std::string& command,
                                         const std::vector<std::string>& args,
                                         const std::vector<std::string>& environment,
                                         base::Nanos timeout);

// The three together; blocking. Unavailable with the plugin's stderr (and the install hint when it
// is not there).
absl::StatusOr<ExecAnswer> RunExecPlugin(const ClientConfig& config, base::Nanos timeout);

}  // namespace kubelet::client
