// One connection of the HTTPS port and the request on it: what a handler reads and how it answers.
// Server loop only; a handler holds the exchange by shared pointer and answers exactly once.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "kubelet/base/async.h"
#include "server/byte_stream.h"
#include "server/request.h"

namespace kubelet::server {

inline constexpr char kPlainText[] = "text/plain; charset=utf-8";

class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(std::shared_ptr<ByteStream> stream, std::string remote)
      : stream_(std::move(stream)), remote_(std::move(remote)) {}

  // The next request. False: the connection is over. A request that cannot be read is answered
  // here. `begun` is called with the first byte of it.
  base::Task<bool> ReadRequest(std::function<void()> begun);
  const HttpRequest& request() const { return request_; }
  // Another request may follow on this connection.
  bool keep_alive() const { return keep_alive_; }

  // A whole answer.
  base::Task<absl::Status> Respond(int code, std::string content_type, std::string body,
                                   Pairs headers = {});
  // An answer in pieces: Begin, Send as often as there is something, End. Without End the client
  // sees a cut.
  base::Task<absl::Status> Begin(int code, std::string content_type, Pairs headers = {});
  base::Task<absl::Status> Send(std::string piece);
  base::Task<absl::Status> End();
  bool begun() const { return begun_; }

  // Reads on while a long answer is under way; `hook` runs once when the client goes away. The
  // connection ends with this answer. Run it in a task of its own.
  base::Task<void> WatchHangup(std::function<void()> hook);
  bool hung_up() const { return hung_up_; }

  // For a connection that becomes a tunnel.
  const std::shared_ptr<ByteStream>& stream() const { return stream_; }
  std::string TakeBuffered() { return std::move(input_); }
  void MarkTunnel() {
    begun_ = tunnel_ = true;
    keep_alive_ = false;
  }
  bool tunnel() const { return tunnel_; }

 private:
  base::Task<bool> Refuse(int code, std::string text);
  std::string Head(int code, const std::string& content_type, const Pairs& headers) const;

  std::shared_ptr<ByteStream> stream_;
  std::string remote_;
  std::string input_;  // read and not used
  HttpRequest request_;
  bool keep_alive_ = true;
  bool begun_ = false;
  bool hung_up_ = false;
  bool chunked_ = false;
  bool tunnel_ = false;
};

// `Not Found` and the like.
const char* ReasonOf(int code);

}  // namespace kubelet::server
