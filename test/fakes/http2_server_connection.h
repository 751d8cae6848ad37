// Inside of HttpServer: a connection moves bytes, a protocol makes requests and answers out of
// them.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <optional>
#include <set>

#include "fakes/http2_server.h"

namespace kubelet::fakes {

class ServerConnection;

class ServerProtocol {
 public:
  virtual ~ServerProtocol() = default;
  virtual bool Receive(const std::string& bytes) = 0;  // false: close the connection
  virtual std::string Send() = 0;                      // what to write next; empty: nothing
  virtual void Closed() = 0;                           // the connection is gone
  virtual bool Finished() const = 0;                   // close once all is written
  virtual void Goaway() {}
};

struct ServerShared {
  HttpServerOptions options;
  HttpServer::Handler handler;
  std::shared_ptr<boost::asio::ssl::context> tls;
  std::set<std::shared_ptr<ServerConnection>> connections;
  uint64_t accepted = 0, pings = 0;
  size_t failed_handshakes = 0;
  bool frozen = false;

  // Calls the handler; a responder dropped without End resets.
  void Dispatch(HttpRequest request, ResponderPtr responder);
};

class ServerConnection : public std::enable_shared_from_this<ServerConnection> {
 public:
  ServerConnection(boost::asio::ip::tcp::socket socket, std::shared_ptr<ServerShared> shared,
                   uint64_t number);
  void Start();
  void Flush();  // writes what the protocol has to say, from the loop
  void Close(bool reset);
  void SetFrozen(bool frozen);
  void Goaway() {
    if (protocol_) protocol_->Goaway();
    Flush();
  }
  ServerShared& shared() { return *shared_; }
  // Method, path and body are the protocol's to fill.
  HttpRequest NewRequest() const;

 private:
  template <typename F>
  void WithStream(F f) {
    if (tls_) {
      f(*tls_);
    } else {
      f(socket_);
    }
  }
  void Handshake();
  void Begin(bool http2);
  void Read();
  void Handle(std::string bytes);
  void Write();
  void NotePeer();

  boost::asio::ip::tcp::socket socket_;
  std::shared_ptr<ServerShared> shared_;
  std::shared_ptr<boost::asio::ssl::context> context_;
  std::optional<boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>> tls_;
  std::unique_ptr<ServerProtocol> protocol_;
  HttpRequest prototype_;
  std::string in_, held_, out_;
  bool writing_ = false, flush_posted_ = false, frozen_ = false, closed_ = false, started_ = false;
  bool reading_ = false;
};

std::unique_ptr<ServerProtocol> MakeServerHttp2(ServerConnection& connection);
std::unique_ptr<ServerProtocol> MakeServerHttp1(ServerConnection& connection);

}  // namespace kubelet::fakes
