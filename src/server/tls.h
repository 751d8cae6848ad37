// TLS of the HTTPS port: what it is made of, one connection under it, and who the peer's
// certificate names.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "kubelet/auth/authenticator.h"
#include "kubelet/server/secure_server.h"
#include "server/byte_stream.h"

namespace kubelet::server {

// Immutable once made; connections hold the one they began with. Any thread may make one.
class TlsContext {
 public:
  // InvalidArgument: certificate and key are none, or do not belong together, or none of the curves
  // asked for is there; the message says which. Suites and curves that OpenSSL lacks are left out,
  // with a warning; where no suite below TLS 1.3 is left, only TLS 1.3 is offered.
  static absl::StatusOr<std::shared_ptr<const TlsContext>> Make(const TlsMaterial& material,
                                                                const TlsOptions& options);
  ~TlsContext();
  SSL_CTX* get() const { return context_; }
  // The client's certificate against the client CAs as they are now; nullopt when it showed none,
  // when there is no CA, or when it names nobody.
  std::optional<absl::StatusOr<auth::User>> Peer(SSL* ssl) const;
  uint64_t generation() const { return generation_; }

 private:
  TlsContext() = default;
  SSL_CTX* context_ = nullptr;
  X509_STORE* clients_ = nullptr;  // null: no client CA
  uint64_t generation_ = 0;
};

// One connection. The handshake happens in the first Read or Write, or in Handshake.
class TlsStream : public ByteStream {
 public:
  TlsStream(Socket socket, std::shared_ptr<const TlsContext> context);
  ~TlsStream() override;
  base::Task<absl::Status> Handshake();
  SSL* ssl() { return ssl_; }

  base::Task<absl::StatusOr<std::string>> Read() override;
  base::Task<absl::Status> Write(std::string data) override;
  base::Task<void> Finish() override;
  void Close(bool reset) override;

 private:
  base::Task<absl::Status> Wait(int result);

  Socket socket_;
  std::shared_ptr<const TlsContext> context_;
  SSL* ssl_;
  bool failed_ = false;
};

// OpenSSL's names of Go's cipher suites up to TLS 1.2, `:` between them. Unknown ones are left out,
// and told of in `left_out`.
std::string CipherList(const std::vector<std::string>& names,
                       std::vector<std::string>* left_out = nullptr);

}  // namespace kubelet::server
