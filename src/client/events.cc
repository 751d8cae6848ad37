#include "kubelet/client/events.h"

#include <algorithm>
#include <deque>

#include "client/event_correlator.h"
#include "client/random.h"
#include "k8s/core/v1/event.pb.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/time.h"
#include "kubelet/base/log.h"

namespace kubelet::client {
namespace {

namespace core = api::core;

const char* TypeName(EventRecorder::Type type) {
  return type == EventRecorder::Type::kWarning ? "Warning" : "Normal";
}

// A string as JSON, by way of the codec.
std::string Quoted(const std::string& text) {
  if (text.empty()) return "\"\"";
  core::ObjectReference one;
  one.set_field_path(text);
  std::string json = api::EncodeJson(one);  // {"fieldPath":"..."}
  auto begin = json.find(':') + 1;
  return json.substr(begin, json.size() - 1 - begin);
}

std::string PatchOf(const RecordedEvent& event) {
  return "{\"count\":" + std::to_string(event.count) + ",\"lastTimestamp\":\"" +
         base::Rfc3339(event.last) + "\",\"message\":" + Quoted(event.message) + "}";
}

// The server may take it later; everything else it says is for good.
bool WorthTrying(const absl::Status& status) {
  auto error = ErrorOf(status);
  return !error || error->code == 401 || error->code == 429 || error->code == 503 ||
         error->code == 504;
}

}  // namespace

EventTarget NodeTarget(const std::string& node_name, const std::string& uid) {
  EventTarget target;
  target.kind = "Node";
  target.name = node_name;
  target.uid = uid;
  return target;
}

struct EventRecorder::State {
  State(Deps d, Options o)
      : deps(std::move(d)),
        options(std::move(o)),
        wake(deps.executor, deps.clock),
        drained(deps.executor, deps.clock) {
    if (!deps.random) deps.random = OwnRandom();
    if (deps.metrics != nullptr) {
      dropped_total = &deps.metrics
                           ->AddCounter("kubelet_events_dropped_total",
                                        "Events that were not sent: the queue was full, or the API "
                                        "server did not take them")
                           .Only();
    }
  }
  void Drop() {
    ++dropped;
    if (dropped_total != nullptr) dropped_total->Add();
  }
  MessagePtr Body(const RecordedEvent& event) const;
  base::Task<absl::Status> SendOnce(const RecordedEvent& event);
  static base::Task<void> Send(std::shared_ptr<State> self, RecordedEvent event);
  static base::Task<void> Run(std::shared_ptr<State> self);

