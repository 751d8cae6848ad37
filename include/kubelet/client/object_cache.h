// ConfigMaps and Secrets of the pods on this node (configMapAndSecretChangeDetectionStrategy). Core
// loop only.
//
//   kWatch  one watch per object, shared by the pods that refer to it, only while one does. A watch
//           nobody asked for in a minute ends until the next Get, unless a volume shows the object:
//           a volume is told of changes and does not ask. An immutable object is not watched on.
//   kCache  asked for again when it is older than a minute, or than the node's annotation
//           node.alpha.kubernetes.io/ttl says. A new reference asks at once.
//   kGet    asked for each time.
//
// Facts: pkg/kubelet/util/manager (watch_based_manager.go, cache_based_manager.go). Beyond them:
// when the watch is not there within a second, the object is asked for directly; and while the
// server does not answer, the last known state is served, so that a container can restart without
// it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "k8s/core/v1/config.pb.h"
#include "kubelet/api/types.h"
#include "kubelet/client/collection.h"

namespace kubelet::client {

class ObjectCache {
 public:
  enum class Kind { kConfigMap, kSecret };
  enum class Strategy { kWatch, kCache, kGet };
  struct Options {
    Strategy strategy = Strategy::kWatch;
    base::Nanos idle = std::chrono::minutes(1);
    base::Nanos ttl = std::chrono::minutes(1);
    base::Nanos sync_timeout = std::chrono::seconds(1);
    base::Nanos get_timeout = std::chrono::seconds(10);
  };
  struct Hooks {
    // An object is another than before, or gone, or there at last after a Get that had to fail.
    // kWatch only: with the other strategies volumes have to ask.
    std::function<void(Kind, const std::string& ns, const std::string& name)> on_change;
    // The ttl of the node's annotation, if it has one.
    std::function<std::optional<base::Nanos>()> node_ttl;
  };
  ObjectCache(Reflector::Deps deps, Options options, Hooks hooks);
  ~ObjectCache();

  // Refers to what the spec names, from now on; for a known uid in place of what it named before.
  void AddPod(const api::core::Pod& pod);
  void RemovePod(const std::string& uid);

  // Shared with the cache, never copied. NotFound: there is no such object. Unavailable: the server
  // does not answer, and the object has never been seen; try again (on_change tells when). Other
  // codes are the server's. An object no pod refers to is asked for each time. The cache outlives
  // the calls.
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::ConfigMap>>> GetConfigMap(
      std::string ns, std::string name);
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::Secret>>> GetSecret(std::string ns,
                                                                                 std::string name);

 private:
  struct Key {
    Kind kind;
    std::string ns, name;
    auto operator<=>(const Key&) const = default;
  };
  struct Entry;
  using EntryPtr = std::shared_ptr<Entry>;
  using Result = absl::StatusOr<MessagePtr>;

  base::Task<Result> Get(Key key);
  base::Task<Result> GetWatched(EntryPtr entry);
  base::Task<Result> GetCached(EntryPtr entry);
  base::Task<Result> Ask(Key key, base::Nanos timeout, bool from_cache);
  EntryPtr Find(const Key& key) const;
  void Refer(const Key& key, bool by_volume, const std::string& uid);
  void Drop(const Key& key, const std::string& uid);
  void Watch(const EntryPtr& entry);
  void Seen(const EntryPtr& entry, bool tell);
  void PauseIdle();
  bool IsFresh(const Entry& entry) const;

  Reflector::Deps deps_;
  Options options_;
  Hooks hooks_;
  std::map<Key, EntryPtr> entries_;
  std::map<std::string, std::map<Key, bool>> pods_;  // uid; true: by a volume
  std::optional<base::Clock::TimerId> idle_timer_;
};

// What a pod's spec names, by name; true when a volume does (env, envFrom and pull secrets are read
// at a container's start only). Pure; pkg/api/v1/pod VisitPodSecretNames, VisitPodConfigmapNames.
struct ObjectReferences {
  std::map<std::string, bool> config_maps, secrets;
};
ObjectReferences ReferencedObjects(const api::core::Pod& pod);

}  // namespace kubelet::client
