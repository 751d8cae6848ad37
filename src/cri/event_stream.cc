#include "cri/event_stream.h"

#include <boost/asio/post.hpp>

#include "cri/convert.h"

namespace kubelet::cri {

void PendingEvents::Add(runtime::RuntimeEvent event) {
  std::string key = event.pod_uid.empty() ? "container " + event.container_id : event.pod_uid;
  auto [it, inserted] = latest_.try_emplace(key);
  it->second = std::move(event);
  if (inserted) order_.push_back(std::move(key));
}

std::vector<runtime::RuntimeEvent> PendingEvents::Take() {
  std::vector<runtime::RuntimeEvent> events;
  events.reserve(order_.size());
  for (const auto& key : order_) events.push_back(std::move(latest_[key]));
  order_.clear();
  latest_.clear();
  return events;
}

EventStream::EventStream(CriConnection::Core* core, Handlers handlers, size_t max_pods)
    : core_(core), handlers_(std::move(handlers)), pending_(max_pods) {}

void EventStream::Start(base::Promise<absl::Status> finished) {
  finished_ = std::make_unique<base::Promise<absl::Status>>(std::move(finished));
  if (!core_->Add(shared_from_this())) {
    finished_->Set(absl::CancelledError("the connection to the runtime is closed"));
    return;
  }
  reader_ = core_->runtime->PrepareAsyncGetContainerEvents(&context_, request_, &core_->queue);
  reader_->StartCall(started_.Give());
}

void EventStream::MarkOpen() {
  if (open_ || silent_) return;
  open_ = true;
  if (handlers_.on_open) handlers_.on_open();
}

void EventStream::Cancel() {
  context_.TryCancel();
  bool resume;
  {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    resume = std::exchange(read_parked_, false);
  }
  // The end of a stream shows in a read only, and the core loop may be waiting for that end.
  if (resume) Read();
}

// Headers do not say that the stream is open: an answer that refuses it has some too.
void EventStream::OnStarted(bool ok) {
  if (!ok) return Finish();
  Read();
}

// Only ever with no read outstanding.
void EventStream::Finish() { reader_->Finish(&status_, end_.Give()); }

void EventStream::OnRead(bool ok) {
  if (!ok) return Finish();
  auto event = FromProto(response_);
  bool read_on;
  {
    std::lock_guard lock(mutex_);
    if (!cancelled_) pending_.Add(std::move(event));
    if (!drain_posted_ && !pending_.Empty()) {
      drain_posted_ = true;
      PostDrain();
    }
    read_on = cancelled_ || !pending_.Full();
    read_parked_ = !read_on;
  }
  if (read_on) Read();
}

void EventStream::OnFinished(bool) {
  // The last events first: posts of one thread run in order.
  PostDrain();
  finished_->Set(ToAbsl(status_));
  finished_.reset();
  core_->Remove(this);
}

void EventStream::PostDrain() {
  boost::asio::post(core_->executor, [self = shared_from_this()] { self->Drain(); });
}

void EventStream::Drain() {
  std::vector<runtime::RuntimeEvent> events;
  bool resume;
  {
    std::lock_guard lock(mutex_);
    drain_posted_ = false;
    events = pending_.Take();
    resume = std::exchange(read_parked_, false);
  }
  if (!events.empty()) MarkOpen();
  for (const auto& event : events) {
    if (!silent_ && handlers_.on_event) handlers_.on_event(event);
  }
  if (resume) Read();
}

}  // namespace kubelet::cri
