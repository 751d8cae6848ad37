// The key of a podCertificate source and the proof that it is ours.
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "client/x509.h"
#include "kubelet/client/pod_certificates.h"

namespace kubelet::client {
namespace {

using BioPtr = std::unique_ptr<BIO, OpenSslFree<BIO_free_all>>;

// The digests that go with them in Go's x509.CreateCertificateRequest.
struct KeyKind {
  const char* name;
  EVP_PKEY* (*make)();
  const EVP_MD* (*digest)();
};

EVP_PKEY* MakeEd25519() { return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"); }
const EVP_MD* NoDigest() { return nullptr; }

constexpr KeyKind kKinds[] = {
    {"RSA3072", [] { return EVP_RSA_gen(3072); }, EVP_sha256},
    {"RSA4096", [] { return EVP_RSA_gen(4096); }, EVP_sha256},
    {"ECDSAP256", [] { return EVP_EC_gen("P-256"); }, EVP_sha256},
    {"ECDSAP384", [] { return EVP_EC_gen("P-384"); }, EVP_sha384},
    {"ECDSAP521", [] { return EVP_EC_gen("P-521"); }, EVP_sha512},
    {"ED25519", MakeEd25519, NoDigest},
};

absl::Status Failed(const std::string& what) {
  return absl::InternalError(what + ": " + DrainOpenSslErrors());
}

absl::StatusOr<std::string> Pkcs8(EVP_PKEY* key) {
  BioPtr out(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PKCS8PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return Failed("cannot write a private key");
  char* data = nullptr;
  long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

absl::StatusOr<std::string> StubRequest(EVP_PKEY* key, const EVP_MD* digest) {
  CsrPtr request(X509_REQ_new());
  if (!request || X509_REQ_set_version(request.get(), 0) != 1 ||
      X509_REQ_set_pubkey(request.get(), key) != 1 ||
      X509_REQ_sign(request.get(), key, digest) == 0)
    return Failed("cannot make a signing request");
  unsigned char* der = nullptr;
  int size = i2d_X509_REQ(request.get(), &der);
  if (size <= 0) return Failed("cannot encode a signing request");
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

}  // namespace

absl::StatusOr<KeyAndProof> MakeKeyAndProof(const std::string& key_type) {
  for (const KeyKind& kind : kKinds) {
    if (key_type != kind.name) continue;
    ERR_clear_error();
    KeyPtr key(kind.make());
    if (!key) return Failed("cannot make a key of type " + key_type);
    auto pem = Pkcs8(key.get());
    if (!pem.ok()) return pem.status();
    auto request = StubRequest(key.get(), kind.digest());
    if (!request.ok()) return request.status();
    return KeyAndProof{*std::move(pem), *std::move(request)};
  }
  return absl::InvalidArgumentError("unknown key type \"" + key_type + "\"");
}

}  // namespace kubelet::client
