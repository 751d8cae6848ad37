// Waiting for a socket without a buffer at hand.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "kubelet/base/async.h"
#include "server/byte_stream.h"

namespace kubelet::server {

inline constexpr size_t kReadSize = 64 * 1024;

// One for all connections of a thread: what was read is copied out at once.
char* ScratchBuffer();

base::Task<absl::Status> WaitFor(Socket& socket, Socket::wait_type type);
void CloseSocket(Socket& socket, bool reset);

}  // namespace kubelet::server
