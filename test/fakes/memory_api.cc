#include "fakes/memory_api.h"

#include <algorithm>
#include <list>
#include <set>

#include "fakes/memory_store.h"
#include "kubelet/client/object.h"

namespace kubelet::test {

using client::Call;
using client::MessagePtr;
using client::MutableMetaOf;
using client::ObjectPath;
using client::WatchEvent;
using google::protobuf::Message;

namespace {

constexpr char kInitialEventsEnd[] = "k8s.io/initial-events-end";

std::string VerbOf(Call::Verb verb) {
  switch (verb) {
    case Call::Verb::kGet:
      return "GET";
    case Call::Verb::kList:
      return "LIST";
    case Call::Verb::kCreate:
      return "CREATE";
    case Call::Verb::kUpdate:
      return "UPDATE";
    case Call::Verb::kPatch:
      return "PATCH";
    default:
      return "DELETE";
  }
}

}  // namespace

struct MemoryApi::State {
  struct Rule {
    enum class Effect { kFail, kLoseAnswer, kHold };
    Effect effect;
    std::string verb, path_part;
    absl::Status status;
    int times;
    bool Matches(const std::string& v, const std::string& path) const {
      return (verb.empty() || verb == v) && path.find(path_part) != std::string::npos;
    }
  };

  State(base::Executor e, base::Clock& c) : executor(std::move(e)), clock(c), store(c) {
    store.on_change = [this] { WakeAll(); };
  }

  Rule* Find(Rule::Effect effect, const std::string& verb, const std::string& path) {
    for (auto& rule : rules) {
      if (rule.effect == effect && rule.times > 0 && rule.Matches(verb, path)) return &rule;
    }
    return nullptr;
  }
  // The status of the next matching rule, used up by that.
  absl::Status Take(Rule::Effect effect, const std::string& verb, const std::string& path) {
    auto* rule = Find(effect, verb, path);
    if (rule == nullptr) return absl::OkStatus();
    --rule->times;
    return rule->status;
  }
  bool Held(const std::string& verb, const std::string& path) {
    return Find(Rule::Effect::kHold, verb, path) != nullptr;
  }
  void WakeAll() {
    for (auto& waiter :
         std::vector<std::shared_ptr<base::WakeEvent>>(waiters.begin(), waiters.end())) {
      waiter->Notify();
    }
  }
  absl::Status Refused() const {
    return absl::UnavailableError("dial tcp: connect: connection refused");
  }

  base::Task<absl::Status> Admit(std::string verb, std::string path, base::Nanos timeout);

  base::Executor executor;
  base::Clock& clock;
  MemoryStore store;
  std::list<Rule> rules;
  std::set<std::shared_ptr<base::WakeEvent>> waiters;
  std::set<Stream*> streams;
  bool down = false;
  bool watch_list = true;
  base::Nanos latency{0};
  Handler handler;
};

struct MemoryApi::Stream : client::WatchStream {
  Stream(std::shared_ptr<State> s, Selection what, const Message* p)
      : state(std::move(s)),
        selection(std::move(what)),
        prototype(p),
        wake(std::make_shared<base::WakeEvent>(state->executor, state->clock)) {
    state->streams.insert(this);
    state->waiters.insert(wake);
  }
  ~Stream() override {
    state->streams.erase(this);
    state->waiters.erase(wake);
  }
  void Push(WatchEvent::Type type, const Message& object) {
    WatchEvent event;
    event.type = type;
    event.object.reset(prototype->New());
    event.object->CopyFrom(object);
    pending.push_back(std::move(event));
  }
  void PushBookmark(bool initial_end) {
    WatchEvent event;
    event.type = WatchEvent::Type::kBookmark;
    event.object.reset(prototype->New());
    auto& meta = MutableMetaOf(*event.object);
    meta.set_resource_version(std::to_string(state->store.version));
    if (initial_end) (*meta.mutable_annotations())[kInitialEventsEnd] = "true";
    pending.push_back(std::move(event));
  }
  // Turns the history behind `position` into events of this selection.
  void Read() {
    for (const auto& change : state->store.history) {
      if (change.version <= position || change.kind != selection.kind) continue;
      bool was = change.before && selection.Takes(*change.before);
      bool is = change.after && selection.Takes(*change.after);
      if (is) {
        Push(was ? WatchEvent::Type::kModified : WatchEvent::Type::kAdded, *change.after);
      } else if (was) {
        Push(WatchEvent::Type::kDeleted, change.after ? *change.after : *change.before);
        MutableMetaOf(*pending.back().object).set_resource_version(std::to_string(change.version));
      }
    }
    position = state->store.version;
  }
  base::Task<absl::StatusOr<WatchEvent>> Next() override {
    for (;;) {
      if (!broken.ok()) co_return broken;
      if (!state->Held("WATCH", path)) {
        if (position < state->store.compacted) co_return Expired();
        Read();
        if (!pending.empty()) {
          WatchEvent event = std::move(pending.front());
          pending.pop_front();
          co_return event;
        }
        if (state->clock.Mono() >= end) {
          co_return absl::OutOfRangeError("the watch is over");
        }
      }
      std::optional<base::MonoTime> until;
      if (end != base::MonoTime::max()) until = end;
      co_await wake->Wait(until);
    }
  }

