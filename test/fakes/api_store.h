// Objects, revisions and the history of changes, as etcd and the watch cache hold them for a
// kube-apiserver: no rules of any kind, no I/O. Single thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "fakes/api_kinds.h"
#include "kubelet/base/clock.h"

namespace kubelet::fakes {

class ApiStore {
 public:
  struct Change {
    enum class Type { kAdded, kModified, kDeleted };
    Type type = Type::kAdded;
    const ApiKind* kind = nullptr;
    ObjectPtr object;    // of a deletion: the last state, with the revision of the deletion
    ObjectPtr previous;  // null when added
    uint64_t revision = 0;
  };
  using Listener = std::function<void(const Change&)>;

  ApiStore(base::Clock& clock, uint64_t seed);

  // Null when it is not there.
  ObjectPtr Get(const ApiKind& kind, const std::string& ns, const std::string& name) const;
  // In the order of namespace and name; an empty namespace means all.
  std::vector<ObjectPtr> List(const ApiKind& kind, const std::string& ns) const;

  // Gives it uid, creationTimestamp, resourceVersion and, from generateName, a name.
  // AlreadyExists. With `dry`, nothing is stored and nobody is told.
  absl::StatusOr<ObjectPtr> Create(NewObject object, bool dry = false);
  // The object of that name becomes `object`, under a new resourceVersion; when nothing differs, it
  // stays and nobody is told. NotFound.
  absl::StatusOr<ObjectPtr> Replace(NewObject object, bool dry = false);
  absl::StatusOr<ObjectPtr> Erase(const ApiKind& kind, const std::string& ns,
                                  const std::string& name, bool dry = false);

  uint64_t revision() const { return revision_; }
  uint64_t compacted() const { return compacted_; }
  // Changes of a kind after `revision`, oldest first. 410 Expired when they are forgotten.
  absl::StatusOr<std::vector<Change>> Since(const ApiKind& kind, uint64_t revision) const;
  // Forgets the changes up to this revision, or all of them.
  void Compact(uint64_t revision = UINT64_MAX);
  // Told after each change, in order; a listener may change the store: the others then hear of it
  // after this change.
  uint64_t Listen(Listener listener);
  void Unlisten(uint64_t id) { listeners_.erase(id); }

  // Everything there is as JSON lines; the history is not part of it.
  std::string Save() const;
  absl::Status Load(const std::string& text);

  std::string NewUid();
  std::string RandomSuffix();  // five characters, as generateName appends
  base::WallTime Now() const { return clock_.Now(); }

 private:
  using Key = std::pair<std::string, std::string>;
  void Commit(Change change);

  base::Clock& clock_;
  std::mt19937_64 random_;
  std::map<const ApiKind*, std::map<Key, ObjectPtr>> objects_;
  uint64_t revision_ = 1;
  uint64_t compacted_ = 0;  // changes up to here are forgotten
  std::deque<Change> history_;
  std::map<uint64_t, Listener> listeners_;
  uint64_t next_listener_ = 0;
  std::deque<Change> untold_;
  bool telling_ = false;
};

}  // namespace kubelet::fakes
