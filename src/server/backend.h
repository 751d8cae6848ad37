// The runtime's streaming server: where it is, and one upgraded connection to it. Server loop only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/endpoints.h"

namespace kubelet::server {

// `http://HOST:PORT/PATH?QUERY`; InvalidArgument when it is none.
struct StreamUrl {
  std::string host, port, target;
};
absl::StatusOr<StreamUrl> ParseStreamUrl(const std::string& url);

// The client's request as the runtime gets it: its own target, the client's headers without
// credentials (Authorization, and the token that browsers name among their subprotocols).
std::string TunnelRequest(const HttpRequest& request, const StreamUrl& url);
// The first header of that name in a message's head; empty: none.
std::string HeaderOf(const std::string& head, const std::string& name);

struct Backend {
  std::shared_ptr<ByteStream> stream;
  int code = 0;      // 101, or 400 and above
  std::string head;  // of the answer, with its empty line
  std::string rest;  // what came after it
};
// Connects, sends `request` and reads the head of the answer. Unavailable: it cannot be reached or
// does not speak HTTP; Internal: it answers, with what is neither an upgrade nor an error.
base::Task<absl::StatusOr<Backend>> OpenBackend(ContextPtr context, HttpRequest request,
                                                std::string url);
// The text of an answer that is an error; at most a megabyte of it, and for ten seconds.
base::Task<std::string> ReadError(ContextPtr context, Backend backend);

// Runs `late` unless it is destroyed before.
class TimeLimit {
 public:
  TimeLimit(base::Clock& clock, base::Nanos time, std::function<void()> late)
      : clock_(clock), timer_(clock.After(time, std::move(late))) {}
  ~TimeLimit() { clock_.Cancel(timer_); }
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

 private:
  base::Clock& clock_;
  base::Clock::TimerId timer_;
};

// Calls `late` when nobody has called Touch for `time`; zero: never.
class IdleLimit {
 public:
  IdleLimit(base::Clock& clock, base::Nanos time, std::function<void()> late);
  ~IdleLimit();
  void Touch();
  IdleLimit(const IdleLimit&) = delete;
  IdleLimit& operator=(const IdleLimit&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace kubelet::server
