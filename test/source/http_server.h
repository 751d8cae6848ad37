// A small HTTP server in the test's own loop: plain or TLS, answers from a table, can be silent,
// can be a proxy.
#pragma once

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kubelet/base/async.h"

namespace kubelet::source {

namespace asio = boost::asio;

// A self-made authority and a server certificate of it for `names` (subjectAltName syntax), as PEM.
struct TestTls {
  std::string ca, certificate, key;
};

namespace test_tls {

struct Made {
  std::shared_ptr<EVP_PKEY> key;
  std::shared_ptr<X509> certificate;
};

inline void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

inline Made Make(const std::string& common_name, const Made* issuer, const std::string& names) {
  Made out;
  out.key.reset(EVP_EC_gen("P-256"), EVP_PKEY_free);
  out.certificate.reset(X509_new(), X509_free);
  X509* c = out.certificate.get();
  X509_set_version(c, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(c), issuer ? 2 : 1);
  X509_gmtime_adj(X509_getm_notBefore(c), -3600);
  X509_gmtime_adj(X509_getm_notAfter(c), 3600);
  X509_set_pubkey(c, out.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                             0);
  X509* by = issuer ? issuer->certificate.get() : c;
  X509_set_issuer_name(c, X509_get_subject_name(by));
  AddExtension(c, by, NID_basic_constraints, issuer ? "CA:FALSE" : "critical,CA:TRUE");
  if (!names.empty()) AddExtension(c, by, NID_subject_alt_name, names);
  X509_sign(c, issuer ? issuer->key.get() : out.key.get(), EVP_sha256());
  return out;
}

inline std::string Pem(const std::function<void(BIO*)>& write) {
  std::unique_ptr<BIO, int (*)(BIO*)> bio(BIO_new(BIO_s_mem()), BIO_free);
  write(bio.get());
  char* data = nullptr;
  long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

}  // namespace test_tls

inline TestTls MakeTestTls(const std::string& names) {
  auto ca = test_tls::Make("test ca", nullptr, "");
  auto leaf = test_tls::Make("test server", &ca, names);
  TestTls out;
  out.ca = test_tls::Pem([&](BIO* b) { PEM_write_bio_X509(b, ca.certificate.get()); });
  out.certificate = test_tls::Pem([&](BIO* b) { PEM_write_bio_X509(b, leaf.certificate.get()); });
  out.key = test_tls::Pem([&](BIO* b) {
    PEM_write_bio_PrivateKey(b, leaf.key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  return out;
}

class HttpServer {
 public:
  // The raw answer to a request's head; nullopt: never answer.
  using Handler = std::function<std::optional<std::string>(const std::string& head)>;

  HttpServer(base::Executor executor, Handler handler, const TestTls* tls = nullptr)
      : executor_(executor),
        handler_(std::move(handler)),
        acceptor_(executor, {asio::ip::address_v4::loopback(), 0}),
        scope_(executor) {
    if (tls != nullptr) {
      context_.emplace(asio::ssl::context::tls_server);
      context_->use_certificate_chain(asio::buffer(tls->certificate));
      context_->use_private_key(asio::buffer(tls->key), asio::ssl::context::pem);
    }
    scope_.Spawn("accept", Accept());
  }
  std::string port() const { return std::to_string(acceptor_.local_endpoint().port()); }
  // Nobody listens any more: connections are refused.
  void Close() { acceptor_.close(); }
  // Forwards bytes to this port after a 200 to CONNECT.
  void TunnelTo(const std::string& port) { tunnel_port_ = port; }

  std::vector<std::string> heads;
  int open = 0;

 private:
  using Socket = asio::ip::tcp::socket;
  using SocketPtr = std::shared_ptr<Socket>;

  base::Task<void> Accept() {
    for (;;) {
      auto socket = std::make_shared<Socket>(executor_);
      co_await acceptor_.async_accept(*socket, asio::use_awaitable);
      if (context_) {
        scope_.Spawn("tls", ServeTls(socket));
      } else {
        scope_.Spawn("plain", ServePlain(socket));
      }
    }
  }
  template <typename Stream>
  base::Task<bool> Answer(Stream& stream) {
    std::string data;
    ++open;
    auto got = co_await asio::async_read_until(stream, asio::dynamic_buffer(data), "\r\n\r\n",
                                               asio::as_tuple(asio::use_awaitable));
    --open;
    if (std::get<0>(got)) co_return false;
    heads.push_back(data);
    auto answer = handler_(data);
    if (!answer) {
      // Holds the connection until the client gives up.
      ++open;
      auto rest = co_await asio::async_read_until(stream, asio::dynamic_buffer(data), "never",
                                                  asio::as_tuple(asio::use_awaitable));
      (void)rest;
      --open;
      co_return false;
    }
    auto sent = co_await asio::async_write(stream, asio::buffer(*answer),
                                           asio::as_tuple(asio::use_awaitable));
    co_return !std::get<0>(sent);
  }
  base::Task<void> ServePlain(SocketPtr socket) {
    bool answered = co_await Answer(*socket);
    if (!answered || tunnel_port_.empty()) co_return;
    auto other = std::make_shared<Socket>(executor_);
    asio::ip::tcp::endpoint endpoint(asio::ip::address_v4::loopback(),
                                     static_cast<unsigned short>(std::stoi(tunnel_port_)));
    co_await other->async_connect(endpoint, asio::use_awaitable);
    scope_.Spawn("to", Pump(socket, other));
    scope_.Spawn("from", Pump(other, socket));
  }
  base::Task<void> ServeTls(SocketPtr socket) {
    auto stream = std::make_shared<asio::ssl::stream<Socket&>>(*socket, *context_);
    auto shaken = co_await stream->async_handshake(asio::ssl::stream_base::server,
                                                   asio::as_tuple(asio::use_awaitable));
    if (std::get<0>(shaken)) co_return;
    bool answered = co_await Answer(*stream);
    if (answered) {
      auto done = co_await stream->async_shutdown(asio::as_tuple(asio::use_awaitable));
      (void)done;
    }
  }
  static base::Task<void> Pump(SocketPtr from, SocketPtr to) {
    std::string chunk(4096, '\0');
    for (;;) {
      auto got =
          co_await from->async_read_some(asio::buffer(chunk), asio::as_tuple(asio::use_awaitable));
      if (std::get<0>(got)) break;
      auto sent = co_await asio::async_write(*to, asio::buffer(chunk.data(), std::get<1>(got)),
                                             asio::as_tuple(asio::use_awaitable));
      if (std::get<0>(sent)) break;
    }
    boost::system::error_code ignored;
    to->shutdown(Socket::shutdown_send, ignored);
  }

  base::Executor executor_;
  Handler handler_;
  std::optional<asio::ssl::context> context_;
  asio::basic_socket_acceptor<asio::ip::tcp, base::Executor> acceptor_;
  std::string tunnel_port_;
  base::TaskScope scope_;
};

inline std::string Ok(const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace kubelet::source
