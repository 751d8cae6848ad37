// Signing requests and certificates of our own making.
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <ctime>

#include "client/x509.h"
#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

using BioPtr = std::unique_ptr<BIO, OpenSslFree<BIO_free_all>>;
using NamePtr = std::unique_ptr<X509_NAME, OpenSslFree<X509_NAME_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, OpenSslFree<X509_EXTENSION_free>>;
using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, OpenSslFree<GENERAL_NAMES_free>>;

absl::Status Failed(const std::string& what) {
  return absl::InternalError(what + ": " + DrainOpenSslErrors());
}

// Organizations before the common name: the order in which Go writes a subject.
absl::StatusOr<NamePtr> MakeName(const CsrTemplate& want) {
  NamePtr name(X509_NAME_new());
  auto add = [&name](const char* field, const std::string& value) {
    // Not MBSTRING_UTF8: OpenSSL would cut names at 64 characters, nodes may have 253.
    return X509_NAME_add_entry_by_txt(name.get(), field, V_ASN1_UTF8STRING,
                                      reinterpret_cast<const unsigned char*>(value.data()),
                                      static_cast<int>(value.size()), -1, 0) == 1;
  };
  bool good = name != nullptr;
  for (const auto& organization : want.organizations) good = good && add("O", organization);
  if (!want.common_name.empty()) good = good && add("CN", want.common_name);
  if (!good) return Failed("cannot make the name " + want.common_name);
  return name;
}

bool AddDns(GENERAL_NAMES* names, const std::string& dns) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  if (name == nullptr || text == nullptr ||
      ASN1_STRING_set(text, dns.data(), static_cast<int>(dns.size())) != 1) {
    ASN1_IA5STRING_free(text);
    GENERAL_NAME_free(name);
    return false;
  }
  GENERAL_NAME_set0_value(name, GEN_DNS, text);
  return sk_GENERAL_NAME_push(names, name) > 0;
}

bool AddIp(GENERAL_NAMES* names, const std::string& ip) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_OCTET_STRING* address = a2i_IPADDRESS(ip.c_str());
  if (name == nullptr || address == nullptr) {
    ASN1_OCTET_STRING_free(address);
    GENERAL_NAME_free(name);
    return false;
  }
  GENERAL_NAME_set0_value(name, GEN_IPADD, address);
  return sk_GENERAL_NAME_push(names, name) > 0;
}

// Values, not OpenSSL's configuration syntax: a host name with a comma in it stays one name.
absl::StatusOr<ExtensionPtr> AlternativeNames(const CsrTemplate& want) {
  GeneralNamesPtr names(GENERAL_NAMES_new());
  bool good = names != nullptr;
  for (const auto& dns : want.dns_names) good = good && AddDns(names.get(), dns);
  for (const auto& ip : want.ip_addresses) {
    good = good && AddIp(names.get(), ip);
    if (!good) return Failed("cannot ask for the IP address " + ip);
  }
  ExtensionPtr extension(good ? X509V3_EXT_i2d(NID_subject_alt_name, 0, names.get()) : nullptr);
  if (!extension) return Failed("cannot make alternative names");
  return extension;
}

absl::Status AddAlternativeNames(X509_REQ* request, const CsrTemplate& want) {
  ASSIGN_OR_RETURN(ExtensionPtr extension, AlternativeNames(want));
  STACK_OF(X509_EXTENSION)* list = sk_X509_EXTENSION_new_null();
  bool good = list != nullptr && sk_X509_EXTENSION_push(list, extension.get()) > 0 &&
              X509_REQ_add_extensions(request, list) == 1;
  sk_X509_EXTENSION_free(list);
  return good ? absl::OkStatus() : Failed("cannot add alternative names");
}

absl::Status AddText(X509* certificate, int nid, const char* value) {
  ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, nullptr, nid, value));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1)
    return Failed("cannot add an extension");
  return absl::OkStatus();
}

struct Made {
  KeyPtr key;
  CertPtr certificate;
};

// The fields that CA and leaf share; neither extensions nor signature.
absl::StatusOr<Made> Unsigned(const std::string& common_name, base::WallTime now) {
  constexpr long kHour = 3600, kYear = 365 * 24 * kHour;
  Made made;
  ASSIGN_OR_RETURN(made.key, GenerateKey());
  made.certificate.reset(X509_new());
  X509* certificate = made.certificate.get();
  CsrTemplate subject;
  subject.common_name = common_name;
  ASSIGN_OR_RETURN(NamePtr name, MakeName(subject));
  unsigned char random[8];
  if (RAND_bytes(random, sizeof random) != 1) return Failed("no random numbers");
  uint64_t serial = 0;
  for (unsigned char byte : random) serial = serial << 8 | byte;
  std::time_t from = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  bool good = certificate != nullptr && X509_set_version(certificate, 2) == 1 &&
              ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), (serial >> 1) + 1) == 1 &&
              X509_set_subject_name(certificate, name.get()) == 1 &&
              X509_set_issuer_name(certificate, name.get()) == 1 &&
              ASN1_TIME_set(X509_getm_notBefore(certificate), from - kHour) != nullptr &&
              ASN1_TIME_set(X509_getm_notAfter(certificate), from - kHour + kYear) != nullptr &&
              X509_set_pubkey(certificate, made.key.get()) == 1;
  if (!good) return Failed("cannot make a certificate");
  return made;
}

