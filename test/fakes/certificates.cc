#include "fakes/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <functional>
#include <memory>

namespace kubelet::fakes {
namespace {

using BioPtr = std::unique_ptr<BIO, int (*)(BIO*)>;
using CertificatePtr = std::unique_ptr<X509, void (*)(X509*)>;
using KeyPtr = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;

BioPtr Memory(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free};
}

std::string Pem(const std::function<void(BIO*)>& write) {
  BioPtr bio(BIO_new(BIO_s_mem()), BIO_free);
  write(bio.get());
  char* data = nullptr;
  long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

std::string Pem(X509* certificate) {
  return Pem([&](BIO* bio) { PEM_write_bio_X509(bio, certificate); });
}

std::string Pem(EVP_PKEY* key) {
  return Pem(
      [&](BIO* bio) { PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); });
}

CertificatePtr ReadCertificate(const std::string& pem) {
  return {PEM_read_bio_X509(Memory(pem).get(), nullptr, nullptr, nullptr), X509_free};
}

KeyPtr ReadKey(const std::string& pem) {
  return {PEM_read_bio_PrivateKey(Memory(pem).get(), nullptr, nullptr, nullptr), EVP_PKEY_free};
}

void AddEntry(X509_NAME* name, const char* field, const std::string& value) {
  X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(value.data()),
                             static_cast<int>(value.size()), -1, 0);
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

CertificatePtr NewCertificate(EVP_PKEY* key, std::chrono::seconds from,
                              std::chrono::seconds until) {
  CertificatePtr out(X509_new(), X509_free);
  X509_set_version(out.get(), 2);
  unsigned char serial[8];
  RAND_bytes(serial, sizeof serial);
  serial[0] &= 0x7f;
  BIGNUM* number = BN_bin2bn(serial, sizeof serial, nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(out.get()));
  BN_free(number);
  X509_gmtime_adj(X509_getm_notBefore(out.get()), static_cast<long>(from.count()));
  X509_gmtime_adj(X509_getm_notAfter(out.get()), static_cast<long>(until.count()));
  X509_set_pubkey(out.get(), key);
  return out;
}

void AddLeafExtensions(X509* certificate, X509* issuer) {
  AddExtension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE");
  AddExtension(certificate, issuer, NID_key_usage, "critical,digitalSignature");
  AddExtension(certificate, issuer, NID_ext_key_usage, "serverAuth,clientAuth");
}

}  // namespace

CertificateAuthority::CertificateAuthority(const std::string& common_name) {
  KeyPtr key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  auto certificate =
      NewCertificate(key.get(), -std::chrono::hours(24 * 365), std::chrono::hours(24 * 365));
  AddEntry(X509_get_subject_name(certificate.get()), "CN", common_name);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  AddExtension(certificate.get(), certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate.get(), certificate.get(), NID_key_usage, "critical,keyCertSign");
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  own_ = {Pem(certificate.get()), Pem(key.get())};
}

KeyPair CertificateAuthority::Issue(const CertificateOptions& options) const {
  auto issuer = ReadCertificate(own_.certificate);
  auto issuer_key = ReadKey(own_.key);
  KeyPtr key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  auto certificate = NewCertificate(key.get(), options.valid_from, options.valid_until);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  for (const auto& organization : options.organizations) AddEntry(subject, "O", organization);
  AddEntry(subject, "CN", options.common_name);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer.get()));
  AddLeafExtensions(certificate.get(), issuer.get());
  if (!options.names.empty()) {
    AddExtension(certificate.get(), issuer.get(), NID_subject_alt_name, options.names);
  }
  X509_sign(certificate.get(), issuer_key.get(), EVP_sha256());
  return {Pem(certificate.get()), Pem(key.get())};
}

std::string CertificateAuthority::Sign(const std::string& csr,
                                       std::chrono::seconds valid_for) const {
  std::unique_ptr<X509_REQ, void (*)(X509_REQ*)> request(
      PEM_read_bio_X509_REQ(Memory(csr).get(), nullptr, nullptr, nullptr), X509_REQ_free);
  if (!request) return "";
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr || X509_REQ_verify(request.get(), key) != 1) return "";
  auto issuer = ReadCertificate(own_.certificate);
  auto issuer_key = ReadKey(own_.key);
  auto certificate = NewCertificate(key, -std::chrono::minutes(5), valid_for);
  X509_set_subject_name(certificate.get(), X509_REQ_get_subject_name(request.get()));
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer.get()));
  AddLeafExtensions(certificate.get(), issuer.get());
  STACK_OF(X509_EXTENSION)* extensions = X509_REQ_get_extensions(request.get());
  int index = X509v3_get_ext_by_NID(extensions, NID_subject_alt_name, -1);
  if (index >= 0) X509_add_ext(certificate.get(), X509v3_get_ext(extensions, index), -1);
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  X509_sign(certificate.get(), issuer_key.get(), EVP_sha256());
  return Pem(certificate.get());
}

}  // namespace kubelet::fakes
