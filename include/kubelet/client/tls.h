// TLS towards a server: what we trust, what we show, and why a handshake failed, in words.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <boost/system/error_code.hpp>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace kubelet::client {

using TlsContext = std::shared_ptr<boost::asio::ssl::context>;

struct TlsOptions {
  bool insecure = false;          // the server's certificate is not looked at
  std::string server_name;        // what its certificate must be for, and SNI; an address is no SNI
  std::string ca_pem, ca_file;    // both empty: the system's roots; text wins
  std::string cert_pem, key_pem;  // client certificate with its chain; empty: none
  bool http2 = true;              // offer h2 before http/1.1
  TlsContext
      context;  // of MakeTlsContext with these options; null: one is made for each connection
};

// TLS 1.2 and 1.3. Reads files (blocking): call it on the pool. Unavailable: a file cannot be read,
// or a PEM text is none (the message says which); files may be mended, so it is worth another try.
absl::StatusOr<TlsContext> MakeTlsContext(const TlsOptions& options);

// SNI, the name to verify and ALPN for one connection. Any thread.
absl::Status PrepareTls(SSL* ssl, const TlsOptions& options);

// What is wrong with the server's certificate, in words; called from a verify callback that was
// told "no".
std::string CertificateFailure(X509_STORE_CTX* context, const std::string& server_name);

// Whether ALPN chose h2.
bool ChoseHttp2(SSL* ssl);

}  // namespace kubelet::client