absl::Status Sign(X509* certificate, EVP_PKEY* key) {
  if (X509_sign(certificate, key, EVP_sha256()) == 0) return Failed("cannot sign a certificate");
  return absl::OkStatus();
}

absl::Status FinishCa(const Made& ca) {
  X509* certificate = ca.certificate.get();
  RETURN_IF_ERROR(AddText(certificate, NID_basic_constraints, "critical,CA:TRUE"));
  RETURN_IF_ERROR(
      AddText(certificate, NID_key_usage, "critical,digitalSignature,keyEncipherment,keyCertSign"));
  return Sign(certificate, ca.key.get());
}

absl::Status FinishLeaf(const Made& leaf, const Made& ca, const std::string& host) {
  X509* certificate = leaf.certificate.get();
  if (X509_set_issuer_name(certificate, X509_get_subject_name(ca.certificate.get())) != 1)
    return Failed("cannot set the issuer");
  RETURN_IF_ERROR(AddText(certificate, NID_basic_constraints, "critical,CA:FALSE"));
  RETURN_IF_ERROR(AddText(certificate, NID_key_usage, "critical,digitalSignature,keyEncipherment"));
  RETURN_IF_ERROR(AddText(certificate, NID_ext_key_usage, "serverAuth"));
  CsrTemplate names;
  std::string ip = CanonicalIp(host);
  if (ip.empty()) names.dns_names.push_back(host);
  if (!ip.empty()) names.ip_addresses.push_back(ip);
  ASSIGN_OR_RETURN(ExtensionPtr alternative, AlternativeNames(names));
  if (X509_add_ext(certificate, alternative.get(), -1) != 1)
    return Failed("cannot add alternative names");
  return Sign(certificate, ca.key.get());
}

}  // namespace

absl::StatusOr<std::string> MakeCsr(EVP_PKEY* key, const CsrTemplate& want) {
  ERR_clear_error();
  CsrPtr request(X509_REQ_new());
  ASSIGN_OR_RETURN(NamePtr name, MakeName(want));
  if (!request || X509_REQ_set_version(request.get(), 0) != 1 ||
      X509_REQ_set_subject_name(request.get(), name.get()) != 1 ||
      X509_REQ_set_pubkey(request.get(), key) != 1)
    return Failed("cannot make a signing request");
  if (!want.dns_names.empty() || !want.ip_addresses.empty())
    RETURN_IF_ERROR(AddAlternativeNames(request.get(), want));
  if (X509_REQ_sign(request.get(), key, EVP_sha256()) == 0)
    return Failed("cannot sign a signing request");
  BioPtr out(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509_REQ(out.get(), request.get()) != 1)
    return Failed("cannot write a signing request");
  char* data = nullptr;
  long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

absl::Status CheckCsr(const std::string& csr_pem, EVP_PKEY* key, const CsrTemplate& want) {
  ERR_clear_error();
  BioPtr in(BIO_new_mem_buf(csr_pem.data(), static_cast<int>(csr_pem.size())));
  CsrPtr request(PEM_read_bio_X509_REQ(in.get(), nullptr, nullptr, nullptr));
  if (!request) return absl::InvalidArgumentError("not a signing request: " + DrainOpenSslErrors());
  ASSIGN_OR_RETURN(NamePtr name, MakeName(want));
  if (X509_NAME_cmp(X509_REQ_get_subject_name(request.get()), name.get()) != 0)
    return absl::InvalidArgumentError("the signing request has another subject");
  if (X509_REQ_verify(request.get(), key) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError("the signing request was made with another key");
  }
  return absl::OkStatus();
}

absl::StatusOr<PemPair> MakeSelfSigned(const std::string& host, base::WallTime now) {
  ERR_clear_error();
  std::string epoch = std::to_string(base::UnixNanos(now) / 1'000'000'000);
  ASSIGN_OR_RETURN(Made ca, Unsigned(host + "-ca@" + epoch, now));
  ASSIGN_OR_RETURN(Made leaf, Unsigned(host + "@" + epoch, now));
  RETURN_IF_ERROR(FinishCa(ca));
  RETURN_IF_ERROR(FinishLeaf(leaf, ca, host));
  std::vector<CertPtr> chain;
  chain.push_back(std::move(leaf.certificate));
  chain.push_back(std::move(ca.certificate));
  PemPair pair;
  ASSIGN_OR_RETURN(pair.cert_pem, CertificatesPem(chain));
  ASSIGN_OR_RETURN(pair.key_pem, KeyPem(leaf.key.get()));
  return pair;
}

}  // namespace kubelet::client
