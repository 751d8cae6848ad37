// What goes wrong on purpose: a list of faults, each for the next calls that match it. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "fakes/api_request.h"

namespace kubelet::fakes {

struct ApiFault {
  // What it is for; empty matches everything. `resource` is the plural; `path` a part of the path.
  std::string method, verb, resource, subresource, ns, name, user, path;
  int64_t skip = 0;   // so many matching calls pass first
  int64_t count = 1;  // then so many are hit; negative: all
  // What happens, in this order: wait; then at most one of the others; else the call is served.
  std::chrono::milliseconds delay{0};
  bool hang = false;  // never answered, the stream stays open
  bool drop = false;  // the stream is reset; over HTTP/1.1 the connection closes
  int status = 0;     // answered with this code
  std::string reason, message;
  int64_t retry_after = 0;  // seconds; 0: no such header
};

class ApiFaults {
 public:
  // A JSON object or a list of them, keys as the fields above but `namespace`, `delayMs`,
  // `retryAfter`. InvalidArgument for what is not understood. They come after those that are there.
  absl::Status Add(const std::string& json);
  void Add(ApiFault fault) { faults_.push_back(std::move(fault)); }
  void Clear() { faults_.clear(); }
  // All faults that hit this call, as one; counts down.
  ApiFault Take(const HttpRequest& http, const ApiRequest& request, const std::string& user);
  std::string ToJson() const;

 private:
  std::vector<ApiFault> faults_;
};

// The answer of a fault with a status.
absl::Status FaultStatus(const ApiFault& fault);

}  // namespace kubelet::fakes
