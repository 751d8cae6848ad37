// Looks at an upgraded connection that is passed on: whether it is alive for more than keep-alives,
// and whether a command's outcome has been told. Clients take a connection that ends without one
// for success, so a broken one gets its verdict from us. Pure.
#pragma once

#include <string>

#include "server/spdy.h"
#include "server/websocket.h"

namespace kubelet::server {

class StreamGuard {
 public:
  enum class Kind { kSpdy, kWebSocket, kOther };
  // `verdict`: the stream has an outcome (exec, attach). `protocol`: X-Stream-Protocol-Version as
  // agreed.
  StreamGuard(Kind kind, bool verdict, std::string protocol)
      : kind_(kind), verdict_(verdict), protocol_(std::move(protocol)) {}

  // What may go on of what came; sets `activity` when there was more than keep-alives in it.
  std::string FromClient(std::string bytes, bool& activity);
  std::string FromRuntime(std::string bytes, bool& activity);
  // What the client is to get after the last byte of the runtime, when the connection ended because
  // of `why`: empty when it has had its outcome, when it has none, or when nothing can be put
  // there.
  std::string LastWords(const std::string& why) const;

 private:
  Kind kind_;
  bool verdict_;
  std::string protocol_;
  SpdyCutter client_frames_, runtime_frames_;
  SpdyInflater client_headers_;
  WsWalker client_walk_, runtime_walk_;
  uint32_t error_stream_ = 0;
  bool told_ = false;
};

// A meta/v1 Status that says that something of ours failed: JSON.
std::string FailureStatus(const std::string& message);

}  // namespace kubelet::server
