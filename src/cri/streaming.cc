// The calls around commands inside containers, and the event stream.
#include "cri/call.h"
#include "cri/convert.h"
#include "cri/event_stream.h"
#include "kubelet/cri/container_runtime.h"

namespace kubelet::cri {
namespace {

using Stub = v1::RuntimeService::Stub;

template <typename Request>
void Fill(const runtime::ContainerRuntime::StreamOptions& options, Request& request) {
  request.set_stdin(options.stdin_open);
  request.set_stdout(options.stdout_open);
  // A terminal has one output only, and runtimes refuse to be asked for two.
  request.set_stderr(options.stderr_open && !options.tty);
  request.set_tty(options.tty);
}

// Ends a stream whose task ends, in whatever way.
class StreamGuard {
 public:
  StreamGuard(base::Clock& clock, std::shared_ptr<EventStream> stream)
      : clock_(clock), stream_(std::move(stream)) {
    std::weak_ptr<EventStream> weak = stream_;
    timer_ = clock_.After(GrpcContainerRuntime::kStreamOpenAfter, [weak] {
      if (auto s = weak.lock()) s->MarkOpen();
    });
  }
  ~StreamGuard() {
    clock_.Cancel(timer_);
    stream_->Silence();
    stream_->Cancel();
  }
  StreamGuard(const StreamGuard&) = delete;
  StreamGuard& operator=(const StreamGuard&) = delete;

 private:
  base::Clock& clock_;
  std::shared_ptr<EventStream> stream_;
  base::Clock::TimerId timer_;
};

}  // namespace

base::Task<absl::StatusOr<runtime::ExecResult>> GrpcContainerRuntime::ExecSync(
    runtime::ContainerId id, std::vector<std::string> command, std::chrono::seconds timeout) {
  auto call = NewCall<v1::ExecSyncRequest, v1::ExecSyncResponse>();
  call->request.set_container_id(id.str());
  call->request.mutable_cmd()->Assign(command.begin(), command.end());
  call->request.set_timeout(timeout.count());
  std::optional<base::Nanos> limit;
  if (timeout.count() != 0) limit = core_->options.request_timeout + timeout;
  absl::Status status = co_await Invoke(core_, "exec_sync", core_->runtime.get(),
                                        &Stub::PrepareAsyncExecSync, call, limit);
  if (!status.ok()) co_return status;
  runtime::ExecResult result;
  result.stdout_data = std::move(*call->response.mutable_stdout());
  result.stderr_data = std::move(*call->response.mutable_stderr());
  result.exit_code = call->response.exit_code();
  co_return result;
}

base::Task<absl::StatusOr<std::string>> GrpcContainerRuntime::ExecUrl(
    runtime::ContainerId id, std::vector<std::string> command, StreamOptions options) {
  auto call = NewCall<v1::ExecRequest, v1::ExecResponse>();
  call->request.set_container_id(id.str());
  call->request.mutable_cmd()->Assign(command.begin(), command.end());
  Fill(options, call->request);
  absl::Status status =
      co_await Invoke(core_, "exec", core_->runtime.get(), &Stub::PrepareAsyncExec, call,
                      core_->options.request_timeout);
  if (!status.ok()) co_return status;
  if (call->response.url().empty())
    co_return absl::InternalError("Exec: the runtime's answer has no URL");
  co_return call->response.url();
}

base::Task<absl::StatusOr<std::string>> GrpcContainerRuntime::AttachUrl(runtime::ContainerId id,
                                                                        StreamOptions options) {
  auto call = NewCall<v1::AttachRequest, v1::AttachResponse>();
  call->request.set_container_id(id.str());
  Fill(options, call->request);
  absl::Status status =
      co_await Invoke(core_, "attach", core_->runtime.get(), &Stub::PrepareAsyncAttach, call,
                      core_->options.request_timeout);
  if (!status.ok()) co_return status;
  if (call->response.url().empty())
    co_return absl::InternalError("Attach: the runtime's answer has no URL");
  co_return call->response.url();
}

base::Task<absl::StatusOr<std::string>> GrpcContainerRuntime::PortForwardUrl(
    runtime::SandboxId id, std::vector<int32_t> ports) {
  auto call = NewCall<v1::PortForwardRequest, v1::PortForwardResponse>();
  call->request.set_pod_sandbox_id(id.str());
  call->request.mutable_port()->Assign(ports.begin(), ports.end());
  absl::Status status =
      co_await Invoke(core_, "port_forward", core_->runtime.get(), &Stub::PrepareAsyncPortForward,
                      call, core_->options.request_timeout);
  if (!status.ok()) co_return status;
  if (call->response.url().empty())
    co_return absl::InternalError("PortForward: the runtime's answer has no URL");
  co_return call->response.url();
}

base::Task<absl::Status> GrpcContainerRuntime::StreamEvents(
    std::function<void()> on_open, std::function<void(const runtime::RuntimeEvent&)> on_event) {
  EventStream::Handlers handlers;
  handlers.on_open = std::move(on_open);
  handlers.on_event = std::move(on_event);
  auto stream = std::make_shared<EventStream>(core_.get(), std::move(handlers), kMaxPendingPods);
  base::Promise<absl::Status> finished(core_->executor);
  std::weak_ptr<EventStream> weak = stream;
  finished.OnCancel([weak] {
    auto s = weak.lock();
    if (!s) return;
    s->Silence();
    s->Cancel();
  });
  stream->Start(finished);
  StreamGuard guard(core_->clock, stream);
  absl::Status status = co_await finished.Get();
  co_return status;
}

}  // namespace kubelet::cri
