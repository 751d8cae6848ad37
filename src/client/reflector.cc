#include "kubelet/client/reflector.h"

#include <algorithm>
#include <map>

#include "client/random.h"
#include "kubelet/base/log.h"
#include "kubelet/client/object.h"

namespace kubelet::client {
namespace {

using namespace std::chrono_literals;
using google::protobuf::Message;
using Query = std::vector<std::pair<std::string, std::string>>;

constexpr base::Nanos kFirstDelay = 800ms;
constexpr base::Nanos kAnsweredCap = 30s;
constexpr base::Nanos kLongLife = 1s;
constexpr char kInitialEventsEnd[] = "k8s.io/initial-events-end";

std::string KeyOf(const Message& object) {
  const auto& meta = MetaOf(object);
  return meta.namespace_() + "/" + meta.name();
}

// 0 when it is no number: the API calls versions opaque, but they are compared by everyone.
uint64_t Number(const std::string& version) {
  uint64_t value = 0;
  for (char c : version) {
    if (c < '0' || c > '9') return 0;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  return value;
}

// Who wrote which field when is of no use here, and may be larger than the object. A mere clear
// would keep the memory.
void DropManagedFields(api::meta::ObjectMeta& meta) {
  if (meta.managed_fields_size() == 0) return;
  google::protobuf::RepeatedPtrField<api::meta::ManagedFieldsEntry>().Swap(
      meta.mutable_managed_fields());
}

bool IsExpired(const absl::Status& status) {
  return status.code() == absl::StatusCode::kOutOfRange && ErrorOf(status);
}

bool IsTooLarge(const absl::Status& status) {
  auto error = ErrorOf(status);
  return error && error->code == 504 &&
         error->message.find("Too large resource version") != std::string::npos;
}

base::Nanos Doubled(int failures, base::Nanos cap) {
  base::Nanos delay = kFirstDelay;
  for (int i = 1; i < failures && delay < cap; ++i) delay *= 2;
  return std::min(delay, cap);
}

base::Nanos Scaled(base::Nanos d, double factor) {
  return base::Nanos(static_cast<int64_t>(static_cast<double>(d.count()) * factor));
}

}  // namespace

struct Reflector::State {
  State(Deps d, Options o, Sink s) : deps(std::move(d)), options(std::move(o)), sink(std::move(s)) {
    if (!deps.random) deps.random = OwnRandom();
    if (deps.traits == nullptr) deps.traits = &own_traits;
  }

  static base::Task<void> Run(std::shared_ptr<State> self);
  base::Task<absl::Status> Once();
  base::Task<absl::Status> List();
  base::Task<absl::Status> Watch();
  base::Nanos Judge(absl::Status status);
  void Take(WatchEvent event);
  void EndInitial();
  void Deliver(std::vector<MessagePtr> items);
  void Healthy();
  void Unhealthy(const absl::Status& status);
  Query BaseQuery() const;
  Query WatchQuery() const;
  // Initial events instead of a list; not while they keep failing.
  bool UsesWatchList() const { return deps.traits->watch_list && answered < 2; }

  Deps deps;
  Options options;
  Sink sink;
  ServerTraits own_traits;
  bool stopped = false;

  std::string version;     // the last one seen; empty: none
  bool listed = false;     // `version` is one to watch from
  bool from_etcd = false;  // the next list must not come from the server's cache
  bool collecting = false;
  std::map<std::string, MessagePtr> collected;  // initial events so far, by key

