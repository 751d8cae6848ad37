#include "kubelet/base/backoff.h"

#include <algorithm>

namespace kubelet::base {

Nanos Backoff::Next(const std::string& key, MonoTime event, MonoTime now) {
  auto it = entries_.find(key);
  if (it == entries_.end() || Expired(it->second, event)) {
    entries_[key] = {initial_, now};
    return initial_;
  }
  it->second = {std::min(it->second.delay * 2, max_), now};
  return it->second.delay;
}

Nanos Backoff::Get(const std::string& key, MonoTime now) const {
  auto it = entries_.find(key);
  return it == entries_.end() || Expired(it->second, now) ? Nanos(0) : it->second.delay;
}

std::optional<MonoTime> Backoff::BlockedUntil(const std::string& key, MonoTime event, MonoTime now) const {
  Nanos delay = Get(key, event);
  if (delay == Nanos(0) || event + delay <= now) return std::nullopt;
  return event + delay;
}

void Backoff::ResetPrefix(const std::string& prefix) {
  std::erase_if(entries_, [&](const auto& entry) { return entry.first.rfind(prefix, 0) == 0; });
}

void Backoff::Collect(MonoTime now) {
  std::erase_if(entries_, [&](const auto& entry) { return Expired(entry.second, now); });
}

}  // namespace kubelet::base
