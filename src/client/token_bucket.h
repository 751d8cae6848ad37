// The rate limit of a lane: tokens by time, reserved in the order of asking. Pure.
#pragma once

#include <algorithm>
#include <optional>

#include "kubelet/base/time.h"

namespace kubelet::client {

class TokenBucket {
 public:
  // `qps` <= 0: no limit. Starts full.
  TokenBucket(double qps, int burst) : qps_(qps), burst_(std::max(burst, 1)), tokens_(burst_) {}

  // Takes a token that is there at the time returned (`now`: at once). nullopt, and nothing is
  // taken, when that would be after `deadline`.
  std::optional<base::MonoTime> Reserve(base::MonoTime now, base::MonoTime deadline) {
    if (qps_ <= 0) return now;
    if (last_) {
      double passed = std::chrono::duration<double>(now - *last_).count();
      tokens_ = std::min<double>(burst_, tokens_ + passed * qps_);
    }
    last_ = now;
    base::MonoTime at = now;
    if (tokens_ < 1) {
      at += std::chrono::duration_cast<base::Nanos>(
          std::chrono::duration<double>((1 - tokens_) / qps_));
      if (at > deadline) return std::nullopt;
    }
    tokens_ -= 1;  // may go below zero: those who wait
    return at;
  }

 private:
  double qps_;
  int burst_;
  double tokens_;
  std::optional<base::MonoTime> last_;
};

}  // namespace kubelet::client