  base::MonoTime opened;    // begin of the present watch
  bool open = false;        // there was one in this round
  bool progressed = false;  // and it brought something
  int unanswered = 0, answered = 0;
  std::optional<bool> health;
};

Query Reflector::State::BaseQuery() const {
  Query query;
  if (!options.field_selector.empty()) query.emplace_back("fieldSelector", options.field_selector);
  return query;
}

base::Task<absl::Status> Reflector::State::List() {
  Call call;
  call.verb = Call::Verb::kList;
  call.path = options.path;
  call.query = BaseQuery();
  // The loop here is the one that waits and asks again.
  call.retry = false;
  if (!from_etcd) call.query.emplace_back("resourceVersion", version.empty() ? "0" : version);
  std::vector<MessagePtr> items;
  std::string at;
  for (;;) {
    std::unique_ptr<Message> page(options.list->New());
    Call next = call;
    absl::Status status = co_await deps.api.Do(std::move(next), page.get());
    if (stopped || !status.ok()) co_return status;
    if (at.empty()) at = ListMetaOf(*page).resource_version();
    std::string more = ListMetaOf(*page).continue_();
    for (auto& item : TakeItems(*page)) {
      DropManagedFields(MutableMetaOf(*item));
      items.push_back(std::move(item));
    }
    if (more.empty()) break;
    call.query = BaseQuery();
    call.query.emplace_back("continue", more);
  }
  version = at;
  Deliver(std::move(items));
  co_return absl::OkStatus();
}

Query Reflector::State::WatchQuery() const {
  Query query = BaseQuery();
  query.emplace_back("allowWatchBookmarks", "true");
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(
      Scaled(options.watch_timeout, 1 + deps.random()));
  query.emplace_back("timeoutSeconds", std::to_string(seconds.count()));
  if (!listed) {
    query.emplace_back("sendInitialEvents", "true");
    query.emplace_back("resourceVersionMatch", "NotOlderThan");
  }
  if ((listed || !from_etcd) && !version.empty()) query.emplace_back("resourceVersion", version);
  return query;
}

base::Task<absl::Status> Reflector::State::Watch() {
  collecting = !listed;
  collected.clear();
  Query query = WatchQuery();
  auto stream = co_await deps.api.Watch(options.path, std::move(query), options.item);
  if (stopped || !stream.ok()) co_return stream.status();
  opened = deps.clock.Mono();
  open = true;
  if (!collecting) Healthy();
  for (;;) {
    auto event = co_await (*stream)->Next();
    if (stopped || !event.ok()) co_return event.status();
    bool backwards = event->type == WatchEvent::Type::kBookmark && !collecting &&
                     Number(MetaOf(*event->object).resource_version()) < Number(version);
    if (backwards) {
      // Another etcd, or an old one restored: what we watch from is its future.
      from_etcd = true;
      listed = false;
      co_return absl::OutOfRangeError("the server's resourceVersion went backwards");
    }
    Take(*std::move(event));
    if (stopped) co_return absl::CancelledError();
  }
}

void Reflector::State::Take(WatchEvent event) {
  using Type = WatchEvent::Type;
  auto& meta = MutableMetaOf(*event.object);
  DropManagedFields(meta);
  if (!meta.resource_version().empty() && !collecting) version = meta.resource_version();
  progressed = progressed || !collecting;
  if (event.type == Type::kBookmark) {
    if (!collecting || meta.annotations().count(kInitialEventsEnd) == 0) return;
    version = meta.resource_version();
    EndInitial();
  } else if (collecting) {
    std::string key = KeyOf(*event.object);
    if (event.type == Type::kDeleted) {
      collected.erase(key);
    } else {
      collected[key] = std::move(event.object);
    }
  } else if (event.type == Type::kDeleted) {
    if (sink.on_removed) sink.on_removed(std::move(event.object));
  } else if (sink.on_set) {
    sink.on_set(std::move(event.object));
  }
}

void Reflector::State::EndInitial() {
  collecting = false;
  std::vector<MessagePtr> items;
  items.reserve(collected.size());
  for (auto& [key, object] : collected) items.push_back(std::move(object));
  collected.clear();
  Deliver(std::move(items));
  if (!stopped) Healthy();
}

void Reflector::State::Deliver(std::vector<MessagePtr> items) {
  listed = true;
  from_etcd = false;
  if (sink.on_list) sink.on_list(std::move(items));
}

void Reflector::State::Healthy() {
  if (health == true) return;
  health = true;
  if (sink.on_health) sink.on_health(absl::OkStatus());
}

void Reflector::State::Unhealthy(const absl::Status& status) {
  if (health != false) {
    LOG_V(1, "Cannot list or watch", "path", options.path.Text(), "selector",
          options.field_selector, "err", status);
  }
  health = false;
  if (sink.on_health) sink.on_health(status);
}

// What a failure means for the next try, and how long to wait for it.
base::Nanos Reflector::State::Judge(absl::Status status) {
  bool lived = open && (progressed || deps.clock.Mono() - opened > kLongLife);
  if (lived) unanswered = answered = 0;
  auto error = ErrorOf(status);
  if (!listed && status.code() == absl::StatusCode::kInvalidArgument && UsesWatchList()) {
    deps.traits->watch_list = false;
    return base::Nanos(0);
  }
  if (IsExpired(status) || IsTooLarge(status)) {
    // A list that asked for what is no more has to be read anew; after a watch the cache will do.
    if (!listed) from_etcd = true;
    if (IsTooLarge(status)) from_etcd = true;
    listed = false;
    if (answered++ == 0) return base::Nanos(0);
  } else if ((!error && status.code() != absl::StatusCode::kOutOfRange) ||
             status.code() == absl::StatusCode::kUnauthenticated) {
    // 401 ends with new credentials, and nobody tells us when they come.
    answered = 0;  // what a server said that has gone since does not count
    if (lived && !error) {
      // A frozen server takes long to fail the next try too.
      if (IsSilence(status)) Unhealthy(status);
      return base::Nanos(0);
    }
    ++unanswered;
  } else {
    if (lived && !error) return base::Nanos(0);
    unanswered = 0;
    if (++answered >= 2) listed = false;
  }
  Unhealthy(status);
  if (unanswered > 0) {
    return Scaled(Doubled(unanswered, options.unanswered_cap), 1 + deps.random() / 5);
  }
  base::Nanos delay =
      std::min(Scaled(Doubled(answered, kAnsweredCap), 1 + deps.random()), kAnsweredCap);
  if (error && error->retry_after) delay = std::max(delay, *error->retry_after);
  return delay;
}

base::Task<absl::Status> Reflector::State::Once() {
  open = progressed = false;
  if (!listed && !UsesWatchList()) {
    absl::Status status = co_await List();
    if (stopped || !status.ok()) co_return status;
  }
  co_return co_await Watch();
}

base::Task<void> Reflector::State::Run(std::shared_ptr<State> self) {
  while (!self->stopped) {
    absl::Status status = co_await self->Once();
    if (self->stopped) co_return;
    base::Nanos delay = self->Judge(std::move(status));
    if (self->stopped) co_return;
    if (delay.count() > 0) co_await base::SleepFor(self->deps.clock, delay);
  }
}

Reflector::Reflector(Deps deps, Options options, Sink sink)
    : state_(std::make_shared<State>(std::move(deps), std::move(options), std::move(sink))),
      tasks_(state_->deps.executor) {}

Reflector::~Reflector() { state_->stopped = true; }

void Reflector::Start() {
  tasks_.Spawn("reflector " + state_->options.path.Text(), State::Run(state_));
}

base::Task<void> Reflector::Stop() {
  state_->stopped = true;
  co_await tasks_.Stop();
}

}  // namespace kubelet::client
