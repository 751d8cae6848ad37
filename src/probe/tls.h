// TLS of one connection as a filter of bytes: what came in from the wire goes in, what is to go out
// comes out. No sockets. Nobody is verified: a probe asks whether a container answers, not who it
// is (pkg/probe/http). One client context for the whole process.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace kubelet::probe {

class Tls {
 public:
  // `server_name`: sent as SNI when it is a name; an address is not.
  explicit Tls(const std::string& server_name);

  enum class Step { kDone, kWantsBytes, kEnded };
  // kEnded: the other side is done, or something broke: see error().
  Step Handshake();
  // Encrypts into the outgoing bytes; after the handshake only.
  void Write(std::string_view plain);
  // Decrypts what has come into `plain`. kWantsBytes: that was all of it.
  Step Read(std::string& plain);

  void Feed(std::string_view wire);
  std::string TakeOutgoing();

  // What went wrong, empty as long as nothing did.
  const std::string& error() const { return error_; }
  // The other side speaks plain HTTP.
  bool met_http() const { return first_.compare(0, 5, "HTTP/") == 0; }

 private:
  struct Free {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  Step Judge(int result);
  std::unique_ptr<SSL, Free> ssl_;
  std::string first_;  // the first bytes that came
  std::string error_;
};

}  // namespace kubelet::probe
