// The HTTPS port with everything it needs: certificates and client CAs that are read again when
// they change, who may ask, and where the answers come from. Wiring, no policy. Core loop only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/node.h"
#include "kubelet/auth/authenticator.h"
#include "kubelet/auth/authorizer.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/client/serving_certificate.h"
#include "kubelet/podstore/pod_store.h"
#include "kubelet/server/pod_access.h"
#include "kubelet/server/secure_server.h"

namespace kubelet::app {

class SecurePort {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    const config::LoadedConfig& config;
    const Node& node;
    base::Registry& metrics;
    runtime::PodObserver& observer;
    runtime::ContainerRuntime& runtime;
    podstore::PodStore& store;
    std::function<const api::core::PodStatus*(const std::string& uid)> status;
    server::Handler documents;
    std::function<base::Task<server::Response>(server::Request)> late;  // see SecureServer::Deps
    std::function<std::string(const api::core::Pod&)> mirror_uid;
    std::function<base::Task<absl::Status>(runtime::ContainerId, std::string, std::chrono::seconds)>
        checkpoint = {};
    client::Api* api = nullptr;                         // null: standalone
    client::ServingCertificate* certificate = nullptr;  // null: standalone, one of our own
  };
  explicit SecurePort(Deps deps);
  ~SecurePort();

  // Listens, again and again until the address is to be had. Handshakes are refused until there is
  // a certificate and, where authentication.x509.clientCAFile is set, that file has been read.
  void Start();
  void Stop();
  void PodChanged(const std::string& uid) { server_->PodChanged(uid); }
  // Of the configuration: handlers, idle time of streams, TLS versions and ciphers.
  void ConfigChanged();
  // The certificate, or the client CAs, are others.
  void TlsChanged();
  uint16_t port() const { return server_->port(); }  // 0: does not listen yet

 private:
  void MakeAuth();
  void MakeServer();
  server::SecureServer::LiveOptions Live() const;
  base::Task<void> Listen();

  Deps deps_;
  std::unique_ptr<client::ServingCertificate> own_certificate_;
  std::unique_ptr<client::CaBundle> client_ca_;
  std::unique_ptr<auth::Authenticator> authenticator_;
  std::unique_ptr<auth::Authorizer> authorizer_;
  std::unique_ptr<server::PodAccess> pods_;
  std::unique_ptr<server::SecureServer> server_;
  std::unique_ptr<server::ServerLoop> loop_;  // ends before what runs on it
  uint64_t generation_ = 0;
  bool started_ = false;
  base::TaskScope scope_;
};

}  // namespace kubelet::app