  std::shared_ptr<State> state;
  Selection selection;
  const Message* prototype;
  std::shared_ptr<base::WakeEvent> wake;
  std::string path;
  std::deque<WatchEvent> pending;
  absl::Status broken;
  uint64_t position = 0;
  base::MonoTime end = base::MonoTime::max();
  bool bookmarks = false;
};

// Latency, holds, failures: all that happens to a call before the store sees it.
base::Task<absl::Status> MemoryApi::State::Admit(std::string verb, std::string path,
                                                 base::Nanos timeout) {
  base::MonoTime deadline = clock.Mono() + timeout;
  if (latency.count() > 0) co_await base::SleepFor(clock, std::min(latency, timeout));
  while (!down && Held(verb, path)) {
    auto wake = std::make_shared<base::WakeEvent>(executor, clock);
    waiters.insert(wake);
    bool notified = co_await wake->Wait(deadline);
    waiters.erase(wake);
    if (!notified) co_return absl::DeadlineExceededError("no answer in time");
  }
  if (down) co_return Refused();
  co_return Take(Rule::Effect::kFail, verb, path);
}

MemoryApi::MemoryApi(base::Executor executor, base::Clock& clock)
    : state_(std::make_shared<State>(std::move(executor), clock)) {}
MemoryApi::~MemoryApi() = default;

base::Task<absl::Status> MemoryApi::Do(Call call, Message* out) {
  auto state = state_;
  std::string verb = VerbOf(call.verb);
  std::string path = call.path.Text();
  log.push_back({verb, path, call, state->clock.Mono()});
  absl::Status admitted = co_await state->Admit(verb, path, call.timeout);
  if (!admitted.ok()) co_return admitted;
  std::optional<absl::Status> done;
  if (state->handler) done = state->handler(call, out);
  if (!done) done = state->store.Execute(call, out);
  absl::Status lost = state->Take(State::Rule::Effect::kLoseAnswer, verb, path);
  co_return lost.ok() ? *done : lost;
}

base::Task<absl::StatusOr<std::unique_ptr<client::WatchStream>>> MemoryApi::Watch(
    ObjectPath path, Query query, const Message* prototype) {
  auto state = state_;
  std::string text = path.Text();
  Call call;
  call.verb = Call::Verb::kList;
  call.path = path;
  call.query = query;
  log.push_back({"WATCH", text, call, state->clock.Mono()});
  absl::Status admitted = co_await state->Admit("WATCH", text, call.timeout);
  if (!admitted.ok()) co_return admitted;
  bool initial = Param(query, "sendInitialEvents") == "true";
  if (initial && !state->watch_list) {
    co_return ApiFailure(422, "Invalid", "sendInitialEvents is forbidden");
  }
  std::string from = Param(query, "resourceVersion");
  auto stream = std::make_unique<Stream>(state, SelectionOf(path, query), prototype);
  stream->path = text;
  stream->bookmarks = Param(query, "allowWatchBookmarks") == "true";
  std::string seconds = Param(query, "timeoutSeconds");
  if (!seconds.empty()) {
    stream->end = state->clock.Mono() + std::chrono::seconds(std::stoll(seconds));
  }
  stream->position = state->store.version;
  if (initial || from.empty() || from == "0") {
    for (const auto& [key, object] : state->store.objects[stream->selection.kind]) {
      if (stream->selection.Takes(*object)) stream->Push(WatchEvent::Type::kAdded, *object);
    }
    if (initial && stream->bookmarks) stream->PushBookmark(true);
  } else {
    stream->position = std::stoull(from);
  }
  std::unique_ptr<client::WatchStream> result = std::move(stream);
  co_return result;
}

MessagePtr MemoryApi::Put(ObjectPath collection, const Message& object) {
  return state_->store.Put(std::move(collection), object);
}

absl::Status MemoryApi::Remove(ObjectPath path, bool graceful) {
  Call call;
  call.path = std::move(path);
  if (!graceful) {
    auto options = std::make_shared<api::meta::DeleteOptions>();
    options->set_grace_period_seconds(0);
    call.body = options;
  }
  return state_->store.Delete(call, nullptr);
}

MessagePtr MemoryApi::FindMessage(ObjectPath path) const { return state_->store.Stored(path); }

std::vector<MessagePtr> MemoryApi::All(client::Resource resource) const {
  std::vector<MessagePtr> all;
  for (const auto& [key, object] : state_->store.objects[KindKey(resource)]) all.push_back(object);
  return all;
}

uint64_t MemoryApi::resource_version() const { return state_->store.version; }

int MemoryApi::Count(const std::string& verb, const std::string& path_part) const {
  return static_cast<int>(std::count_if(log.begin(), log.end(), [&](const Logged& entry) {
    return (verb.empty() || entry.verb == verb) && entry.path.find(path_part) != std::string::npos;
  }));
}

void MemoryApi::Fail(const std::string& verb, const std::string& path_part, absl::Status status,
                     int times) {
  state_->rules.push_back({State::Rule::Effect::kFail, verb, path_part, std::move(status), times});
}

void MemoryApi::LoseAnswer(const std::string& verb, const std::string& path_part,
                           absl::Status status, int times) {
  state_->rules.push_back(
      {State::Rule::Effect::kLoseAnswer, verb, path_part, std::move(status), times});
}

void MemoryApi::Hold(const std::string& verb, const std::string& path_part) {
  state_->rules.push_back({State::Rule::Effect::kHold, verb, path_part, absl::OkStatus(), 1});
}

void MemoryApi::Release() {
  state_->rules.remove_if(
      [](const State::Rule& rule) { return rule.effect == State::Rule::Effect::kHold; });
  state_->WakeAll();
}

void MemoryApi::Down() {
  state_->down = true;
  BreakWatches(state_->Refused());
  state_->WakeAll();
}

void MemoryApi::Up() { state_->down = false; }
void MemoryApi::set_latency(base::Nanos latency) { state_->latency = latency; }

void MemoryApi::BreakWatches(absl::Status status) {
  for (auto* stream : state_->streams) stream->broken = status;
  state_->WakeAll();
}

size_t MemoryApi::open_watches(const std::string& path_part) const {
  return std::count_if(state_->streams.begin(), state_->streams.end(), [&](const Stream* stream) {
    return stream->path.find(path_part) != std::string::npos;
  });
}

void MemoryApi::Compact() {
  state_->store.history.clear();
  state_->store.compacted = state_->store.version;
}

void MemoryApi::Bookmark() {
  for (auto* stream : state_->streams) {
    if (!stream->bookmarks || stream->position < state_->store.compacted) continue;
    stream->Read();
    stream->PushBookmark(false);
  }
  state_->WakeAll();
}

void MemoryApi::set_watch_list(bool on) { state_->watch_list = on; }
void MemoryApi::set_page_size(int size) { state_->store.page_size = size; }
void MemoryApi::set_handler(Handler handler) { state_->handler = std::move(handler); }

}  // namespace kubelet::test
