// The node's client certificate: bootstrap, rotation, recovery; and the start-up decision which
// credentials a kubelet uses. Serving certificates: serving_certificate.h.
//
//   kubeconfig good, no rotation                 MakeCredentials(config)
//   rotateCertificates, or a bootstrap file      CertificateManager
//
// Unlike upstream, which exits when the certificate has expired or cannot be had for five minutes,
// nothing here ever ends the process: static and running pods do not depend on it. What is wrong is
// said by health(); every file involved and the clock are looked at every ten seconds, so that a
// mended file, a new bootstrap token or a clock set right is enough.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/base/metrics.h"
#include "kubelet/client/api.h"
#include "kubelet/client/credentials.h"

namespace kubelet::client {

// Makes a client of its own for a certificate request; it is thrown away after it.
using ApiFactory =
    std::function<std::unique_ptr<Api>(const ClientConfig& config, Credentials& credentials)>;

struct CertificateOptions {
  std::string kubeconfig;            // --kubeconfig
  std::string bootstrap_kubeconfig;  // --bootstrap-kubeconfig; empty: none
  std::string cert_dir = "/var/lib/kubelet/pki";
  std::string node_name;
  // rotateCertificates. Off: a certificate is asked for only when there is none that is valid.
  bool rotate = false;
};

// Which server to talk to. The kubeconfig when it can be read, else the bootstrap kubeconfig's
// cluster (the user is then the manager's business and left empty). The error tells what is wrong
// with both: say it and ask again in ten seconds. Blocking.
absl::StatusOr<ClientConfig> LoadNodeConfig(const CertificateOptions& options);

// Core loop. Start once; Stop before the end, and before Api and pool go.
//
// Presents the best pair there is: of <cert_dir>/kubelet-client-current.pem and of the kubeconfig
// (in this order with rotation, else the other way round) the first that is valid, else the first
// that can be read: a certificate that has expired by our clock may be good by the server's.
//
// Asks for a certificate (signer kubernetes.io/kube-apiserver-client-kubelet, CN system:node:NAME,
// O system:nodes, ECDSA P-256)
//  - when there is none, it has expired, or the server has been answering 401 to it for half a
//    minute: with the bootstrap kubeconfig, else with the kubeconfig's token or plugin, else (and
//    by turns) with the old certificate. The key is kept in kubelet-client.key.tmp and the request
//    named after it (node-csr-<hash>), so a restart goes on with the same request. On success the
//    kubeconfig is written, unless it holds a valid pair of its own;
//  - with rotation: at a random point at 70 to 90 % of its life; at once when it names another
//  node,
//    or came inline in the kubeconfig.
// Waits 15 minutes for approval; tries again after 2 s, doubling to 32 s.
class CertificateManager : public Credentials {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    ApiFactory make_api;
    std::function<double()> random;  // [0, 1)
    base::Registry* metrics = nullptr;
    std::function<void()> on_health;  // health() has another state; may be empty
  };
  CertificateManager(CertificateOptions options, Deps deps);
  ~CertificateManager() override;
  void Start();
  base::Task<void> Stop();

  // Unavailable while there is no pair: the message is health()'s.
  base::Task<absl::StatusOr<Presented>> Get() override;
  uint64_t generation() const override;
  void Rejected(uint64_t generation) override;
  CertificateHealth health() const override;

 private:
  struct Parts;
  std::shared_ptr<Parts> parts_;
};

}  // namespace kubelet::client
