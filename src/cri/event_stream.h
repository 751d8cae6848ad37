// The stream of container events: read on the queue's thread, delivered on the core loop.
//
// Between the two stands a table of at most `max_pods` pods, each with its latest event. While it
// is full no read is started, so HTTP/2 flow control holds the runtime back.
#pragma once

#include <grpcpp/support/async_stream.h>

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "cri/core.h"
#include "kubelet/base/promise.h"
#include "kubelet/runtime/model.h"

namespace kubelet::cri {

// Events that wait, one per pod, in the order of their first arrival. Not thread safe.
class PendingEvents {
 public:
  explicit PendingEvents(size_t max_pods) : max_pods_(max_pods) {}
  // The key is the pod's uid, or the container's id when the runtime names no pod.
  void Add(runtime::RuntimeEvent event);
  bool Full() const { return order_.size() >= max_pods_; }
  bool Empty() const { return order_.empty(); }
  std::vector<runtime::RuntimeEvent> Take();

 private:
  size_t max_pods_;
  std::deque<std::string> order_;
  std::unordered_map<std::string, runtime::RuntimeEvent> latest_;
};

class EventStream final : public InFlight, public std::enable_shared_from_this<EventStream> {
 public:
  struct Handlers {
    std::function<void()> on_open;
    std::function<void(const runtime::RuntimeEvent&)> on_event;
  };
  EventStream(CriConnection::Core* core, Handlers handlers, size_t max_pods);

  // Core loop. The stream lives until its end by itself; `finished` gets the runtime's status after
  // the last event.
  void Start(base::Promise<absl::Status> finished);
  void MarkOpen();
  // No handler is called from now on. May be called by a handler.
  void Silence() { silent_ = true; }
  void Cancel() override;

 private:
  void OnStarted(bool ok);
  void OnRead(bool ok);
  void OnFinished(bool ok);
  void Finish();
  void Read() { reader_->Read(&response_, read_.Give()); }
  void PostDrain();
  void Drain();

  CriConnection::Core* const core_;  // good until OnFinished
  grpc::ClientContext context_;
  v1::GetEventsRequest request_;
  v1::ContainerEventResponse response_;
  grpc::Status status_;
  std::unique_ptr<grpc::ClientAsyncReader<v1::ContainerEventResponse>> reader_;
  Step<EventStream> started_{this, &EventStream::OnStarted};
  Step<EventStream> read_{this, &EventStream::OnRead};
  Step<EventStream> end_{this, &EventStream::OnFinished};
  std::unique_ptr<base::Promise<absl::Status>> finished_;

  // Core loop only.
  Handlers handlers_;
  bool open_ = false;
  bool silent_ = false;

  std::mutex mutex_;
  PendingEvents pending_;
  bool drain_posted_ = false;
  bool read_parked_ = false;  // the table is full: no read is outstanding
  bool cancelled_ = false;    // read on until the end, keep nothing
};

}  // namespace kubelet::cri
