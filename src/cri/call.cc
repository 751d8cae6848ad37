#include "cri/call.h"

namespace kubelet::cri {
namespace {

void SetTimeout(grpc::ClientContext& context, std::optional<base::Nanos> timeout) {
  if (!timeout) return;
  context.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                    gpr_time_from_nanos(timeout->count(), GPR_TIMESPAN)));
}

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

}  // namespace

void Call::Begin(CriConnection::Core* core, base::Promise<absl::Status> end) {
  core_ = core;
  promise_.emplace(std::move(end));
  Start(&core->queue);
}

void Call::End() {
  {
    auto last = std::move(*promise_);  // gone before Remove, after which even the executor may be
    promise_.reset();
    last.Set(ToAbsl(result_));
  }
  core_->Remove(this);
}

absl::Status Incomplete(const char* call, const char* what) {
  return absl::InternalError(std::string(call) + ": the runtime's answer has no " + what);
}

base::Task<absl::Status> Run(std::shared_ptr<CriConnection::Core> core, const char* operation,
                             std::shared_ptr<Call> call, std::optional<base::Nanos> timeout) {
  base::Promise<absl::Status> promise(core->executor);
  std::weak_ptr<InFlight> weak = call;
  promise.OnCancel([weak] {
    if (auto c = weak.lock()) c->Cancel();
  });
  SetTimeout(call->context, timeout);
  auto started = core->clock.Mono();
  if (!core->Add(call)) co_return absl::CancelledError("the connection to the runtime is closed");
  call->Begin(core.get(), promise);
  CancelUnlessDone guard(call);
  absl::Status status = co_await promise.Get();
  guard.Done();
  if (core->options.observer)
    core->options.observer(operation, core->clock.Mono() - started, status);
  co_return status;
}

}  // namespace kubelet::cri
