// One unary call on the server: log entry, gate, delay, fault, work, answer; and the client's
// cancel at any time.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "fakes/cri_server_control.h"
#include "fakes/cri_server_timers.h"

namespace kubelet::fakes {

using Done = std::function<void(grpc::Status)>;

// The gRPC object of a call. Finishes once: with an answer, or when the client has gone.
class CallReactor final : public grpc::ServerUnaryReactor {
 public:
  class Handle {
   public:
    explicit Handle(CallReactor* reactor) : reactor_(reactor) {}
    bool alive() const {
      std::lock_guard lock(mutex_);
      return reactor_ != nullptr;
    }
    // `publish` copies the answer out while gRPC's response object is still there.
    bool Finish(const grpc::Status& status, const std::function<void()>& publish = nullptr) {
      CallReactor* reactor;
      {
        std::lock_guard lock(mutex_);
        if (reactor_ == nullptr) return false;
        reactor = std::exchange(reactor_, nullptr);
      }
      if (publish) publish();
      reactor->Finish(status);
      return true;
    }

   private:
    mutable std::mutex mutex_;
    CallReactor* reactor_;
  };

  CallReactor() : handle_(std::make_shared<Handle>(this)) {}
  const std::shared_ptr<Handle>& handle() const { return handle_; }
  std::function<void()> on_cancel;

 private:
  void OnCancel() override {
    if (handle_->Finish(grpc::Status::CANCELLED) && on_cancel) on_cancel();
  }
  void OnDone() override { delete this; }
  std::shared_ptr<Handle> handle_;
};

// Sends `parts` one by one, then `end`.
template <typename Part>
class PartsReactor final : public grpc::ServerWriteReactor<Part> {
 public:
  PartsReactor(std::vector<Part> parts, grpc::Status end)
      : parts_(std::move(parts)), end_(std::move(end)) {
    Next();
  }

 private:
  void OnWriteDone(bool ok) override { ok ? Next() : this->Finish(grpc::Status::CANCELLED); }
  void OnDone() override { delete this; }
  void Next() {
    if (sent_ == parts_.size()) return this->Finish(end_);
    this->StartWrite(&parts_[sent_++]);
  }
  std::vector<Part> parts_;
  size_t sent_ = 0;
  grpc::Status end_;
};

struct CallContext {
  Control& control;
  Timers& timers;
};

// What the client allows the call, nullopt without a deadline.
std::optional<Nanos> TimeoutOf(const grpc::CallbackServerContext& context);

// Takes a call from its log entry to its answer. `work` writes into the response it is given and
// calls Done.
template <typename Request, typename Response>
grpc::ServerUnaryReactor* Serve(CallContext env, grpc::CallbackServerContext* context,
                                const std::string& method, const Subject& subject,
                                const Request* request, Response* response,
                                std::function<void(const Request&, Response*, Done)> work) {
  auto* reactor = new CallReactor;
  auto handle = reactor->handle();
  size_t index =
      env.control.Began(method, subject, TimeoutOf(*context), request->SerializeAsString());
  reactor->on_cancel = [env, index] { env.control.Finished(index, kFakeCancelled); };
  // Copies: the client may cancel, and gRPC take its objects back, while the work goes on.
  auto input = std::make_shared<Request>(*request);
  auto output = std::make_shared<Response>();
  auto fault = env.control.TakeFault(method, subject);

  auto answer = [env, handle, index, output, response, fault](grpc::Status status) {
    if (fault && fault->kind == FaultKind::kHang) return;
    if (fault && fault->kind == FaultKind::kLoseResponse) {
      status = {static_cast<grpc::StatusCode>(fault->code), fault->message};
    }
    // Logged before it is sent: who has the answer finds it in the log.
    if (handle->alive()) env.control.Finished(index, status.error_code());
    handle->Finish(status, [output, response] { response->Swap(output.get()); });
  };
  auto run = [handle, input, output, work, answer, fault] {
    if (!handle->alive()) return;
    if (fault && fault->kind == FaultKind::kFail) {
      answer({static_cast<grpc::StatusCode>(fault->code), fault->message});
      return;
    }
    work(*input, output.get(), answer);
  };
  Nanos delay = env.control.Delay(method) + (fault ? fault->delay : Nanos(0));
  auto proceed = [env, run, delay] {
    if (delay.count() == 0) return run();
    env.timers.After(delay, run);
  };
  if (!env.control.Held(method, subject, proceed, [handle] { return handle->alive(); })) proceed();
  return reactor;
}

}  // namespace kubelet::fakes
