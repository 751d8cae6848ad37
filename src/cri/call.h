// One unary call as a task. Include from the sources of the two ports only.
#pragma once

#include <grpcpp/support/async_unary_call.h>

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "cri/core.h"
#include "kubelet/base/promise.h"

namespace kubelet::cri {

// What gRPC needs until its final completion, in one allocation that the connection's register
// holds until then.
template <typename Request, typename Response>
struct UnaryCall : InFlight, Completion {
  void Cancel() override { context.TryCancel(); }
  void Complete(bool) override {
    {
      auto last = std::move(*promise);  // gone before Remove, after which even the executor may be
      promise.reset();
      last.Set(ToAbsl(result));
    }
    owner->Remove(this);
  }
  grpc::ClientContext context;
  Request request;
  Response response;
  grpc::Status result;
  std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> reader;
  std::optional<base::Promise<absl::Status>> promise;
  CriConnection::Core* owner = nullptr;
};

template <typename Request, typename Response>
std::shared_ptr<UnaryCall<Request, Response>> NewCall() {
  return std::make_shared<UnaryCall<Request, Response>>();
}

// Monotonic, so that a step of the wall clock neither ends a call nor lets it hang.
void SetTimeout(grpc::ClientContext& context, std::optional<base::Nanos> timeout);

// Asks for the end of a call when the task that waits for it goes away without waiting.
class CancelUnlessDone {
 public:
  explicit CancelUnlessDone(std::shared_ptr<InFlight> call) : call_(std::move(call)) {}
  ~CancelUnlessDone() {
    if (call_) call_->Cancel();
  }
  void Done() { call_.reset(); }

 private:
  std::shared_ptr<InFlight> call_;
};

template <typename Stub, typename Request, typename Response>
using Method = std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> (Stub::*)(
    grpc::ClientContext*, const Request&, grpc::CompletionQueue*);

// Starts `call` and returns its status once gRPC is through with it; the answer stands in
// call->response.
template <typename Stub, typename Request, typename Response>
base::Task<absl::Status> Invoke(std::shared_ptr<CriConnection::Core> core, const char* operation,
                                Stub* stub,
                                std::type_identity_t<Method<Stub, Request, Response>> method,
                                std::shared_ptr<UnaryCall<Request, Response>> call,
                                std::optional<base::Nanos> timeout) {
  base::Promise<absl::Status> promise(core->executor);
  std::weak_ptr<InFlight> weak = call;
  promise.OnCancel([weak] {
    if (auto c = weak.lock()) c->Cancel();
  });
  SetTimeout(call->context, timeout);
  auto started = core->clock.Mono();
  if (!core->Add(call)) co_return absl::CancelledError("the connection to the runtime is closed");
  call->owner = core.get();
  call->promise.emplace(promise);
  call->reader = (stub->*method)(&call->context, call->request, &core->queue);
  call->reader->StartCall();
  // The address that the queue hands back has to be the Completion's.
  call->reader->Finish(&call->response, &call->result, static_cast<Completion*>(call.get()));
  CancelUnlessDone guard(call);
  absl::Status status = co_await promise.Get();
  guard.Done();
  if (core->options.observer)
    core->options.observer(operation, core->clock.Mono() - started, status);
  co_return status;
}

}  // namespace kubelet::cri
