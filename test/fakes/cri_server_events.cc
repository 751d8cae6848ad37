#include "fakes/cri_server_events.h"

namespace kubelet::fakes {

// Writes one event after another. All of its state is under its mutex; gRPC is called with it held,
// which is safe as reactions come from other threads or later.
class EventHub::Stream final : public grpc::ServerWriteReactor<v1::ContainerEventResponse> {
 public:
  explicit Stream(EventHub& hub) : hub_(hub) {}

  void Push(const v1::ContainerEventResponse& event) {
    std::lock_guard lock(mutex_);
    if (finished_) return;
    queue_.push_back(event);
    if (queue_.size() == 1) StartWrite(&queue_.front());
  }
  void End(const grpc::Status& status) {
    std::lock_guard lock(mutex_);
    if (std::exchange(finished_, true)) return;
    Finish(status);
  }

 private:
  void OnWriteDone(bool ok) override {
    std::unique_lock lock(mutex_);
    queue_.pop_front();
    if (finished_) return;
    if (!ok) {
      finished_ = true;
      Finish(grpc::Status::CANCELLED);
    } else if (!queue_.empty()) {
      StartWrite(&queue_.front());
    }
  }
  void OnCancel() override { End(grpc::Status::CANCELLED); }
  void OnDone() override {
    hub_.Gone(this);
    delete this;
  }

  EventHub& hub_;
  std::mutex mutex_;
  std::deque<v1::ContainerEventResponse> queue_;
  bool finished_ = false;
};

grpc::ServerWriteReactor<v1::ContainerEventResponse>* EventHub::Open(const grpc::Status& refused) {
  auto* stream = new Stream(*this);
  std::lock_guard lock(mutex_);
  if (!refused.ok()) {
    stream->End(refused);
    return stream;
  }
  streams_.insert(stream);
  return stream;
}

void EventHub::Gone(Stream* stream) {
  std::lock_guard lock(mutex_);
  streams_.erase(stream);
}

void EventHub::Send(const v1::ContainerEventResponse& event) {
  int copies = policy_.duplicate ? 2 : 1;
  for (auto* stream : streams_) {
    for (int i = 0; i < copies; ++i) stream->Push(event);
  }
}

void EventHub::Publish(const v1::ContainerEventResponse& event) {
  std::lock_guard lock(mutex_);
  if (policy_.drop_all) return;
  if (policy_.drop_next > 0) {
    --policy_.drop_next;
    return;
  }
  std::vector<v1::ContainerEventResponse> batch{event};
  if (policy_.reorder > 0) {
    collected_.push_back(event);
    if (static_cast<int>(collected_.size()) < policy_.reorder) return;
    batch.assign(collected_.rbegin(), collected_.rend());
    collected_.clear();
  }
  if (policy_.delay.count() == 0) {
    for (const auto& item : batch) Send(item);
    return;
  }
  timers_.After(policy_.delay, [this, batch] {
    std::lock_guard relock(mutex_);
    for (const auto& item : batch) Send(item);
  });
}

void EventHub::SetPolicy(EventPolicy policy) {
  std::lock_guard lock(mutex_);
  policy_ = policy;
  // What was held back for reordering goes out late, last first.
  for (auto it = collected_.rbegin(); it != collected_.rend(); ++it) Send(*it);
  collected_.clear();
}

void EventHub::Break(const grpc::Status& status) {
  std::lock_guard lock(mutex_);
  for (auto* stream : streams_) stream->End(status);
}

size_t EventHub::streams() const {
  std::lock_guard lock(mutex_);
  return streams_.size();
}

}  // namespace kubelet::fakes
