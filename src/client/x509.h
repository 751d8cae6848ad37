// Keys, certificates and signing requests over OpenSSL 3: owned handles, and errors as text.
//
// Pure but for randomness; thread safe (OpenSSL's error queue is one per thread, and every function
// here leaves it empty). InvalidArgument: the input is no such thing; Internal: OpenSSL failed.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kubelet/base/time.h"

namespace kubelet::client {

template <auto Free>
struct OpenSslFree {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, OpenSslFree<EVP_PKEY_free>>;
using CertPtr = std::unique_ptr<X509, OpenSslFree<X509_free>>;
using CsrPtr = std::unique_ptr<X509_REQ, OpenSslFree<X509_REQ_free>>;

// The texts of this thread's queued OpenSSL errors, oldest first, which are removed.
std::string DrainOpenSslErrors();

// A new ECDSA P-256 key, what upstream asks certificates for.
absl::StatusOr<KeyPtr> GenerateKey();
// The first private key in `pem`; other blocks are passed over. An encrypted key is refused (nobody
// could type its password).
absl::StatusOr<KeyPtr> ParseKey(const std::string& pem);
// `EC PRIVATE KEY`, or `RSA PRIVATE KEY`: the traditional forms that upstream writes.
absl::StatusOr<std::string> KeyPem(EVP_PKEY* key);
// SubjectPublicKeyInfo in DER.
absl::StatusOr<std::string> PublicKeyDer(EVP_PKEY* key);

// Every certificate in `pem`, in order, other blocks passed over; at least one.
absl::StatusOr<std::vector<CertPtr>> ParseCertificates(const std::string& pem);
absl::StatusOr<std::string> CertificatesPem(const std::vector<CertPtr>& certificates);

// Times outside of what WallTime holds are clamped to its ends.
struct CertificateInfo {
  std::string common_name;
  std::vector<std::string> organizations;
  std::vector<std::string> dns_names, ip_addresses;  // IPs in canonical text
  base::WallTime not_before, not_after;
};
absl::StatusOr<CertificateInfo> InfoOf(X509* certificate);
// The first certificate of `cert_pem`, when the private key in `key_pem` is its own.
absl::StatusOr<CertificateInfo> CheckPair(const std::string& cert_pem, const std::string& key_pem);

// What a signing request asks for.
struct CsrTemplate {
  std::string common_name;
  std::vector<std::string> organizations;
  std::vector<std::string> dns_names, ip_addresses;
  bool operator==(const CsrTemplate&) const = default;
};
absl::StatusOr<std::string> MakeCsr(EVP_PKEY* key, const CsrTemplate& want);
// OK when `csr_pem` was signed with `key` and has the subject of `want`; else what differs.
absl::Status CheckCsr(const std::string& csr_pem, EVP_PKEY* key, const CsrTemplate& want);
// True when nothing of `want` is missing in the certificate; more in it does no harm.
bool Satisfies(const CertificateInfo& have, const CsrTemplate& want);

struct PemPair {
  std::string cert_pem, key_pem;
};
// A serving pair for `host` (name or IP): leaf `host@epoch` with the host as its alternative name,
// signed by a CA `host-ca@epoch` that follows it and whose key is thrown away; valid from an hour
// before `now`, for a year (client-go util/cert GenerateSelfSignedCertKey; its keys are RSA 2048).
absl::StatusOr<PemPair> MakeSelfSigned(const std::string& host, base::WallTime now);

// Canonical text of an IP address; empty when it is none.
std::string CanonicalIp(const std::string& text);
absl::StatusOr<std::string> Sha512_256(const std::string& data);

}  // namespace kubelet::client
