// Where the API server is and who we are: kubeconfig files and the credentials they name.
// Core loop only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"

namespace kubelet::client {

// An exec credential plugin (client.authentication.k8s.io v1, v1beta1).
struct ExecConfig {
  std::string api_version, command, install_hint;
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;
  bool provide_cluster_info = false;
};

// One context of a kubeconfig. Relative paths are made absolute against the file's directory. Data
// wins over files.
struct ClientConfig {
  std::string source;           // the kubeconfig's path, for messages
  std::string server;           // https://host:port[/prefix]
  std::string tls_server_name;  // empty: the host of `server`
  bool insecure_skip_verify = false;
  bool disable_compression = false;
  std::string ca_file, ca_pem;                         // both empty: the system's roots
  std::string proxy_url;                               // empty: from the environment
  std::string cert_file, key_file, cert_pem, key_pem;  // client certificate
  std::string token, token_file;
  std::string username, password;
  std::optional<ExecConfig> exec;
  std::string default_namespace;
};

// What one connection presents. `generation` changes whenever anything else in here does.
struct Presented {
  std::string cert_pem, key_pem;  // PEM text, chain included; empty: no client certificate
  std::string bearer_token;       // empty: none
  std::string basic;              // `user:password`, empty: none
  uint64_t generation = 0;
};

// Credentials now, whatever their source: static text, files that are read again, a plugin, a
// rotating certificate. A connection asks before it dials and before each request.
class Credentials {
 public:
  virtual ~Credentials() = default;
  // Unavailable: there are none at present (the message says what is missing); try again later.
  virtual base::Task<absl::StatusOr<Presented>> Get() = 0;
  // What Get last gave, without waiting. Connections opened with another generation's certificate
  // are to be replaced: new requests go to a new one, watches are ended.
  virtual uint64_t generation() const = 0;
  // The server answered 401 to this generation: drop caches, look again.
  virtual void Rejected(uint64_t generation) = 0;
};

}  // namespace kubelet::client
