// What the HTTPS port shows and whom it trusts: the serving certificate and the client CA bundle,
// both read again when their files change. Core loop only.
#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "k8s/core/v1/node.pb.h"
#include "kubelet/base/metrics.h"
#include "kubelet/client/api.h"
#include "kubelet/client/credentials.h"

namespace kubelet::client {

struct ServingOptions {
  std::string cert_dir = "/var/lib/kubelet/pki";
  std::string tls_cert_file, tls_key_file;  // tlsCertFile, tlsPrivateKeyFile
  bool bootstrap = false;                   // serverTLSBootstrap
  bool dns_only = false;                    // gate AllowDNSOnlyNodeCSR
  std::string hostname;                     // of the self-signed certificate
  std::string node_name;
};

// Alternative names to ask for: DNS names and IPs of the node's addresses, sorted, each once
// (pkg/kubelet/certificate addressesToHostnamesAndIPs). Pure.
struct ServingNames {
  std::vector<std::string> dns_names, ip_addresses;
};
ServingNames ComputeServingNames(
    const google::protobuf::RepeatedPtrField<k8s::io::api::core::v1::NodeAddress>& addresses);

// Start once; Stop before the end.
//
//   bootstrap        <cert_dir>/kubelet-server-current.pem, got by a request to the signer
//                    kubernetes.io/kubelet-serving (which a person or an approver has to approve),
//                    rotated at 70 to 90 % of its life and asked for anew when an address is
//                    missing in it; until there is one, tlsCertFile if it is there
//   tlsCertFile      that pair; half-written files keep the last good
//   neither          <cert_dir>/kubelet.crt and kubelet.key, made when both are absent (or the key
//                    alone is there, after a crash): a leaf for `hostname` and its CA, a year long.
//                    Upstream makes RSA keys; these are P-256.
class ServingCertificate {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    Api* api = nullptr;  // for `bootstrap`; null: nothing is asked for
    std::function<double()> random;
    base::Registry* metrics = nullptr;
    std::function<void()> changed;  // generation() or the state of health(); may be empty
  };
  ServingCertificate(ServingOptions options, Deps deps);
  ~ServingCertificate();
  void Start();
  base::Task<void> Stop();

  // The node's addresses; nothing is asked for before an IP is among them.
  void SetAddresses(
      const google::protobuf::RepeatedPtrField<k8s::io::api::core::v1::NodeAddress>& addresses);
  // cert_pem with its chain, key_pem, generation. Unavailable while there is none: the message
  // is health()'s, handshakes are to be refused.
  absl::StatusOr<Presented> Current() const;
  uint64_t generation() const;
  CertificateHealth health() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// A file of CA certificates (clientCAFile). A file that turns bad keeps the last good and is logged
// once.
class CaBundle {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    std::function<void()> changed;  // generation() is another; may be empty
  };
  CaBundle(std::string path, Deps deps);
  ~CaBundle();
  void Start();
  base::Task<void> Stop();
  // Certificates in PEM; empty while none could be read.
  const std::string& pem() const;
  uint64_t generation() const;  // 0: none yet
  const absl::Status& problem() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
  base::TaskScope scope_;
};

}  // namespace kubelet::client
