// Work done by talking to the API server, one item per key: what the status writer and the mirror
// pods are driven by.
//
// A key is run by one task at a time and at most `parallel` keys run at once. An item added while
// it runs is run once more. Answers that say no are tried again with a back-off per key. When the
// server cannot be reached the whole queue holds still: a single key goes and looks every 0.5 to 1
// s, and as soon as one call is answered all go. Nothing waits and nothing is armed while the queue
// is empty. Core loop only.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"
#include "kubelet/client/api.h"

namespace kubelet::client {

class ApiQueue {
 public:
  struct Options {
    int parallel = 16;
    base::Nanos retry_initial = std::chrono::milliseconds(500);  // per key, doubling
    base::Nanos retry_max = std::chrono::seconds(30);
    base::Nanos probe_min = std::chrono::milliseconds(500);  // while the server is away
    base::Nanos probe_max = std::chrono::seconds(1);
  };
  // What a run came to. `status` (codes as in client/api.h): OK and FailedPrecondition wait for the
  // next Add. Unauthenticated and Unavailable without an answer mean the server is away, and so do
  // Unavailable answers to three keys with nothing that went well between. Everything else is tried
  // again with back-off (Unavailable with an answer: every 0.5 to 1 s), or when Retry-After says.
  // `asked`: a call was made, so that OK proves that the server is there.
  struct Result {
    absl::Status status;
    bool asked = false;
  };
  using Work = std::function<base::Task<Result>(std::string key)>;
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    std::function<double()> random;  // [0, 1)
  };
  ApiQueue(Deps deps, Options options, Work work);
  ~ApiQueue();
  ApiQueue(const ApiQueue&) = delete;
  ApiQueue& operator=(const ApiQueue&) = delete;

  // Runs the key soon: from the loop, never inside the call. Urgent keys go before all others. A
  // key in its back-off stays there; Hurry ends that first.
  void Add(const std::string& key, bool urgent = false);
  void AddAfter(const std::string& key, base::Nanos delay);
  void Hurry(const std::string& key);
  // Not run any more; a run under way goes on to its end.
  void Remove(const std::string& key);
  // The server is there again, or may be: everything that waits goes now.
  void Wake();

  bool reachable() const { return !away_; }
  bool running(const std::string& key) const;
  size_t size() const { return items_.size(); }  // queued, running and waiting
  base::Task<void> Stop();

 private:
  enum class Place { kNone, kNormal, kUrgent };
  struct Item {
    Place place = Place::kNone;
    bool running = false, again = false, again_urgent = false, removed = false;
    int failures = 0;
    std::optional<base::Clock::TimerId> timer;  // back-off or AddAfter
    bool held = false;                          // the timer is a back-off
  };
  void Push(const std::string& key, Item& item, bool urgent);
  void Release(const std::string& key);
  void Arm(const std::string& key, Item& item, base::Nanos delay, bool held);
  void Disarm(Item& item);
  std::optional<std::string> Pop();
  void Pump();
  bool ProbeWaits();
  base::Task<void> Run(std::string key);
  void Finish(const std::string& key, const Result& result);
  void Judge(const std::string& key, const Result& result);
  void Retry(const std::string& key, Item& item, const absl::Status& status);
  void EraseIdle(const std::string& key);

  Deps deps_;
  Options options_;
  Work work_;
  std::map<std::string, Item> items_;
  std::deque<std::string> urgent_, normal_;
  int running_ = 0;
  bool away_ = false;
  std::set<std::string> in_error_;  // keys that failed since anything went well
  base::MonoTime next_probe_{};
  std::optional<base::Clock::TimerId> probe_timer_;
  base::TaskScope scope_;
};

// A call about a pod that is not repeated by itself: the queue does that. `name` empty: the
// collection.
Call PodCall(Call::Verb verb, const std::string& namespace_, const std::string& name,
             base::Nanos timeout);

}  // namespace kubelet::client
