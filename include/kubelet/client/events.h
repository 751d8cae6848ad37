// Events for people: what `kubectl describe` shows below an object. core/v1 Events, correlated as
// client-go's tools/record does. Core loop only.
//
//   Event() -> queue -> correlator -> POST, or PATCH of an event that was seen before
//
// Nothing ever waits for it: events stand in a bounded queue (the oldest are dropped when it is
// full) and are sent one by one, in order. While the server does not answer, or is out of order
// itself (401, 429, 5xx), the first in the queue is tried 12 times, 10 s apart (the first time
// less, by chance), and then dropped. What the server refuses for any other reason is dropped at
// once.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"
#include "kubelet/base/metrics.h"
#include "kubelet/client/api.h"

namespace kubelet::client {

// What an event is about; becomes involvedObject.
struct EventTarget {
  std::string kind, namespace_, name;
  // Of a static pod: the uid it runs under here, not that of its mirror.
  std::string uid;
  std::string field_path;  // `spec.containers{web}`, `spec.initContainers{init}`
  std::string api_version = "v1";
  std::string resource_version;  // may be empty
};
// `uid` empty: as upstream's node events of today, which have none.
EventTarget NodeTarget(const std::string& node_name, const std::string& uid = "");

class EventRecorder {
 public:
  enum class Type { kNormal, kWarning };
  struct Options {
    std::string host;  // node name
    std::string component = "kubelet";
    size_t queue = 1000;
    int tries = 12;
    base::Nanos retry = std::chrono::seconds(10);
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    Api* api = nullptr;  // null: no API server; events are logged and no more
    base::Registry* metrics = nullptr;
    std::function<double()> random = {};  // [0, 1); empty: one of its own
  };
  EventRecorder(Deps deps, Options options);
  ~EventRecorder();
  void Start();
  // Drops what has not been sent. To give the last events a chance: Drain before.
  base::Task<void> Stop();
  // Returns when the queue is empty, or after `timeout`.
  base::Task<void> Drain(base::Nanos timeout);

  // Records, at the present time. Never waits, and is logged with -v=3.
  void Event(EventTarget target, Type type, std::string reason, std::string message,
             std::map<std::string, std::string> annotations = {});
  size_t queued() const;
  uint64_t dropped() const;  // for a full queue, or after all tries

 private:
  struct State;
  std::shared_ptr<State> state_;
  base::TaskScope tasks_;
};

}  // namespace kubelet::client
