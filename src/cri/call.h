// Calls as tasks: of one answer, and of an answer in parts. Include from the sources of the ports
// only.
#pragma once

#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/async_unary_call.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "cri/core.h"
#include "kubelet/base/promise.h"

namespace kubelet::cri {

// What gRPC needs until its final completion, in one allocation that the connection's register
// holds until then.
class Call : public InFlight {
 public:
  void Cancel() override { context.TryCancel(); }
  // Once, on the core loop; `end` gets the call's status.
  void Begin(CriConnection::Core* core, base::Promise<absl::Status> end);

  grpc::ClientContext context;

 protected:
  virtual void Start(grpc::CompletionQueue* queue) = 0;
  // After the final completion, on the queue's thread. Nothing of this object is good afterwards.
  void End();
  grpc::Status result_;

 private:
  std::optional<base::Promise<absl::Status>> promise_;
  CriConnection::Core* core_ = nullptr;
};

// Begins `call` and returns its status once gRPC is through with it. Monotonic time, so that a step
// of the wall clock neither ends a call nor lets it hang; no timeout: no limit. The observer hears
// of `operation`.
base::Task<absl::Status> Run(std::shared_ptr<CriConnection::Core> core, const char* operation,
                             std::shared_ptr<Call> call, std::optional<base::Nanos> timeout);

// Internal: an OK without what was asked for.
absl::Status Incomplete(const char* call, const char* what);

template <typename Request, typename Response>
class UnaryCall final : public Call {
 public:
  using Reader = grpc::ClientAsyncResponseReader<Response>;
  Request request;
  Response response;
  std::function<std::unique_ptr<Reader>(grpc::CompletionQueue*)> prepare;

 private:
  void Start(grpc::CompletionQueue* queue) override {
    reader_ = prepare(queue);
    reader_->StartCall();
    reader_->Finish(&response, &result_, end_.Give());
  }
  void OnEnd(bool) { End(); }

  std::unique_ptr<Reader> reader_;
  Step<UnaryCall> end_{this, &UnaryCall::OnEnd};
};

// Reads what the runtime has to say to its end.
template <typename Request, typename Part>
class StreamCall final : public Call {
 public:
  using Reader = grpc::ClientAsyncReader<Part>;
  Request request;
  std::vector<Part> parts;  // those that came before the end, whatever its status
  std::function<std::unique_ptr<Reader>(grpc::CompletionQueue*)> prepare;

 private:
  void Start(grpc::CompletionQueue* queue) override {
    reader_ = prepare(queue);
    reader_->StartCall(started_.Give());
  }
  void OnStarted(bool ok) { ok ? Read() : Finish(); }
  void OnRead(bool ok) {
    if (ok) return Read();
    parts.pop_back();
    Finish();
  }
  void OnEnd(bool) { End(); }
  void Read() { reader_->Read(&parts.emplace_back(), read_.Give()); }
  void Finish() { reader_->Finish(&result_, end_.Give()); }

  std::unique_ptr<Reader> reader_;
  Step<StreamCall> started_{this, &StreamCall::OnStarted};
  Step<StreamCall> read_{this, &StreamCall::OnRead};
  Step<StreamCall> end_{this, &StreamCall::OnEnd};
};

template <typename Request, typename Response>
std::shared_ptr<UnaryCall<Request, Response>> NewCall() {
  return std::make_shared<UnaryCall<Request, Response>>();
}

template <typename Stub, typename Request, typename Reader>
using Method = std::unique_ptr<Reader> (Stub::*)(grpc::ClientContext*, const Request&,
                                                 grpc::CompletionQueue*);

// The answer stands in call->response, or call->parts, when the task is over.
template <typename Stub, template <typename, typename> class CallOf, typename Request,
          typename Answer>
base::Task<absl::Status> Invoke(
    std::shared_ptr<CriConnection::Core> core, const char* operation, Stub* stub,
    std::type_identity_t<Method<Stub, Request, typename CallOf<Request, Answer>::Reader>> method,
    std::shared_ptr<CallOf<Request, Answer>> call, std::optional<base::Nanos> timeout) {
  call->prepare = [stub, method, raw = call.get()](grpc::CompletionQueue* queue) {
    return (stub->*method)(&raw->context, raw->request, queue);
  };
  return Run(std::move(core), operation, std::move(call), timeout);
}

}  // namespace kubelet::cri
