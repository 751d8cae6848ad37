// A new connection to the API server, or another HTTP server: name lookup, TCP, proxy, TLS, one
// deadline over all of it. Core loop only; lookups and files go to the blocking pool.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/clock.h"
#include "kubelet/client/proxy.h"
#include "kubelet/client/tls.h"
#include "kubelet/client/url.h"

namespace kubelet::client {

// What carries the bytes of the server's protocol, or of its TLS: TCP, or TLS to a proxy over TCP
// (`proxy_tls`, set before the first byte). An asynchronous stream in Asio's sense; core loop only.
class Wire {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using executor_type = Socket::executor_type;
  using lowest_layer_type = Socket::lowest_layer_type;

  explicit Wire(Socket& socket) : socket_(socket) {}
  executor_type get_executor() { return socket_.get_executor(); }
  lowest_layer_type& lowest_layer() { return socket_.lowest_layer(); }
  Socket& socket() { return socket_; }
  template <typename Buffers, typename Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    if (proxy_tls) return proxy_tls->async_read_some(buffers, std::forward<Token>(token));
    return socket_.async_read_some(buffers, std::forward<Token>(token));
  }
  template <typename Buffers, typename Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    if (proxy_tls) return proxy_tls->async_write_some(buffers, std::forward<Token>(token));
    return socket_.async_write_some(buffers, std::forward<Token>(token));
  }

  std::optional<boost::asio::ssl::stream<Socket&>> proxy_tls;  // of a proxy by https

 private:
  Socket& socket_;
};

// The way to the server: TLS over the wire, or the wire alone.
struct Transport {
  explicit Transport(base::Executor executor) : socket(std::move(executor)) {}
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  boost::asio::ip::tcp::socket socket;
  Wire wire{socket};
  std::optional<boost::asio::ssl::stream<Wire&>> tls;
  std::string tls_failure;  // what is wrong with the server's certificate
  bool http2 = false;

  // What is under way ends with an error.
  void Close() {
    boost::system::error_code ignored;
    socket.close(ignored);
  }
  // `ec` of a read or a write in words.
  std::string Explain(const boost::system::error_code& ec);
};

struct DialTarget {
  ServerUrl server;
  std::optional<Proxy> proxy;
  TlsOptions tls;  // used with https; towards a proxy by https, too, but for the name
  base::Nanos timeout = std::chrono::seconds(10);
};

// The system notices a peer that has gone, whatever the protocol above has for that: silent for
// 25 s (probes after 10 s, every 5 s, three of them), or nothing acknowledged for 30 s.
void WatchOverPeer(boost::asio::ip::tcp::socket& socket);

// Unavailable: the message names the step and the cause (`dial tcp 10.0.0.1:6443: connection
// refused`, `tls: the server's certificate has expired`, `...: timed out`). A cancelled task leaves
// by exception.
base::Task<absl::StatusOr<std::shared_ptr<Transport>>> Dial(base::Executor executor,
                                                            base::Clock& clock,
                                                            base::BlockingPool& pool,
                                                            DialTarget target);

}  // namespace kubelet::client
