#include "probe/tls.h"

#include <openssl/err.h>

#include <boost/asio/ip/address.hpp>

namespace kubelet::probe {
namespace {

SSL_CTX* MakeContext() {
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // Old keys and hashes are as good as any where nobody is verified.
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
  static const unsigned char kProtocols[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(context, kProtocols, sizeof kProtocols - 1);
  return context;
}

SSL_CTX* Context() {
  static SSL_CTX* context = MakeContext();
  return context;
}

}  // namespace

Tls::Tls(const std::string& server_name) : ssl_(SSL_new(Context())) {
  SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_connect_state(ssl_.get());
  boost::system::error_code not_an_address;
  boost::asio::ip::make_address(server_name, not_an_address);
  if (not_an_address) SSL_set_tlsext_host_name(ssl_.get(), server_name.c_str());
}

Tls::Step Tls::Judge(int result) {
  int why = SSL_get_error(ssl_.get(), result);
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return Step::kWantsBytes;
  if (why == SSL_ERROR_ZERO_RETURN) return Step::kEnded;
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  if (met_http()) {
    error_ = "http: server gave HTTP response to HTTPS client";
  } else {
    error_ = std::string("tls: ") + (reason != nullptr ? reason : "the connection broke");
  }
  ERR_clear_error();
  return Step::kEnded;
}

Tls::Step Tls::Handshake() {
  ERR_clear_error();
  int result = SSL_do_handshake(ssl_.get());
  return result == 1 ? Step::kDone : Judge(result);
}

void Tls::Write(std::string_view plain) {
  ERR_clear_error();
  if (!plain.empty()) SSL_write(ssl_.get(), plain.data(), static_cast<int>(plain.size()));
}

Tls::Step Tls::Read(std::string& plain) {
  char buffer[4096];
  for (;;) {
    ERR_clear_error();
    int n = SSL_read(ssl_.get(), buffer, sizeof buffer);
    if (n <= 0) return Judge(n);
    plain.append(buffer, static_cast<size_t>(n));
  }
}

void Tls::Feed(std::string_view wire) {
  if (first_.size() < 5) first_.append(wire.substr(0, 5 - first_.size()));
  BIO_write(SSL_get_rbio(ssl_.get()), wire.data(), static_cast<int>(wire.size()));
}

std::string Tls::TakeOutgoing() {
  BIO* out = SSL_get_wbio(ssl_.get());
  std::string bytes(BIO_ctrl_pending(out), '\0');
  if (!bytes.empty()) BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

}  // namespace kubelet::probe
