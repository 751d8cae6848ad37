#include "kubelet/client/collection.h"

#include <list>

#include "kubelet/client/object.h"

namespace kubelet::client {

struct Collection::State : std::enable_shared_from_this<Collection::State> {
  State(Reflector::Deps d, Reflector::Options o, Hooks h)
      : deps(std::move(d)), options(std::move(o)), hooks(std::move(h)) {}

  static std::string KeyOf(const std::string& ns, const std::string& name) {
    return ns + "/" + name;
  }
  void Start();
  void Replace(std::vector<MessagePtr> list);
  MessagePtr Kept(const MessagePtr& object) { return hooks.keep ? hooks.keep(object) : object; }
  void Set(MessagePtr object);
  void Remove(const MessagePtr& object);
  void Changed(const std::string& key) {
    auto slash = key.find('/');
    if (hooks.on_change && !dead) hooks.on_change(key.substr(0, slash), key.substr(slash + 1));
  }
  void WakeAll() {
    for (auto& waiter : waiters) waiter->Notify();
  }

  Reflector::Deps deps;
  Reflector::Options options;
  Hooks hooks;
  struct Item {
    std::string version;
    MessagePtr object;  // what `keep` left of it
  };
  std::map<std::string, Item> items;
  std::list<std::shared_ptr<base::WakeEvent>> waiters;
  bool ever_synced = false;
  bool synced = false;
  bool dead = false;
  std::unique_ptr<Reflector> reflector;
};

// The callbacks hold what they run in: they may end the collection.
void Collection::State::Start() {
  if (reflector) return;
  std::weak_ptr<State> weak = weak_from_this();
  Reflector::Sink sink;
  sink.on_list = [weak](std::vector<MessagePtr> items) {
    if (auto self = weak.lock()) self->Replace(std::move(items));
  };
  sink.on_set = [weak](MessagePtr object) {
    if (auto self = weak.lock()) self->Set(std::move(object));
  };
  sink.on_removed = [weak](MessagePtr object) {
    if (auto self = weak.lock()) self->Remove(object);
  };
  reflector = std::make_unique<Reflector>(deps, options, std::move(sink));
  reflector->Start();
}

void Collection::State::Replace(std::vector<MessagePtr> list) {
  auto before = std::exchange(items, {});
  for (auto& object : list) {
    const auto& meta = MetaOf(*object);
    items[KeyOf(meta.namespace_(), meta.name())] = {meta.resource_version(), Kept(object)};
  }
  synced = true;
  WakeAll();
  if (!std::exchange(ever_synced, true)) {
    if (hooks.on_synced) hooks.on_synced();
    return;
  }
  if (hooks.on_relist && !dead) hooks.on_relist();
  std::vector<std::string> changed;
  for (const auto& [key, item] : items) {
    auto old = before.find(key);
    if (old == before.end() || old->second.version != item.version) changed.push_back(key);
    if (old != before.end()) before.erase(old);
  }
  for (const auto& [key, item] : before) changed.push_back(key);
  for (const auto& key : changed) Changed(key);
}

void Collection::State::Set(MessagePtr object) {
  const auto& meta = MetaOf(*object);
  std::string key = KeyOf(meta.namespace_(), meta.name());
  Item& item = items[key];
  if (!item.version.empty() && item.version == meta.resource_version()) return;
  item = {meta.resource_version(), Kept(object)};
  Changed(key);
}

void Collection::State::Remove(const MessagePtr& object) {
  const auto& meta = MetaOf(*object);
  std::string key = KeyOf(meta.namespace_(), meta.name());
  if (items.erase(key) > 0) Changed(key);
}

Collection::Collection(Reflector::Deps deps, Reflector::Options options, Hooks hooks)
    : state_(std::make_shared<State>(std::move(deps), std::move(options), std::move(hooks))) {}

Collection::~Collection() {
  state_->dead = true;
  state_->reflector.reset();
  state_->WakeAll();
}

void Collection::Start() { state_->Start(); }

void Collection::Pause() {
  state_->reflector.reset();
  state_->synced = false;
}

bool Collection::started() const { return state_->reflector != nullptr; }
bool Collection::synced() const { return state_->synced; }

base::Task<bool> Collection::WaitSynced(base::Nanos timeout) {
  auto state = state_;
  base::MonoTime deadline = state->deps.clock.Mono() + timeout;
  if (state->synced || timeout.count() <= 0) co_return state->synced;
  auto waiter = std::make_shared<base::WakeEvent>(state->deps.executor, state->deps.clock);
  auto place = state->waiters.insert(state->waiters.end(), waiter);
  // A cancelled task gives its place back too.
  struct Guard {
    State& state;
    std::list<std::shared_ptr<base::WakeEvent>>::iterator place;
    ~Guard() { state.waiters.erase(place); }
  };
  Guard guard{*state, place};
  co_await waiter->Wait(deadline);
  co_return state->synced && !state->dead;
}

MessagePtr Collection::Find(const std::string& ns, const std::string& name) const {
  auto it = state_->items.find(State::KeyOf(ns, name));
  return it == state_->items.end() ? nullptr : it->second.object;
}

std::vector<MessagePtr> Collection::All() const {
  std::vector<MessagePtr> all;
  for (const auto& [key, item] : state_->items) {
    if (item.object) all.push_back(item.object);
  }
  return all;
}

}  // namespace kubelet::client
