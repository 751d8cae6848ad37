#include "client/x509.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

using BioPtr = std::unique_ptr<BIO, OpenSslFree<BIO_free_all>>;

BioPtr Reader(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

BioPtr Writer() { return BioPtr(BIO_new(BIO_s_mem())); }

std::string TextOf(const BioPtr& bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(std::max(size, 0L)));
}

// Without it OpenSSL asks the terminal for the password of an encrypted key.
int NoPassword(char*, int, int, void*) { return -1; }

absl::Status Failed(const std::string& what) {
  return absl::InternalError(what + ": " + DrainOpenSslErrors());
}

absl::Status Bad(const std::string& what) {
  return absl::InvalidArgumentError(what + ": " + DrainOpenSslErrors());
}

base::WallTime TimeOf(const ASN1_TIME* time) {
  constexpr int64_t kSecond = 1'000'000'000;
  constexpr int64_t kMax = INT64_MAX / kSecond - 1;
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return base::WallTime();
  int64_t seconds = std::clamp<int64_t>(::timegm(&parts), -kMax, kMax);
  return base::WallFromUnixNanos(seconds * kSecond);
}

std::string TextOf(const ASN1_STRING* string) {
  unsigned char* text = nullptr;
  int size = ASN1_STRING_to_UTF8(&text, string);
  if (size < 0) return "";
  std::string out(reinterpret_cast<char*>(text), static_cast<size_t>(size));
  OPENSSL_free(text);
  return out;
}

std::vector<std::string> NameParts(const X509_NAME* name, int nid) {
  std::vector<std::string> out;
  for (int i = -1; (i = X509_NAME_get_index_by_NID(name, nid, i)) >= 0;)
    out.push_back(TextOf(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i))));
  return out;
}

std::string IpText(const ASN1_OCTET_STRING* ip) {
  char text[INET6_ADDRSTRLEN];
  int size = ASN1_STRING_length(ip);
  int family = size == 4 ? AF_INET : AF_INET6;
  if (size != 4 && size != 16) return "";
  return ::inet_ntop(family, ASN1_STRING_get0_data(ip), text, sizeof text) ? text : "";
}

void AddAlternativeNames(X509* certificate, CertificateInfo& info) {
  using NamesPtr = std::unique_ptr<GENERAL_NAMES, OpenSslFree<GENERAL_NAMES_free>>;
  NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) info.dns_names.push_back(TextOf(name->d.dNSName));
    if (name->type == GEN_IPADD) info.ip_addresses.push_back(IpText(name->d.iPAddress));
  }
}

bool HasAll(const std::vector<std::string>& have, const std::vector<std::string>& want) {
  return std::all_of(want.begin(), want.end(), [&have](const std::string& one) {
    return std::find(have.begin(), have.end(), one) != have.end();
  });
}

}  // namespace

std::string DrainOpenSslErrors() {
  std::string out;
  while (unsigned long code = ERR_get_error()) {
    char text[256];
    ERR_error_string_n(code, text, sizeof text);
    const char* reason = ERR_reason_error_string(code);
    if (!out.empty()) out += "; ";
    out += reason != nullptr ? reason : text;
  }
  return out.empty() ? "no reason given" : out;
}

absl::StatusOr<KeyPtr> GenerateKey() {
  ERR_clear_error();
  KeyPtr key(EVP_EC_gen("P-256"));
  if (!key) return Failed("cannot make a P-256 key");
  return key;
}

absl::StatusOr<KeyPtr> ParseKey(const std::string& pem) {
  ERR_clear_error();
  BioPtr in = Reader(pem);
  KeyPtr key(PEM_read_bio_PrivateKey(in.get(), nullptr, NoPassword, nullptr));
  if (!key) return Bad("no usable private key in PEM");
  ERR_clear_error();
  return key;
}

absl::StatusOr<std::string> KeyPem(EVP_PKEY* key) {
  ERR_clear_error();
  BioPtr out = Writer();
  if (PEM_write_bio_PrivateKey_traditional(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) !=
      1)
    return Failed("cannot write a private key");
  return TextOf(out);
}

absl::StatusOr<std::string> PublicKeyDer(EVP_PKEY* key) {
  ERR_clear_error();
  unsigned char* der = nullptr;
  int size = i2d_PUBKEY(key, &der);
  if (size <= 0) return Failed("cannot encode a public key");
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

absl::StatusOr<std::vector<CertPtr>> ParseCertificates(const std::string& pem) {
  ERR_clear_error();
  BioPtr in = Reader(pem);
  std::vector<CertPtr> out;
  while (CertPtr one{PEM_read_bio_X509(in.get(), nullptr, NoPassword, nullptr)})
    out.push_back(std::move(one));
  bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!at_end) return Bad("certificate " + std::to_string(out.size() + 1) + " in PEM is broken");
  ERR_clear_error();
  if (out.empty()) return absl::InvalidArgumentError("no certificate in PEM");
  return out;
}

absl::StatusOr<std::string> CertificatesPem(const std::vector<CertPtr>& certificates) {
  ERR_clear_error();
  BioPtr out = Writer();
  for (const auto& one : certificates)
    if (PEM_write_bio_X509(out.get(), one.get()) != 1) return Failed("cannot write a certificate");
  return TextOf(out);
}

absl::StatusOr<CertificateInfo> InfoOf(X509* certificate) {
  ERR_clear_error();
  CertificateInfo info;
  const X509_NAME* subject = X509_get_subject_name(certificate);
  auto names = NameParts(subject, NID_commonName);
  if (!names.empty()) info.common_name = names.back();
  info.organizations = NameParts(subject, NID_organizationName);
  AddAlternativeNames(certificate, info);
  info.not_before = TimeOf(X509_get0_notBefore(certificate));
  info.not_after = TimeOf(X509_get0_notAfter(certificate));
  ERR_clear_error();
  return info;
}

absl::StatusOr<CertificateInfo> CheckPair(const std::string& cert_pem, const std::string& key_pem) {
  ASSIGN_OR_RETURN(auto certificates, ParseCertificates(cert_pem));
  ASSIGN_OR_RETURN(KeyPtr key, ParseKey(key_pem));
  if (X509_check_private_key(certificates[0].get(), key.get()) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError("the private key is not the certificate's");
  }
  return InfoOf(certificates[0].get());
}

bool Satisfies(const CertificateInfo& have, const CsrTemplate& want) {
  return have.common_name == want.common_name && HasAll(have.organizations, want.organizations) &&
         HasAll(have.dns_names, want.dns_names) && HasAll(have.ip_addresses, want.ip_addresses);
}

std::string CanonicalIp(const std::string& text) {
  unsigned char address[16];
  char out[INET6_ADDRSTRLEN];
  for (int family : {AF_INET, AF_INET6}) {
    if (::inet_pton(family, text.c_str(), address) == 1 &&
        ::inet_ntop(family, address, out, sizeof out) != nullptr)
      return out;
  }
  return "";
}

absl::StatusOr<std::string> Sha512_256(const std::string& data) {
  ERR_clear_error();
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(data.data(), data.size(), digest, &size, EVP_sha512_256(), nullptr) != 1)
    return Failed("cannot hash");
  return std::string(reinterpret_cast<char*>(digest), size);
}

}  // namespace kubelet::client
