// A connection as bytes, in the clear or under TLS. Server loop only; one reader and one writer at
// a time.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"

namespace kubelet::server {

using Socket = boost::asio::generic::stream_protocol::socket;

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // What has come, at most 64 KiB; waits for it without holding memory. Empty: the peer has closed
  // in good order. Unavailable: the connection is broken or was closed.
  virtual base::Task<absl::StatusOr<std::string>> Read() = 0;
  // Returns when the kernel has all of it.
  virtual base::Task<absl::Status> Write(std::string data) = 0;
  // The peer is told that nothing more comes.
  virtual base::Task<void> Finish() = 0;
  // Ends what waits in Read and Write. With `reset` the peer sees a broken connection, not an
  // orderly end.
  virtual void Close(bool reset) = 0;
};

std::shared_ptr<ByteStream> PlainStream(Socket socket);

}  // namespace kubelet::server
