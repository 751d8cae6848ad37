// The kubelet's HTTPS port: TLS, authentication, authorisation, and the endpoints behind them.
//
// It has a thread of its own (the server loop), so that handshakes and slow or many clients never
// delay a pod. What is asked of the kubelet goes to the core loop through Deps and comes back;
// nothing of a pod is touched here. Limits: 64 KiB of header and of body; a handshake, and a header
// once begun, have their time; connections that have not shown who they are make room for newer
// ones.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/auth/authenticator.h"
#include "kubelet/auth/authorizer.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/metrics.h"
#include "kubelet/server/handlers.h"
#include "kubelet/server/http_server.h"
#include "kubelet/server/pod_access.h"

namespace kubelet::server {

// All PEM text. The generation tells one from another.
struct TlsMaterial {
  std::string cert_pem, key_pem;  // chain included
  std::string client_ca_pem;      // empty: client certificates are not asked for
  uint64_t generation = 0;
};

struct TlsOptions {
  std::string min_version;           // tlsMinVersion: VersionTLS12; empty is 1.2
  std::vector<std::string> ciphers;  // tlsCipherSuites; empty: those Go would take
  std::vector<int32_t> curves;       // tlsCurvePreferences
};

class SecureServer {
 public:
  struct Options {
    std::string address = "0.0.0.0";
    uint16_t port = 10250;  // 0: any free one
    TlsOptions tls;
    Handlers handlers;
    std::string log_dir = "/var/log";                 // what /logs/ shows
    bool split_streams = false;                       // gate PodLogsQuerySplitStreams
    bool websockets = true;                           // gate ExtendWebSocketsToKubelet
    base::Nanos stream_idle = std::chrono::hours(4);  // streamingConnectionIdleTimeout; 0: none
    int max_connections = 8192;
    int max_strangers = 512;  // connections that have not been let in yet
    // How long a connection that comes before there is a certificate is kept for it.
    base::Nanos certificate_time = std::chrono::seconds(2);
    base::Nanos handshake_time = std::chrono::seconds(10);
    base::Nanos header_time = std::chrono::seconds(30);
    base::Nanos idle_time = std::chrono::seconds(90);
  };
  // Everything here is used on the core loop only.
  struct Deps {
    base::Executor core;
    auth::Authenticator& authenticator;
    auth::Authorizer& authorizer;
    PodAccess& pods;
    Handler documents;  // /pods, /metrics, /healthz ...; code 404 for what it does not have
    base::Registry* metrics = nullptr;
    // Documents that take a while: /metrics and what is below it, /stats/summary. Empty: `documents`
    // is asked.
    std::function<base::Task<Response>(Request)> late = {};
  };
  // Where connections live. Production: a thread (see Loop); tests run both loops on one
  // io_context.
  struct Place {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& files;
  };
  SecureServer(Deps deps, Options options, Place place);
  ~SecureServer();

  // Core loop. Unavailable: the address is taken or not there; try again later.
  absl::Status Start();
  // Listens no longer, and ends the streams: their clients are told that they were cut off. Waits
  // for that at most `patience`, blocking; not where both loops are one.
  void Stop(base::Nanos patience = base::Nanos(0));
  uint16_t port() const;
  // What is shown from the next handshake on. Who comes before the first waits a moment for it (certificate_time) and
  // is cut off then.
  void SetTls(TlsMaterial material);
  // What of the options may change while the port is open; for requests and streams from now on.
  struct LiveOptions {
    Handlers handlers;
    base::Nanos stream_idle = std::chrono::hours(4);
    TlsOptions tls;  // from the next handshake on
  };
  void SetLive(LiveOptions live);
  // Something about the pod changed: followers of its logs look whether their container still runs.
  void PodChanged(const std::string& uid);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The thread of a SecureServer, with its clock and its pool. It ends with the object.
class ServerLoop {
 public:
  ServerLoop();
  ~ServerLoop();
  SecureServer::Place place();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kubelet::server
