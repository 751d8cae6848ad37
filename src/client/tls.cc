#include "kubelet/client/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address.hpp>
#include <fstream>
#include <sstream>

namespace kubelet::client {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

bool IsAddress(const std::string& name) {
  error_code ec;
  asio::ip::make_address(name.substr(0, name.find('%')), ec);
  return !ec;
}

absl::Status Bad(const std::string& what, const error_code& ec) {
  ERR_clear_error();
  return absl::UnavailableError(what + ": " + ec.message());
}

absl::Status Trust(asio::ssl::context& context, const TlsOptions& options) {
  error_code ec;
  if (options.ca_pem.empty() && options.ca_file.empty()) {
    context.set_default_verify_paths(ec);
    return ec ? Bad("the system's roots", ec) : absl::OkStatus();
  }
  std::string text = options.ca_pem;
  std::string name = "certificate-authority-data";
  if (text.empty()) {
    name = "certificate authority " + options.ca_file;
    std::ifstream file(options.ca_file, std::ios::binary);
    if (!file) return absl::UnavailableError(name + ": cannot be read");
    std::ostringstream all;
    all << file.rdbuf();
    text = all.str();
  }
  context.add_certificate_authority(asio::buffer(text), ec);
  // Any certificate given is an anchor, as for Go, be it an intermediate or the server's own.
  X509_STORE_set_flags(SSL_CTX_get_cert_store(context.native_handle()), X509_V_FLAG_PARTIAL_CHAIN);
  return ec ? Bad(name, ec) : absl::OkStatus();
}

absl::Status Show(asio::ssl::context& context, const TlsOptions& options) {
  if (options.cert_pem.empty()) return absl::OkStatus();
  error_code ec;
  context.use_certificate_chain(asio::buffer(options.cert_pem), ec);
  if (ec) return Bad("client certificate", ec);
  context.use_private_key(asio::buffer(options.key_pem), asio::ssl::context::pem, ec);
  return ec ? Bad("key of the client certificate", ec) : absl::OkStatus();
}

std::string Time(const ASN1_TIME* time) {
  tm parts{};
  char text[32] = "?";
  if (ASN1_TIME_to_tm(time, &parts) == 1) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

// The names of a certificate, for the message: `a, b, 10.0.0.1`.
std::string Names(X509* certificate) {
  std::string out;
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    std::string text;
    if (name->type == GEN_DNS) {
      const ASN1_STRING* dns = name->d.dNSName;
      text.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(dns)),
                  static_cast<size_t>(ASN1_STRING_length(dns)));
    } else if (name->type == GEN_IPADD) {
      const ASN1_STRING* ip = name->d.iPAddress;
      const unsigned char* data = ASN1_STRING_get0_data(ip);
      if (ASN1_STRING_length(ip) == 4) {
        asio::ip::address_v4::bytes_type bytes;
        std::copy(data, data + 4, bytes.begin());
        text = asio::ip::address_v4(bytes).to_string();
      } else if (ASN1_STRING_length(ip) == 16) {
        asio::ip::address_v6::bytes_type bytes;
        std::copy(data, data + 16, bytes.begin());
        text = asio::ip::address_v6(bytes).to_string();
      }
    }
    if (!text.empty()) out += (out.empty() ? "" : ", ") + text;
  }
  GENERAL_NAMES_free(names);
  return out.empty() ? "no names" : out;
}

std::string Verdict(int result, X509* certificate, const std::string& server_name) {
  switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "the server's certificate has expired (" + Time(X509_get0_notAfter(certificate)) + ")";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "the server's certificate is not yet valid (from " +
             Time(X509_get0_notBefore(certificate)) + ")";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "the server's certificate is valid for " + Names(certificate) + ", not " + server_name;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return "the server's certificate is signed by an unknown authority";
    default:
      return std::string("the server's certificate: ") + X509_verify_cert_error_string(result);
  }
}

}  // namespace

absl::StatusOr<TlsContext> MakeTlsContext(const TlsOptions& options) {
  error_code ec;
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  SSL_CTX* native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  // A key with a password must not ask for it on the terminal.
  context->set_password_callback(
      [](size_t, asio::ssl::context::password_purpose) { return std::string(); }, ec);
  context->set_verify_mode(options.insecure ? asio::ssl::verify_none : asio::ssl::verify_peer, ec);
  if (!options.insecure) {
    if (auto trusted = Trust(*context, options); !trusted.ok()) return trusted;
  }
  if (auto shown = Show(*context, options); !shown.ok()) return shown;
  return context;
}

absl::Status PrepareTls(SSL* ssl, const TlsOptions& options) {
  std::string name = options.server_name.substr(0, options.server_name.find('%'));
  X509_VERIFY_PARAM* verify = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(
      verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  bool fine = true;
  if (IsAddress(name)) {
    fine = X509_VERIFY_PARAM_set1_ip_asc(verify, name.c_str()) == 1;
  } else {
    fine = SSL_set_tlsext_host_name(ssl, name.c_str()) == 1 &&
           X509_VERIFY_PARAM_set1_host(verify, name.data(), name.size()) == 1;
  }
  static const unsigned char kProtocols[] = "\x02h2\x08http/1.1";
  const unsigned char* offered = options.http2 ? kProtocols : kProtocols + 3;
  unsigned length = options.http2 ? 12 : 9;
  // 0 is its success.
  fine = SSL_set_alpn_protos(ssl, offered, length) == 0 && fine;
  if (fine) return absl::OkStatus();
  ERR_clear_error();
  return absl::UnavailableError("TLS cannot be set up for server name \"" + name + "\"");
}

std::string CertificateFailure(X509_STORE_CTX* context, const std::string& server_name) {
  return "tls: " + Verdict(X509_STORE_CTX_get_error(context),
                           X509_STORE_CTX_get_current_cert(context), server_name);
}

bool ChoseHttp2(SSL* ssl) {
  const unsigned char* name = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl, &name, &length);
  return length == 2;
}

}  // namespace kubelet::client
