// A local copy of a collection, kept by list and watch.
//
// Lists with resourceVersion=0 first (WatchList where the server has it), watches from there with
// bookmarks, lists anew after 410, backs off with jitter (800 ms doubling to 30 s) when the server
// does not answer, and goes on from the last resourceVersion when a watch ended in good order. Core
// loop only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"
#include "kubelet/client/api.h"

namespace kubelet::client {

class Reflector {
 public:
  struct Options {
    ObjectPath path;                                  // a collection
    std::string field_selector;                       // `spec.nodeName=n1`, `metadata.name=x`
    const google::protobuf::Message* item = nullptr;  // default instance of the kind, core::Pod
    const google::protobuf::Message* list = nullptr;  // default instance of its list, core::PodList
  };
  // All may be empty. Called on the loop, never from inside Start; not after Stop has begun.
  struct Sink {
    // Everything there is: once at first, and after every relist.
    std::function<void(std::vector<MessagePtr>)> on_list;
    std::function<void(MessagePtr)> on_set;      // added or modified
    std::function<void(MessagePtr)> on_removed;  // its last state
    // Not OK: it cannot list or watch at present and tries again by itself. OK: it works again.
    std::function<void(const absl::Status&)> on_health;
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    Api& api;
  };
  Reflector(Deps deps, Options options, Sink sink);
  ~Reflector();
  void Start();
  base::Task<void> Stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace kubelet::client
