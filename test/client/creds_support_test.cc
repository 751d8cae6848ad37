#include "creds_support.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace kubelet::client::support {
namespace {

std::time_t Seconds(base::WallTime t) { return base::UnixNanos(t) / 1'000'000'000; }

}  // namespace

TestCa::TestCa() {
  key_ = *GenerateKey();
  certificate_.reset(X509_new());
  X509* c = certificate_.get();
  X509_set_version(c, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(c), 1);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("test-ca"), -1, -1, 0);
  X509_set_issuer_name(c, X509_get_subject_name(c));
  ASN1_TIME_set(X509_getm_notBefore(c), 0);
  ASN1_TIME_set(X509_getm_notAfter(c), 4'000'000'000);
  X509_set_pubkey(c, key_.get());
  X509_sign(c, key_.get(), EVP_sha256());
  std::vector<CertPtr> list;
  list.emplace_back(X509_dup(c));
  pem_ = *CertificatesPem(list);
}

std::string TestCa::Sign(const std::string& csr_pem, base::WallTime from, base::WallTime to) const {
  BIO* in = BIO_new_mem_buf(csr_pem.data(), static_cast<int>(csr_pem.size()));
  CsrPtr request(PEM_read_bio_X509_REQ(in, nullptr, nullptr, nullptr));
  BIO_free(in);
  REQUIRE(request);
  static long serial = 1;
  CertPtr certificate(X509_new());
  X509* c = certificate.get();
  X509_set_version(c, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(c), ++serial);
  X509_set_subject_name(c, X509_REQ_get_subject_name(request.get()));
  X509_set_issuer_name(c, X509_get_subject_name(certificate_.get()));
  ASN1_TIME_set(X509_getm_notBefore(c), Seconds(from));
  ASN1_TIME_set(X509_getm_notAfter(c), Seconds(to));
  X509_set_pubkey(c, X509_REQ_get0_pubkey(request.get()));
  STACK_OF(X509_EXTENSION)* extensions = X509_REQ_get_extensions(request.get());
  for (int i = 0; i < sk_X509_EXTENSION_num(extensions); ++i)
    X509_add_ext(c, sk_X509_EXTENSION_value(extensions, i), -1);
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  REQUIRE(X509_sign(c, key_.get(), EVP_sha256()) > 0);
  std::vector<CertPtr> list;
  list.push_back(std::move(certificate));
  return *CertificatesPem(list);
}

PemPair TestCa::Issue(const CsrTemplate& want, base::WallTime from, base::WallTime to) const {
  KeyPtr key = *GenerateKey();
  PemPair pair;
  pair.key_pem = *KeyPem(key.get());
  pair.cert_pem = Sign(*MakeCsr(key.get(), want), from, to);
  return pair;
}

PemPair TestCa::Issue(const std::string& common_name, base::WallTime from,
                      base::WallTime to) const {
  CsrTemplate want;
  want.common_name = common_name;
  want.organizations = {"system:nodes"};
  return Issue(want, from, to);
}

}  // namespace kubelet::client::support
