#include "server/tcp_listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <cstring>

namespace kubelet::server {
namespace {

namespace asio = boost::asio;
using Error = boost::system::error_code;
constexpr int kKeepAliveSeconds = 15;
constexpr int kKeepAliveProbes = 9;

template <typename Endpoint>
asio::ip::tcp::endpoint TcpOf(const Endpoint& endpoint) {
  asio::ip::tcp::endpoint tcp;
  if (endpoint.size() > tcp.capacity()) return tcp;
  tcp.resize(endpoint.size());
  std::memcpy(tcp.data(), endpoint.data(), endpoint.size());
  return tcp;
}

// The step that failed; null: none.
const char* Open(Acceptor& acceptor, const asio::ip::tcp::endpoint& tcp, bool both, int backlog,
                 Error& ec) {
  Acceptor::endpoint_type endpoint(tcp);
  acceptor.open(endpoint.protocol(), ec);
  if (ec) return "socket";
  if (both) acceptor.set_option(asio::ip::v6_only(false), ec);
  if (ec) return "socket";
  acceptor.set_option(asio::socket_base::reuse_address(true), ec);
  acceptor.bind(endpoint, ec);
  if (ec) return "bind";
  acceptor.listen(backlog, ec);
  return ec ? "listen" : nullptr;
}

// A port that is taken is no reason to listen on half of what was asked for.
bool NoIpv6(const Error& ec) {
  return ec == asio::error::address_family_not_supported || ec == asio::error::no_protocol_option ||
         ec == boost::system::errc::address_not_available;
}

}  // namespace

absl::StatusOr<uint16_t> ListenTcp(Acceptor& acceptor, const std::string& address, uint16_t port,
                                   int backlog) {
  std::string what = "cannot listen on " + address + ":" + std::to_string(port) + ": ";
  Error ec, ignored;
  auto ip = asio::ip::make_address(address, ec);
  if (ec) return absl::InvalidArgumentError(what + ec.message());
  const char* failed = nullptr;
  if (ip.is_unspecified())
    failed = Open(acceptor, {asio::ip::address_v6::any(), port}, true, backlog, ec);
  if (!ip.is_unspecified() || (failed != nullptr && NoIpv6(ec))) {
    acceptor.close(ignored);
    failed = Open(acceptor, {ip, port}, false, backlog, ec);
  }
  if (failed != nullptr) acceptor.close(ignored);
  if (failed != nullptr) return absl::UnavailableError(what + failed + ": " + ec.message());
  return TcpOf(acceptor.local_endpoint(ec)).port();
}

std::string RemoteAddress(const asio::generic::stream_protocol::socket& socket) {
  Error ec;
  auto peer = socket.remote_endpoint(ec);
  auto family = peer.protocol().family();
  if (ec || (family != AF_INET && family != AF_INET6)) return "";
  auto address = TcpOf(peer).address();
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  return address.to_string();
}

void WatchPeer(asio::generic::stream_protocol::socket& socket) {
  Error ignored;
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  auto set = [&socket](int option, int value) {
    setsockopt(socket.native_handle(), IPPROTO_TCP, option, &value, sizeof value);
  };
  set(TCP_KEEPIDLE, kKeepAliveSeconds);
  set(TCP_KEEPINTVL, kKeepAliveSeconds);
  set(TCP_KEEPCNT, kKeepAliveProbes);
}

}  // namespace kubelet::server
