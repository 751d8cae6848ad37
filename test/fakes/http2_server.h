// An HTTPS server for tests, in the test's own loop: HTTP/2 (nghttp2) and HTTP/1.1 by ALPN, client
// certificates, answers over time, upgrades, and faults on demand. Single thread (the executor's).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kubelet/base/async.h"

namespace kubelet::fakes {

struct HttpRequest {
  std::string method, path;                    // the path as sent, percent-encoded
  std::string query;                           // without `?`, as sent
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  // Of the verified client certificate; empty: none was sent.
  std::string peer_name;                        // subject CN
  std::vector<std::string> peer_organizations;  // subject Os
  uint64_t connection = 0;                      // 1, 2, ... in the order of accepting
  bool http2 = false;
};

// What is left of a connection after `Upgrade`: raw bytes in both directions (HTTP/1.1 only).
class RawConnection {
 public:
  virtual ~RawConnection() = default;
  virtual void Write(std::string bytes) = 0;
  virtual void Close() = 0;
  // From now on; what the client has sent already comes first. Empty bytes: the end.
  virtual void OnBytes(std::function<void(std::string)> callback) = 0;
};

// The answer to one request, to be given at once or later. Calls after the end, or after the client
// went away, do nothing. The last copy going away without an End resets the stream.
class Responder {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;
  virtual ~Responder() = default;
  virtual void Head(int status, Headers headers) = 0;
  virtual void Body(std::string chunk) = 0;
  virtual void End() = 0;
  // HTTP/2: RST_STREAM with this code (7 refused, 8 cancel, 2 internal); HTTP/1.1: closes.
  virtual void Reset(uint32_t code) = 0;
  // Bytes of Body that the client has not taken yet (flow control).
  virtual size_t unsent() const = 0;
  virtual bool open() const = 0;
  // Called once, when the client closed or reset the stream before its end.
  virtual void OnClosed(std::function<void()> callback) = 0;
  // HTTP/1.1: sends 101 with these headers and hands the connection over. Null on HTTP/2.
  virtual std::shared_ptr<RawConnection> Upgrade(Headers headers) = 0;

  void Reply(int status, const std::string& content_type, std::string body);
};
using ResponderPtr = std::shared_ptr<Responder>;

struct HttpServerOptions {
  std::string certificate, key;  // PEM; both empty: plain HTTP/1.1
  std::string client_ca;         // PEM; empty: client certificates are not asked for
  bool http2 = true;             // false: ALPN offers http/1.1 only
  uint32_t max_streams = 250;
  uint16_t port = 0;  // 0: any
};

class HttpServer {
 public:
  using Handler = std::function<void(const HttpRequest&, ResponderPtr)>;
  HttpServer(base::Executor executor, HttpServerOptions options, Handler handler);
  ~HttpServer();  // closes everything

  uint16_t port() const;
  size_t open_connections() const;
  uint64_t accepted() const;  // connections since the start
  size_t failed_handshakes() const;
  // New connections get the new certificate.
  void SetCertificate(const std::string& certificate, const std::string& key);

  // Faults.
  void DropConnections();    // resets all of them
  void Freeze(bool frozen);  // half-open: reads and writes nothing, old and new connections alike
  void Goaway();             // no new streams on the connections of now; old ones run on
  void StopAccepting();      // the port refuses; `Accept` opens it again
  void Accept();
  uint64_t pings() const;  // PING frames received

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace kubelet::fakes
