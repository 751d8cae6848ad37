// What kubelets call during cases: an HTTP and an HTTPS server on loopback for hooks and probes,
// which remember every request, and a gRPC health server.
//
// Paths say what is answered: `/status/CODE/...`, `/slow/SECONDS/...`, `/redirect/...` (to /ok),
// `/away/...` (to another host); everything else 200 `ok`. `Serve` changes that for one path.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fakes/certificates.h"
#include "fakes/http2_server.h"

namespace kubelet::conformance {

class Hooks {
 public:
  Hooks(base::Executor executor, base::Clock& clock);
  ~Hooks();
  uint16_t http_port() const { return http_->port(); }
  uint16_t https_port() const { return https_->port(); }
  // Serves grpc.health.v1: service `up` is SERVING, `down` is NOT_SERVING, and the empty one
  // SERVING. All addresses of this machine. 0: it could not be started.
  uint16_t grpc_port() const { return grpc_port_; }

  void Serve(const std::string& path, int status);
  int count(const std::string& path) const;
  // Headers of the last request, names in lower case; `:scheme` is http or https.
  const std::map<std::string, std::string>* last(const std::string& path) const;

 private:
  void Handle(bool https, const fakes::HttpRequest& request, fakes::ResponderPtr responder);

  base::Clock& clock_;
  std::map<std::string, int> status_, count_;
  std::map<std::string, std::map<std::string, std::string>> last_;
  std::unique_ptr<fakes::HttpServer> http_, https_;
  struct Grpc;
  std::unique_ptr<Grpc> grpc_;
  uint16_t grpc_port_ = 0;
};

}  // namespace kubelet::conformance
