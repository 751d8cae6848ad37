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
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/clock.h"

namespace kubelet::client {

// An exec credential plugin (client.authentication.k8s.io v1, v1beta1). It never gets a terminal.
struct ExecConfig {
  std::string api_version, command, install_hint;
  std::vector<std::string> args;
  std::vector<std::pair<std::string, std::string>> env;
  bool provide_cluster_info = false;
  // JSON of the cluster's extension `client.authentication.k8s.io/exec`, for `spec.cluster.config`.
  std::string cluster_config;
};

// One context of a kubeconfig. Relative paths are made absolute against the file's directory. Data
// wins over files. A token and a tokenFile: the file, and the token for as long as it is
// unreadable.
struct ClientConfig {
  std::string source;           // the kubeconfig's path; empty: none, nothing is read again
  std::string context;          // the context asked for; empty: the file's current-context
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
  // Sent with every request: Impersonate-User, -Uid, -Group, -Extra-*.
  std::vector<std::pair<std::string, std::string>> headers;
};

// What one connection presents. `generation` changes whenever anything else in here does.
struct Presented {
  std::string cert_pem, key_pem;  // PEM text, chain included; empty: no client certificate
  std::string bearer_token;       // empty: none
  std::string basic;              // `user:password`, empty: none
  uint64_t generation = 0;
};

// What is to be said about a client certificate: for the log, the node's condition and `explain`.
struct CertificateHealth {
  enum class State { kNotUsed, kOk, kMissing, kNotYetValid, kExpired, kRejected };
  State state = State::kNotUsed;
  // For people: which file, which times, what is missing and what is being done about it.
  std::string message;
  std::optional<base::WallTime> not_after;
  bool ok() const { return state == State::kOk || state == State::kNotUsed; }
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
  virtual CertificateHealth health() const { return CertificateHealth(); }
};

struct CredentialDeps {
  base::Executor executor;
  base::Clock& clock;
  base::BlockingPool& pool;  // files, plugin processes
};

// The credentials that a ClientConfig names: text, files, an exec plugin, a password.
//
// Files (and the kubeconfig itself, for what stands in it) are looked at again on Get, at most
// every three seconds, and by a timer every ten; what is half written (a key that is not the
// certificate's, an empty token) keeps the last good and is logged once. A certificate that this
// machine's clock calls expired is presented all the same: the server's clock decides. A plugin's
// answer is kept until it expires or is rejected; a plugin has a minute, and after a failure is not
// run again for 1 s, doubling to 30 s. Of a changed kubeconfig only the user is taken over; another
// server takes a restart.
//
// Get has to end before the object does; the timer ends with it.
std::unique_ptr<Credentials> MakeCredentials(ClientConfig config, CredentialDeps deps);

}  // namespace kubelet::client
