// What the HTTP and the HTTPS port share: listening on an address, who a client is, and noticing
// that it is gone. Any loop.
#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <string>

#include "absl/status/statusor.h"

namespace kubelet::server {

using Acceptor = boost::asio::basic_socket_acceptor<boost::asio::generic::stream_protocol>;

// Opens `acceptor` on an IP address. An unspecified one (0.0.0.0, ::) takes clients of both
// families, as Go's net.Listen("tcp", ...) does, or those of IPv4 alone where the kernel has no
// IPv6. Returns the port, which is a free one for 0. InvalidArgument: that is no address;
// Unavailable: it is taken or not there, the acceptor is closed and may be used again.
absl::StatusOr<uint16_t> ListenTcp(Acceptor& acceptor, const std::string& address, uint16_t port,
                                   int backlog);

// The client's IP address, an IPv4 one in its own form whatever the socket; empty: there is none.
std::string RemoteAddress(const boost::asio::generic::stream_protocol::socket& socket);

// A client that has gone without a word is noticed after 15 s and nine questions 15 s apart (what
// Go's net.Listener sets). TCP_USER_TIMEOUT stays off: it would also end clients that are there and
// read nothing for a while, such as `kubectl logs | less`.
void WatchPeer(boost::asio::generic::stream_protocol::socket& socket);

}  // namespace kubelet::server
