// grpc.health.v1.Health/Check over one plaintext HTTP/2 connection, by nghttp2: bytes in, bytes
// out, no sockets. A gRPC channel would bring threads, timers and megabytes for what is two small
// frames; and what it reads comes from containers that nobody trusts. Facts: gRPC over HTTP/2
// (doc/PROTOCOL-HTTP2.md), pkg/probe/grpc/grpc.go (1.36).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "kubelet/probe/action.h"

struct nghttp2_session;

namespace kubelet::probe {

class GrpcHealthCall {
 public:
  GrpcHealthCall(const std::string& authority, const std::string& service,
                 const std::string& user_agent, std::chrono::seconds timeout);
  ~GrpcHealthCall();
  GrpcHealthCall(const GrpcHealthCall&) = delete;
  GrpcHealthCall& operator=(const GrpcHealthCall&) = delete;

  // What is to be sent now: at the beginning the preface and the request, later what HTTP/2 asks
  // for.
  std::string Outgoing();
  // InvalidArgument: that is not HTTP/2.
  absl::Status Feed(std::string_view bytes);
  // The server's answer is complete, or there will be none.
  bool done() const { return done_; }
  // Once done, or the connection has ended.
  Outcome GetOutcome() const;
  static Outcome TimedOut(std::chrono::seconds timeout);

 private:
  struct Callbacks;
  std::string Answer() const;  // `SERVING`, or what is wrong with the message
  nghttp2_session* session_ = nullptr;
  std::chrono::seconds timeout_;
  std::string request_;
  size_t sent_ = 0;
  bool done_ = false, reset_ = false;
  int http_status_ = 0, grpc_status_ = -1;
  std::string content_type_, grpc_message_, body_;
};

}  // namespace kubelet::probe
