// Exponential back-off per key, as upstream's flowcontrol.Backoff: doubling up to a cap, forgotten after two
// caps without an update.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "kubelet/base/time.h"

namespace kubelet::base {

class Backoff {
 public:
  Backoff(Nanos initial, Nanos max) : initial_(initial), max_(max) {}

  // Records one more failure at `now` and returns the delay that counts from `now`.
  Nanos Next(const std::string& key, MonoTime now) { return Next(key, now, now); }
  // The same for a failure that happened at `event`: it starts anew when two caps passed between the last
  // recording and `event`, so a long delay itself does not count as time without failure.
  Nanos Next(const std::string& key, MonoTime event, MonoTime now);
  // Delay in force for the key (zero when it has none or was forgotten).
  Nanos Get(const std::string& key, MonoTime now) const;
  // Time at which the key may be tried again, counting its delay from `event`; nullopt when it may now.
  std::optional<MonoTime> BlockedUntil(const std::string& key, MonoTime event, MonoTime now) const;
  void Reset(const std::string& key) { entries_.erase(key); }
  void ResetPrefix(const std::string& prefix);
  // Drops entries not updated for two caps.
  void Collect(MonoTime now);
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    Nanos delay;
    MonoTime updated;
  };
  bool Expired(const Entry& entry, MonoTime now) const { return now - entry.updated > 2 * max_; }
  Nanos initial_;
  Nanos max_;
  std::map<std::string, Entry> entries_;
};

}  // namespace kubelet::base
