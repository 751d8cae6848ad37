// The protocol of one connection as a state machine over bytes: no socket, no clock, no coroutine.
// HTTP/2 and HTTP/1.1 (http2.h, http1.h). Core loop only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "client/message.h"

namespace kubelet::client {

// Why an answer will never be whole.
struct Failure {
  absl::Status status;    // Unavailable
  bool processed = true;  // false: the server certainly did not act on the request
  bool refused = false;   // the server said so, and asks for another try
};

// Receives one answer: OnHead, OnData..., then OnEnd or, at any point, OnFailure; nothing after
// those two. Called from inside Receive, Fail and Close of others: it must not call the session.
class StreamSink {
 public:
  virtual ~StreamSink() = default;
  virtual void OnHead(ResponseHead head) = 0;
  virtual void OnData(std::string_view bytes) = 0;
  virtual void OnEnd() = 0;
  virtual void OnFailure(Failure failure) = 0;
};

class Session {
 public:
  virtual ~Session() = default;
  // Room for one more stream, now.
  virtual bool CanOpen() const = 0;
  // Starts a request; CanOpen holds. `sink` lives until OnEnd, OnFailure or Close.
  virtual int64_t Open(Request request, StreamSink* sink) = 0;
  // The reader lost interest: the sink hears no more of it. Unknown ids are ignored.
  virtual void Close(int64_t id) = 0;
  // The reader took `n` bytes; the server may send that many again.
  virtual void Consumed(int64_t id, size_t n) = 0;
  // Bytes from the server. Not OK: the protocol is broken, the connection is of no more use.
  virtual absl::Status Receive(std::string_view bytes) = 0;
  // The connection is gone: fails what is open.
  virtual void Fail(const absl::Status& status) = 0;
  // What to write next, up to some 64 KiB; empty: nothing at present.
  virtual std::string Send() = 0;
  // The bytes of the last Send have all left.
  virtual void Sent() {}
  // Asks for a sign of life. False: the protocol has no such thing.
  virtual bool Ping() = 0;
  // False while a reader is behind and only the transport can hold the server back.
  virtual bool WantsRead() const = 0;
  virtual size_t open_streams() const = 0;
  // No further requests will be taken; close it when the last stream has ended.
  virtual bool draining() const = 0;
  virtual void Drain() = 0;
};

}  // namespace kubelet::client
