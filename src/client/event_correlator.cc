#include "client/event_correlator.h"

#include <algorithm>

#include "kubelet/base/hash.h"

namespace kubelet::client {
namespace {

using namespace std::chrono_literals;

constexpr size_t kSimilar = 10;
constexpr base::Nanos kSimilarFor = 600s;
constexpr double kBurst = 25;
constexpr double kRefillPerSecond = 1.0 / 300;

std::string ObjectText(const RecordedEvent& event) {
  const auto& target = event.target;
  std::string text;
  for (const auto* part :
       {&target.kind, &target.namespace_, &target.name, &target.uid, &target.api_version}) {
    text += *part;
    text += '\0';
  }
  return text + (event.type == EventRecorder::Type::kWarning ? "W" : "N");
}

}  // namespace

// The key under which the event is counted.
uint64_t EventCorrelator::Join(RecordedEvent& event, base::WallTime now) {
  std::string of_reason = ObjectText(event) + '\0' + event.reason;
  std::string whole = of_reason + '\0' + event.target.field_path + '\0' + event.message;
  uint64_t group = base::Fnv1a64(of_reason);
  Similar& similar = similar_[group];
  if (similar.last && now - *similar.last > kSimilarFor) similar.messages.clear();
  similar.last = now;
  similar.messages.insert(base::Fnv1a64(event.message));
  if (similar.messages.size() < kSimilar) return base::Fnv1a64(whole);
  similar.messages.erase(similar.messages.begin());
  event.message = "(combined from similar events): " + event.message;
  event.first = event.last = now;
  return group;
}

bool EventCorrelator::IsSpam(const RecordedEvent& event, base::WallTime now) {
  Bucket& bucket = buckets_[base::Fnv1a64(ObjectText(event))];
  if (!bucket.filled) {
    bucket.tokens = kBurst;
  } else if (now > *bucket.filled) {
    double seconds = std::chrono::duration<double>(now - *bucket.filled).count();
    bucket.tokens = std::min(kBurst, bucket.tokens + seconds * kRefillPerSecond);
  }
  bucket.filled = now;
  if (bucket.tokens < 1) return true;
  bucket.tokens -= 1;
  return false;
}

std::optional<RecordedEvent> EventCorrelator::Correlate(RecordedEvent event, base::WallTime now) {
  Seen& seen = seen_[Join(event, now)];
  if (seen.count > 0) {
    event.name = seen.name;
    event.first = seen.first;
  } else {
    seen.name = event.name;
    seen.first = event.first;
  }
  event.count = ++seen.count;
  if (IsSpam(event, now)) return std::nullopt;
  return event;
}

std::string EventName(const std::string& object, base::WallTime time) {
  std::string hex = base::Hex(static_cast<uint64_t>(base::UnixNanos(time)));
  std::string name = object + "." + hex;
  // A DNS subdomain; names of the objects events are about are those but for their length and case.
  bool valid =
      !object.empty() && name.size() <= 253 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
      });
  return valid ? name : "event." + hex;
}

}  // namespace kubelet::client
