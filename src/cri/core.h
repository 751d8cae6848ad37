// gRPC's side of a CriConnection: channels, stubs and the register of what is in flight.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#ifdef KUBELET_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "cri/runtime/v1/api.grpc.pb.h"
#include "kubelet/cri/connection.h"

namespace kubelet::cri {

namespace v1 = ::runtime::v1;

// 1:1 by number: both enumerations are google.rpc.Code. The message is kept; an OK drops it.
absl::Status ToAbsl(const grpc::Status& status);

// Something gRPC has not finished with. Cancel may be called from any thread, also after the end.
class InFlight {
 public:
  virtual ~InFlight() = default;
  virtual void Cancel() = 0;
};

// A step of a call that gRPC has finished: what it tells through the completion queue.
class Completion {
 public:
  virtual ~Completion() = default;
  // On the queue's thread; posts to the core loop and does nothing more.
  virtual void Complete(bool ok) = 0;

  // What gRPC is asked to hand to the queue's thread; what that thread was handed. gRPC orders the
  // two, out of ThreadSanitizer's sight (the distribution's library is built without it).
  void* Give() {
#ifdef KUBELET_TSAN
    __tsan_release(this);
#endif
    return this;
  }
  static Completion& Take(void* tag) {
#ifdef KUBELET_TSAN
    __tsan_acquire(tag);
#endif
    return *static_cast<Completion*>(tag);
  }
};

// A completion that is told to a member of who waits for it.
template <typename Owner>
class Step final : public Completion {
 public:
  Step(Owner* owner, void (Owner::*done)(bool)) : owner_(owner), done_(done) {}
  void Complete(bool ok) override { (owner_->*done_)(ok); }

 private:
  Owner* owner_;
  void (Owner::*done_)(bool);
};

// One completion queue with one thread that sleeps in the kernel until something happened. gRPC's
// own callback threads (1.51: two at least) look around several times a second instead.
struct CriConnection::Core {
  Core(base::Executor e, base::Clock& c, Options o);
  ~Core();

  base::Executor executor;
  base::Clock& clock;
  Options options;
  std::unique_ptr<v1::RuntimeService::Stub> runtime;
  std::unique_ptr<v1::ImageService::Stub> images;
  grpc::CompletionQueue queue;
  // Whether lists are asked for in parts, of each service: as the options say, until it answers
  // that it cannot. Core loop only.
  bool runtime_streams_lists = false, images_streams_lists = false;

  // Thread safe. The last completion of a call does nothing after Remove, and until then holds the
  // call through this register only: what it kept longer would keep the channel beyond its owner.
  // False once the connection is being destroyed: the call must not start.
  bool Add(std::shared_ptr<InFlight> call);
  void Remove(InFlight* call);
  void CancelAllAndWait();
  size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable empty_;
  std::map<InFlight*, std::shared_ptr<InFlight>> calls_;
  bool closed_ = false;
  std::thread thread_;
};

}  // namespace kubelet::cri
