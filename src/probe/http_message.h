// HTTP/1.1 as far as a probe needs it: one GET out, the head and the first bytes of the body in.
// Pure. As lenient as Go's net/http: lines may end without a carriage return, a reason phrase may
// be missing.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "probe/url.h"

namespace kubelet::probe {

using Headers = std::vector<std::pair<std::string, std::string>>;

// Host, User-Agent, Accept and Connection are ours unless `headers` has them; an empty Accept or
// User-Agent leaves them out, and lengths are not the pod's to say. InvalidArgument: a header that
// would break out of its line.
absl::StatusOr<std::string> MakeGet(const Url& url, const Headers& headers,
                                    const std::string& user_agent);
// Host of `headers`; empty: none.
std::string HostHeader(const Headers& headers);

class ResponseReader {
 public:
  static constexpr size_t kBodyLimit = 10 * 1024;
  static constexpr size_t kHeadLimit = 1024 * 1024;

  // Takes bytes from the server. InvalidArgument: this is not HTTP, or a body in chunks that are
  // none; the message is Go's.
  absl::Status Feed(std::string_view bytes);
  // The connection ended. Unavailable (`EOF`, `unexpected EOF`) when that is in the middle of the
  // head or of a body whose end is known.
  absl::Status End();

  bool head_done() const { return state_ != State::kHead; }
  // The body is read to its end or to its limit: nothing more is wanted.
  bool done() const { return state_ == State::kDone; }
  int status() const { return status_; }
  const std::string& location() const { return location_; }
  const std::string& body() const { return body_; }

 private:
  enum class State { kHead, kLength, kChunkSize, kChunk, kChunkEnd, kToEnd, kDone };
  absl::Status Head();
  absl::Status StatusLine(const std::string& line);
  void Field(const std::string& line);
  void BeginBody();
  absl::Status Body();
  void TakeBody(size_t n);
  std::optional<std::string> Line();

  State state_ = State::kHead;
  std::string in_;
  size_t scanned_ = 0, seen_ = 0;
  int status_ = 0;
  bool have_status_ = false, chunked_ = false;
  std::optional<size_t> length_;
  size_t left_ = 0;  // of the body or of this chunk
  std::string location_, body_;
};

}  // namespace kubelet::probe
