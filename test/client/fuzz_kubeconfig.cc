// Any bytes as a kubeconfig and as a plugin's answer: no crash, no hang; what is accepted has a
// server, and what is written of it is read back.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "client/exec_plugin.h"
#include "kubelet/client/kubeconfig.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kubelet::client;
  std::string text(reinterpret_cast<const char*>(data), size);
  auto config = ParseKubeconfig(text, "/etc/kubernetes/kubelet.conf");
  if (config.ok()) {
    if (config->server.rfind("http", 0) != 0 && config->server.rfind("HTTP", 0) != 0 &&
        config->server.find("://") == std::string::npos)
      std::abort();
    if (config->cert_file.empty() && config->cert_pem.empty() &&
        !(config->key_file.empty() && config->key_pem.empty()))
      std::abort();
    if (config->exec && ExecInfo(*config, "").empty()) std::abort();
  } else if (config.status().message().find("kubelet.conf") == absl::string_view::npos) {
    std::abort();
  }
  auto answer = ParseExecAnswer(text, "client.authentication.k8s.io/v1");
  if (answer.ok() && answer->token.empty() && answer->cert_pem.empty()) std::abort();
  return 0;
}
