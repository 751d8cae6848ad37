#include "kubelet/client/object_cache.h"

#include <set>
#include <utility>

#include "kubelet/base/log.h"
#include "kubelet/client/object.h"

namespace kubelet::client {
namespace {

using namespace std::chrono_literals;
namespace core = api::core;
using google::protobuf::Message;

using Kind = ObjectCache::Kind;

const Message& ItemOf(Kind kind) {
  if (kind == Kind::kSecret) return core::Secret::default_instance();
  return core::ConfigMap::default_instance();
}

const Message& ListOf(Kind kind) {
  if (kind == Kind::kSecret) return core::SecretList::default_instance();
  return core::ConfigMapList::default_instance();
}

const Resource& ResourceOf(Kind kind) { return kind == Kind::kSecret ? kSecrets : kConfigMaps; }

bool IsImmutable(const MessagePtr& object) {
  if (!object) return false;
  if (const auto* secret = dynamic_cast<const core::Secret*>(object.get())) {
    return secret->immutable();
  }
  return static_cast<const core::ConfigMap&>(*object).immutable();
}

// True: nobody said no, there was only no answer.
bool Unanswered(const absl::Status& status) {
  return !ErrorOf(status) && (status.code() == absl::StatusCode::kUnavailable ||
                              status.code() == absl::StatusCode::kDeadlineExceeded);
}

bool IsOlder(const MessagePtr& a, const MessagePtr& b) {
  const auto& left = MetaOf(*a).resource_version();
  const auto& right = MetaOf(*b).resource_version();
  if (left.size() != right.size()) return left.size() < right.size();
  return left < right;
}

}  // namespace

struct ObjectCache::Entry {
  Entry(Key k, const Reflector::Deps& deps)
      : key(std::move(k)), lock(deps.executor, deps.clock, 1) {}

  bool ByVolume() const {
    for (const auto& [uid, by_volume] : by) {
      if (by_volume) return true;
    }
    return false;
  }
  // The last known state.
  Result State() const {
    if (last) return last;
    ApiError error;
    error.code = 404;
    error.reason = "NotFound";
    error.message = std::string(ResourceOf(key.kind).plural) + " \"" + key.name + "\" not found";
    return ToStatus(error);
  }