  Deps deps;
  Options options;
  base::WakeEvent wake, drained;
  std::deque<RecordedEvent> queue;
  bool busy = false;
  EventCorrelator correlator;
  int64_t last_nanos = 0;
  uint64_t dropped = 0;
  base::Counter* dropped_total = nullptr;
};

MessagePtr EventRecorder::State::Body(const RecordedEvent& event) const {
  auto body = std::make_shared<core::Event>();
  const auto& target = event.target;
  body->mutable_metadata()->set_name(event.name);
  body->mutable_metadata()->set_namespace_(target.namespace_.empty() ? "default"
                                                                     : target.namespace_);
  body->mutable_metadata()->mutable_annotations()->insert(event.annotations.begin(),
                                                          event.annotations.end());
  auto& object = *body->mutable_involved_object();
  object.set_kind(target.kind);
  object.set_api_version(target.api_version);
  object.set_name(target.name);
  if (!target.namespace_.empty()) object.set_namespace_(target.namespace_);
  if (!target.uid.empty()) object.set_uid(target.uid);
  if (!target.resource_version.empty()) object.set_resource_version(target.resource_version);
  if (!target.field_path.empty()) object.set_field_path(target.field_path);
  body->set_reason(event.reason);
  body->set_message(event.message);
  body->set_type(TypeName(event.type));
  body->set_count(event.count);
  *body->mutable_first_timestamp() = api::ToTime(event.first);
  *body->mutable_last_timestamp() = api::ToTime(event.last);
  body->mutable_source()->set_component(options.component);
  body->mutable_source()->set_host(options.host);
  body->set_reporting_component(options.component);
  body->set_reporting_instance(options.host);
  return body;
}

// An event that is counted on may have expired on the server: then it is made again.
base::Task<absl::Status> EventRecorder::State::SendOnce(const RecordedEvent& event) {
  Call call;
  call.path.resource = kEvents;
  call.path.namespace_ = event.target.namespace_.empty() ? "default" : event.target.namespace_;
  call.lane = Lane::kEvents;
  if (event.count > 1) {
    Call patch = call;
    patch.verb = Call::Verb::kPatch;
    patch.path.name = event.name;
    patch.patch = PatchOf(event);
    absl::Status status = co_await deps.api->Do(std::move(patch), nullptr);
    if (status.code() != absl::StatusCode::kNotFound) co_return status;
  }
  call.verb = Call::Verb::kCreate;
  call.body = Body(event);
  co_return co_await deps.api->Do(std::move(call), nullptr);
}

base::Task<void> EventRecorder::State::Send(std::shared_ptr<State> self, RecordedEvent event) {
  for (int tries = 1;; ++tries) {
    absl::Status status = co_await self->SendOnce(event);
    // There already: an earlier try arrived, and only its answer did not.
    if (status.ok() || status.code() == absl::StatusCode::kAlreadyExists) co_return;
    if (!WorthTrying(status) || tries >= self->options.tries) {
      LOG_WARNING("Event was not recorded", "object",
                  event.target.namespace_ + "/" + event.target.name, "reason", event.reason, "err",
                  status);
      self->Drop();
      co_return;
    }
    base::Nanos delay = self->options.retry;
    if (tries == 1) {
      delay = base::Nanos(static_cast<int64_t>(delay.count() * self->deps.random()));
    }
    co_await base::SleepFor(self->deps.clock, delay);
  }
}

base::Task<void> EventRecorder::State::Run(std::shared_ptr<State> self) {
  for (;;) {
    while (!self->queue.empty()) {
      RecordedEvent next = std::move(self->queue.front());
      self->queue.pop_front();
      auto event = self->correlator.Correlate(std::move(next), self->deps.clock.Now());
      if (!event) continue;
      self->busy = true;
      co_await Send(self, *std::move(event));
      self->busy = false;
    }
    self->drained.Notify();
    co_await self->wake.Wait();
  }
}

EventRecorder::EventRecorder(Deps deps, Options options)
    : state_(std::make_shared<State>(std::move(deps), std::move(options))),
      tasks_(state_->deps.executor) {}
EventRecorder::~EventRecorder() = default;

void EventRecorder::Start() {
  if (state_->deps.api != nullptr) tasks_.Spawn("events", State::Run(state_));
}

base::Task<void> EventRecorder::Stop() { co_await tasks_.Stop(); }

base::Task<void> EventRecorder::Drain(base::Nanos timeout) {
  auto state = state_;
  base::MonoTime deadline = state->deps.clock.Mono() + timeout;
  while (state->busy || !state->queue.empty()) {
    bool notified = co_await state->drained.Wait(deadline);
    if (!notified) co_return;
  }
}

void EventRecorder::Event(EventTarget target, Type type, std::string reason, std::string message,
                          std::map<std::string, std::string> annotations) {
  State& state = *state_;
  LOG_V(3, "Event occurred", "object", target.namespace_ + "/" + target.name, "fieldPath",
        target.field_path, "kind", target.kind, "apiVersion", target.api_version, "type",
        TypeName(type), "reason", reason, "message", message);
  if (state.deps.api == nullptr) return;
  if (state.queue.size() >= state.options.queue) {
    state.queue.pop_front();
    state.Drop();
  }
  RecordedEvent event;
  event.first = event.last = state.deps.clock.Now();
  // Two events of one moment are two.
  state.last_nanos = std::max(base::UnixNanos(event.last), state.last_nanos + 1);
  event.name = EventName(target.name, base::WallFromUnixNanos(state.last_nanos));
  event.target = std::move(target);
  event.type = type;
  event.reason = std::move(reason);
  event.message = std::move(message);
  event.annotations = std::move(annotations);
  state.queue.push_back(std::move(event));
  state.wake.Notify();
}

size_t EventRecorder::queued() const { return state_->queue.size() + (state_->busy ? 1 : 0); }
uint64_t EventRecorder::dropped() const { return state_->dropped; }

}  // namespace kubelet::client
