// One HTTP/2 connection over a unix socket, either side of it: nghttp2 does the framing, Asio the
// bytes. What streams mean is a subclass's: a server's (grpc_server.cc) or a client's
// (grpc_client.cc).
//
// Core loop only; no thread, no timer, and nothing happens while nobody sends. Held by its owner
// and by the read that is outstanding; `Close` ends both.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

struct nghttp2_session;

namespace kubelet::plugin {

class Link : public std::enable_shared_from_this<Link> {
 public:
  using Socket = boost::asio::local::stream_protocol::socket;
  using Headers = std::vector<std::pair<std::string, std::string>>;
  enum class Side { kClient, kServer };

  Link(Socket socket, Side side);
  virtual ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  void Start();
  // Once; OnLost is called with `why` unless it was lost before. Never called by the destructor.
  void Close(const absl::Status& why);
  bool closed() const { return closed_; }

 protected:
  // For subclasses. None of the handlers may destroy the link; all may submit.
  virtual void OnHeader(int32_t stream, const std::string& name, const std::string& value) = 0;
  virtual void OnData(int32_t stream, std::string_view bytes) = 0;
  virtual void OnEnd(int32_t stream) = 0;  // the peer has said everything
  virtual void OnStreamClosed(int32_t stream, uint32_t http2_error) = 0;
  virtual void OnLost(const absl::Status& why) = 0;

  // Client: opens a stream with all of its body. Negative: no stream can be opened any more.
  int32_t OpenStream(const Headers& headers, std::string body);
  // Server: headers, body, trailers; without a body the headers are the whole answer.
  void Answer(int32_t stream, const Headers& headers, std::string body, Headers trailers);
  void Reset(int32_t stream);
  size_t streams() const { return bodies_.size(); }

 private:
  struct Callbacks;
  struct Body {
    std::string bytes;
    size_t sent = 0;
    Headers trailers;
  };
  void Read();
  void Received(std::string_view bytes);
  void Flush();
  void Write();

  Socket socket_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, Body> bodies_;
  std::string inbox_, outbox_, writing_;
  bool in_callback_ = false, closed_ = false;
};

}  // namespace kubelet::plugin