  Key key;
  std::map<std::string, bool> by;  // uids of pods; true: by a volume
  bool known = false;              // `last` is what the server had; null: nothing
  MessagePtr last;
  // kWatch
  std::unique_ptr<Collection> watch;
  base::MonoTime last_use;
  bool missed = false;  // somebody asked in vain
  // kCache
  base::Semaphore lock;  // one asks, the others take what it gets
  base::MonoTime fetched;
  bool fresh = false;
};

ObjectCache::ObjectCache(Reflector::Deps deps, Options options, Hooks hooks)
    : deps_(std::move(deps)), options_(options), hooks_(std::move(hooks)) {}

ObjectCache::~ObjectCache() {
  if (idle_timer_) deps_.clock.Cancel(*idle_timer_);
  for (auto& [key, entry] : entries_) entry->watch.reset();
}

void ObjectCache::AddPod(const core::Pod& pod) {
  const std::string& uid = pod.metadata().uid();
  const std::string& ns = pod.metadata().namespace_();
  std::map<Key, bool> now;
  ObjectReferences names = ReferencedObjects(pod);
  for (const auto& [name, by_volume] : names.config_maps) {
    now[Key{Kind::kConfigMap, ns, name}] = by_volume;
  }
  for (const auto& [name, by_volume] : names.secrets) now[Key{Kind::kSecret, ns, name}] = by_volume;
  std::map<Key, bool> before = std::exchange(pods_[uid], now);
  for (const auto& [key, by_volume] : now) Refer(key, by_volume, uid);
  for (const auto& [key, by_volume] : before) {
    if (now.count(key) == 0) Drop(key, uid);
  }
}

void ObjectCache::RemovePod(const std::string& uid) {
  auto pod = pods_.extract(uid);
  if (pod.empty()) return;
  for (const auto& [key, by_volume] : pod.mapped()) Drop(key, uid);
}

void ObjectCache::Refer(const Key& key, bool by_volume, const std::string& uid) {
  EntryPtr& entry = entries_[key];
  if (!entry) entry = std::make_shared<Entry>(key, deps_);
  bool is_new = entry->by.insert_or_assign(uid, by_volume).second;
  if (!is_new) return;
  entry->fresh = false;
  entry->last_use = deps_.clock.Mono();
  if (options_.strategy == Strategy::kWatch) Watch(entry);
}

void ObjectCache::Drop(const Key& key, const std::string& uid) {
  auto it = entries_.find(key);
  if (it == entries_.end()) return;
  it->second->by.erase(uid);
  if (!it->second->by.empty()) return;
  it->second->watch.reset();
  entries_.erase(it);
}

ObjectCache::EntryPtr ObjectCache::Find(const Key& key) const {
  auto it = entries_.find(key);
  return it == entries_.end() ? nullptr : it->second;
}

// Has no effect on what is watched already, and on what cannot change any more.
void ObjectCache::Watch(const EntryPtr& entry) {
  if (IsImmutable(entry->last)) return;
  if (!entry->watch) {
    Reflector::Options options;
    options.path.resource = ResourceOf(entry->key.kind);
    options.path.namespace_ = entry->key.ns;
    options.field_selector = "metadata.name=" + entry->key.name;
    options.item = &ItemOf(entry->key.kind);
    options.list = &ListOf(entry->key.kind);
    // There are many, and nothing waits for them: they need not all ask every second.
    options.unanswered_cap = 5s;
    options.watch_timeout = 30min;
    std::weak_ptr<Entry> weak = entry;
    Collection::Hooks hooks;
    hooks.on_change = [this, weak](const std::string&, const std::string&) {
      if (auto e = weak.lock()) Seen(e, true);
    };
    hooks.on_synced = [this, weak] {
      if (auto e = weak.lock()) Seen(e, e->missed);
    };
    entry->watch = std::make_unique<Collection>(deps_, std::move(options), std::move(hooks));
  }
  entry->watch->Start();
  if (!idle_timer_) idle_timer_ = deps_.clock.After(options_.idle, [this] { PauseIdle(); });
}

void ObjectCache::Seen(const EntryPtr& entry, bool tell) {
  entry->last = entry->watch->Find(entry->key.ns, entry->key.name);
  entry->known = true;
  entry->missed = false;
  Key key = entry->key;
  if (IsImmutable(entry->last)) entry->watch.reset();
  if (tell && hooks_.on_change) hooks_.on_change(key.kind, key.ns, key.name);
}

void ObjectCache::PauseIdle() {
  idle_timer_.reset();
  bool more = false;
  for (auto& [key, entry] : entries_) {
    if (!entry->watch || !entry->watch->started() || entry->ByVolume()) continue;
    // What is not there yet is waited for: to begin again would only burden the server.
    bool idle = deps_.clock.Mono() - entry->last_use >= options_.idle && entry->watch->synced();
    if (idle) {
      entry->watch->Pause();
    } else {
      more = true;
    }
  }
  if (more) idle_timer_ = deps_.clock.After(options_.idle, [this] { PauseIdle(); });
}

base::Task<ObjectCache::Result> ObjectCache::Get(Key key) {
  EntryPtr entry = Find(key);
  if (!entry || options_.strategy == Strategy::kGet) {
    co_return co_await Ask(std::move(key), options_.get_timeout, false);
  }
  if (options_.strategy == Strategy::kCache) co_return co_await GetCached(std::move(entry));
  co_return co_await GetWatched(std::move(entry));
}

base::Task<ObjectCache::Result> ObjectCache::GetWatched(EntryPtr entry) {
  entry->last_use = deps_.clock.Mono();
  Watch(entry);
  if (entry->watch && !entry->watch->synced()) {
    co_await entry->watch->WaitSynced(options_.sync_timeout);
  }
  bool current = IsImmutable(entry->last) || (entry->watch && entry->watch->synced());
  if (current) co_return entry->State();
  // With an old state to fall back on, nobody should wait long for a server that hangs.
  base::Nanos timeout = options_.get_timeout;
  if (entry->known) timeout = options_.sync_timeout;
  Result asked = co_await Ask(entry->key, timeout, false);
  if (!asked.ok() && entry->known && Unanswered(asked.status())) co_return entry->State();
  if (!asked.ok()) entry->missed = true;
  co_return asked;
}

bool ObjectCache::IsFresh(const Entry& entry) const {
  if (!entry.known || !entry.fresh) return false;
  std::optional<base::Nanos> of_node;
  if (hooks_.node_ttl) of_node = hooks_.node_ttl();
  return deps_.clock.Mono() - entry.fetched < of_node.value_or(options_.ttl);
}

base::Task<ObjectCache::Result> ObjectCache::GetCached(EntryPtr entry) {
  auto permit = co_await entry->lock.Acquire();
  if (IsFresh(*entry)) co_return entry->State();
  // A mere refresh may be served from the server's cache.
  bool refresh = entry->fresh && entry->last;
  entry->fresh = true;
  Result asked = co_await Ask(entry->key, options_.get_timeout, refresh);
  bool gone = asked.status().code() == absl::StatusCode::kNotFound;
  if (!asked.ok() && !gone) {
    if (entry->known) co_return entry->State();
    co_return asked;
  }
  bool older = asked.ok() && entry->last && IsOlder(*asked, entry->last);
  if (!older) {
    entry->last = nullptr;
    if (asked.ok()) entry->last = *asked;
    entry->known = true;
    entry->fetched = deps_.clock.Mono();
  }
  co_return entry->State();
}

base::Task<ObjectCache::Result> ObjectCache::Ask(Key key, base::Nanos timeout, bool from_cache) {
  Call call;
  call.path.resource = ResourceOf(key.kind);
  call.path.namespace_ = key.ns;
  call.path.name = key.name;
  call.timeout = timeout;
  if (from_cache) call.query.emplace_back("resourceVersion", "0");
  std::shared_ptr<Message> object(ItemOf(key.kind).New());
  absl::Status status = co_await deps_.api.Do(std::move(call), object.get());
  if (!status.ok()) co_return status;
  MessagePtr result = std::move(object);
  co_return result;
}

base::Task<absl::StatusOr<std::shared_ptr<const core::ConfigMap>>> ObjectCache::GetConfigMap(
    std::string ns, std::string name) {
  Key key{Kind::kConfigMap, std::move(ns), std::move(name)};
  Result object = co_await Get(std::move(key));
  if (!object.ok()) co_return object.status();
  co_return std::static_pointer_cast<const core::ConfigMap>(*std::move(object));
}

base::Task<absl::StatusOr<std::shared_ptr<const core::Secret>>> ObjectCache::GetSecret(
    std::string ns, std::string name) {
  Key key{Kind::kSecret, std::move(ns), std::move(name)};
  Result object = co_await Get(std::move(key));
  if (!object.ok()) co_return object.status();
  co_return std::static_pointer_cast<const core::Secret>(*std::move(object));
}

}  // namespace kubelet::client
