// One CertificateSigningRequest: created, waited for, answered.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/x509.h"
#include "kubelet/base/clock.h"
#include "kubelet/client/api.h"

namespace kubelet::client {

inline constexpr char kClientSigner[] = "kubernetes.io/kube-apiserver-client-kubelet";
inline constexpr char kServingSigner[] = "kubernetes.io/kubelet-serving";

struct CsrRequest {
  std::string name;  // empty: the server makes one up (`csr-` and five characters)
  std::string signer;
  CsrTemplate want;
  std::string csr_pem;
  std::string key_pem;
};

// The usages upstream asks for with a P-256 key: no key encipherment.
std::vector<std::string> UsagesOf(const std::string& signer);

// `node-csr-<hash>`: the same for the same key, subject and usages, so that a restart finds its own
// request (certificate/bootstrap digestedName). Pure.
absl::StatusOr<std::string> DigestedName(EVP_PKEY* key, const CsrTemplate& want,
                                         const std::vector<std::string>& usages);

// The issued certificates in PEM. Waits for as long as it takes: cancel the task to end it.
//
// Under a given name an existing request is taken over when it has our key, subject and signer.
// FailedPrecondition: it was denied, has failed or is not ours; another key is needed. Aborted: it
// was deleted. Otherwise the API's error. `created` is told the request's name as soon as it is
// known; `api` and `clock` live until the task ends.
base::Task<absl::StatusOr<std::string>> RequestCertificate(
    Api& api, base::Clock& clock, CsrRequest request,
    std::function<void(const std::string& name)> created);

}  // namespace kubelet::client
