// The objects a reflector brings, to be looked up: what the caches of this room are made of. Core
// loop only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kubelet/client/reflector.h"

namespace kubelet::client {

class Collection {
 public:
  struct Hooks {
    // What is kept of an object (shared, not copied, when empty); null: nothing.
    std::function<MessagePtr(MessagePtr)> keep;
    // The object is another, or gone, since the last look. Not for the objects of the first list.
    // May destroy the collection.
    std::function<void(const std::string& ns, const std::string& name)> on_change;
    // Every list after the first was taken in; before its on_change. It is the truth also where it
    // is older than what was seen: an etcd that was restored from a backup begins with lower
    // versions. Not to destroy the collection.
    std::function<void()> on_relist;
    // The first list is there. May destroy the collection.
    std::function<void()> on_synced;
  };
  Collection(Reflector::Deps deps, Reflector::Options options, Hooks hooks);
  ~Collection();  // everyone who waits is told that it is not synced

  // Begins to watch, if it does not yet. Lazily: call it when somebody asks.
  void Start();
  // Ends the watch. What was seen stays, and can be found, but counts as not synced.
  void Pause();
  bool started() const;
  bool synced() const;
  // Waits for the first list. False after `timeout` (zero: at once), and when the collection is
  // destroyed meanwhile.
  base::Task<bool> WaitSynced(base::Nanos timeout);
  // `ns` is empty for cluster-wide kinds. Null: there is none, as far as is known.
  MessagePtr Find(const std::string& ns, const std::string& name) const;
  std::vector<MessagePtr> All() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace kubelet::client
