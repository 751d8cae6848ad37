// A local copy of a collection, kept by list and watch. Core loop only.
//
// First the state, then its changes: one WatchList request (sendInitialEvents) where the server has
// it, list and watch where it has not. The first list takes what the server's cache has
// (resourceVersion=0), a later one nothing older than what was seen; after 410 on a list (Expired)
// or "Too large resource version" the next one is read from etcd (resourceVersion empty).
//
// When it fails:
//   watch ended in good order    goes on from the last resourceVersion, at once if it had lived a
//                                second
//   watch broke                  the same; told as not healthy at once when the server had fallen
//                                silent (IsSilence), since it takes long to fail the next try too
//   410                          a new list at once; on_list tells the whole state again
//   the server did not answer    tries again every second (Options::unanswered_cap and a fifth of
//     (refused, timed out), or   jitter): that costs next to nothing and the rest waits for it. A
//     knows us not (401)         server that is back is seen in 1.2 s, a renewed certificate too.
//                                Each new try is one request, not one more dial.
//   the server answered no       800 ms doubling to 30 s, each up to twice as long, never less than
//                                Retry-After
// A watch that lived a second, or brought an event, resets the back-off.
//
// Objects come without metadata.managedFields.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"
#include "kubelet/client/api.h"

namespace kubelet::client {

// What reflectors of one server learn about it and tell each other; outlives them.
struct ServerTraits {
  bool watch_list = true;  // false after it was refused as invalid
};

class Reflector {
 public:
  struct Options {
    ObjectPath path;                                  // a collection
    std::string field_selector;                       // `spec.nodeName=n1`, `metadata.name=x`
    const google::protobuf::Message* item = nullptr;  // default instance of the kind, core::Pod
    const google::protobuf::Message* list = nullptr;  // default instance of its list, core::PodList
    base::Nanos unanswered_cap = std::chrono::seconds(1);
    // The server ends a watch after one to two times this (client-go: 5 min).
    base::Nanos watch_timeout = std::chrono::minutes(5);
  };
  // All may be empty. Called on the loop, never from inside Start; not after Stop has begun. They
  // may destroy the reflector.
  struct Sink {
    // Everything there is: once at first, and after every relist.
    std::function<void(std::vector<MessagePtr>)> on_list;
    std::function<void(MessagePtr)> on_set;      // added or modified
    std::function<void(MessagePtr)> on_removed;  // its last state
    // Not OK: it cannot list or watch at present and tries again by itself. OK: it works (again).
    std::function<void(const absl::Status&)> on_health;
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    Api& api;
    ServerTraits* traits = nullptr;       // null: it learns for itself
    std::function<double()> random = {};  // [0, 1) for jitter; empty: one of its own
  };
  Reflector(Deps deps, Options options, Sink sink);
  ~Reflector();  // ends it, as Stop does, without waiting
  void Start();  // once
  base::Task<void> Stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
  base::TaskScope tasks_;
};

}  // namespace kubelet::client
