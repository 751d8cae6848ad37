// What becomes of an event before it is sent: told as it is, counted as one that was told before,
// joined with similar ones, or kept back. Pure but for its memory: the time is given.
// client-go tools/record/events_cache.go; each memory holds the last 4096 keys, as hashes.
//
//   joined     10 messages that differ, of one object, type and reason, each within 600 s of the
//   one
//              before: from the tenth on one event tells the last of them
//   counted    the same event once more: its count goes up
//   kept back  more than 25 events of one object and type, but for one more each 300 s
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "kubelet/base/time.h"
#include "kubelet/client/events.h"

namespace kubelet::client {

// The `limit` keys used last.
template <typename T>
class LeastRecentlyUsed {
 public:
  explicit LeastRecentlyUsed(size_t limit) : limit_(limit) {}
  // The entry of the key, made when there is none.
  T& operator[](uint64_t key) {
    auto it = index_.find(key);
    if (it != index_.end()) {
      order_.splice(order_.begin(), order_, it->second);
      return it->second->second;
    }
    order_.emplace_front(key, T());
    index_[key] = order_.begin();
    if (index_.size() > limit_) {
      index_.erase(order_.back().first);
      order_.pop_back();
    }
    return order_.front().second;
  }
  size_t size() const { return index_.size(); }

 private:
  size_t limit_;
  std::list<std::pair<uint64_t, T>> order_;
  std::unordered_map<uint64_t, typename std::list<std::pair<uint64_t, T>>::iterator> index_;
};

struct RecordedEvent {
  EventTarget target;
  EventRecorder::Type type = EventRecorder::Type::kNormal;
  std::string reason, message;
  std::map<std::string, std::string> annotations = {};
  base::WallTime first, last;
  std::string name;  // metadata.name
  int count = 1;     // more than 1: the event `name` exists and has a new count, time and message
};

class EventCorrelator {
 public:
  // nullopt: not to be sent.
  std::optional<RecordedEvent> Correlate(RecordedEvent event, base::WallTime now);

 private:
  struct Similar {
    std::set<uint64_t> messages;
    std::optional<base::WallTime> last;
  };
  struct Seen {
    int count = 0;
    base::WallTime first;
    std::string name;
  };
  struct Bucket {
    double tokens = 0;
    std::optional<base::WallTime> filled;
  };
  uint64_t Join(RecordedEvent& event, base::WallTime now);
  bool IsSpam(const RecordedEvent& event, base::WallTime now);

  static constexpr size_t kKeys = 4096;
  LeastRecentlyUsed<Similar> similar_{kKeys};
  LeastRecentlyUsed<Seen> seen_{kKeys};
  LeastRecentlyUsed<Bucket> buckets_{kKeys};
};

// `<object>.<hex of nanoseconds>`, or a name out of the nanoseconds alone when that is no name.
std::string EventName(const std::string& object, base::WallTime time);

}  // namespace kubelet::client
