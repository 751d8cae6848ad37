#include "runtime/hooks.h"

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "runtime/pod_text.h"

namespace kubelet::runtime {

using base::Task;

namespace {

constexpr int kMaxPort = 65535;

std::string Quoted(const std::string& text) { return "\"" + absl::CEscape(text) + "\""; }

// `what` is the beginning of upstream's message: `Exec lifecycle hook ([sh -c x])`.
absl::Status Failure(const Hook& hook, const std::string& what, const std::string& why) {
  return absl::UnknownError(what + " for Container " + Quoted(hook.container->name()) + " in Pod " +
                            Quoted(PodText(*hook.pod)) + " failed - error: " + why);
}

absl::StatusOr<int> ResolvePort(const api::core::Container& container, const api::core::HTTPGetAction& action) {
  int port = action.port().int_val();
  if (action.port().type() == 1) {
    const std::string& name = action.port().str_val();
    port = 0;
    for (const auto& p : container.ports()) {
      if (p.name() == name) port = p.container_port();
    }
    if (port == 0 && !absl::SimpleAtoi(name, &port)) {
      return absl::InvalidArgumentError("couldn't find port: " + name);
    }
  }
  if (port < 1 || port > kMaxPort) return absl::InvalidArgumentError("invalid port number: " + std::to_string(port));
  return port;
}

// As Go prints a handler with nothing in it but a tcpSocket.
std::string HandlerText(const api::core::LifecycleHandler& handler) {
  std::string socket = "nil";
  if (handler.has_tcp_socket()) {
    const auto& port = handler.tcp_socket().port();
    socket = "&TCPSocketAction{Port:{" + std::to_string(port.type()) + " " + std::to_string(port.int_val()) + " " +
             port.str_val() + "},Host:" + handler.tcp_socket().host() + ",}";
  }
  return "&LifecycleHandler{Exec:nil,HTTPGet:nil,TCPSocket:" + socket + ",Sleep:nil,}";
}

}  // namespace

absl::StatusOr<HookHttpRequest> MakeHookRequest(const Hook& hook, const std::vector<std::string>& host_ips) {
  const auto& action = hook.handler.http_get();
  HookHttpRequest request;
  request.https = action.scheme() == "HTTPS";
  request.host = action.host();
  if (request.host.empty()) {
    const auto& ips = hook.pod_ips.empty() && hook.pod->spec().host_network() ? host_ips : hook.pod_ips;
    if (ips.empty())
      return absl::FailedPreconditionError("failed to find networking container: the pod has no address");
    request.host = ips.front();
  }
  ASSIGN_OR_RETURN(request.port, ResolvePort(*hook.container, action));
  request.path = action.path();
  if (request.path.empty() || request.path.front() != '/') request.path.insert(0, "/");
  for (const auto& header : action.http_headers()) request.headers.emplace_back(header.name(), header.value());
  return request;
}

HookRunner::HookRunner(Deps deps) : deps_(std::move(deps)) {
  if (deps_.metrics == nullptr) return;
  sleeps_cut_ =
      &deps_.metrics->AddCounter("kubelet_sleep_action_terminated_early_total",
                                 "The number of times lifecycle sleep handler got terminated before it finishes");
  fallbacks_ =
      &deps_.metrics->AddCounter("kubelet_lifecycle_handler_http_fallbacks_total",
                                 "The number of times lifecycle handlers successfully fell back to http from https.");
}

Task<absl::Status> HookRunner::Run(Hook hook) {
  if (hook.handler.has_exec()) co_return co_await Exec(std::move(hook));
  if (hook.handler.has_http_get()) co_return co_await HttpGet(std::move(hook));
  if (hook.handler.has_sleep()) co_return co_await Sleep(std::move(hook));
  co_return absl::InvalidArgumentError("Cannot run handler: invalid handler: " + HandlerText(hook.handler));
}

Task<absl::Status> HookRunner::Exec(Hook hook) {
  const auto& words = hook.handler.exec().command();
  std::vector<std::string> command(words.begin(), words.end());
  const std::string joined = absl::StrJoin(command, " ");
  const std::string what = "Exec lifecycle hook ([" + joined + "])";
  auto result = co_await deps_.runtime.ExecSync(hook.id, std::move(command), std::chrono::seconds(0));
  if (!result.ok()) co_return Failure(hook, what, base::Message(result.status()) + ", message: \"\"");
  if (result->exit_code == 0) co_return absl::OkStatus();
  co_return Failure(hook, what,
                    "command '" + joined + "' exited with " + std::to_string(result->exit_code) + ": " +
                        result->stderr_data + ", message: " + Quoted(result->stdout_data + result->stderr_data));
}

Task<absl::Status> HookRunner::HttpGet(Hook hook) {
  const std::string what = "HTTP lifecycle hook (" + hook.handler.http_get().path() + ")";
  auto request = MakeHookRequest(hook, deps_.node.host_ips);
  if (!request.ok()) co_return Failure(hook, what, base::Message(request.status()));
  if (deps_.http == nullptr) co_return Failure(hook, what, "httpGet hooks are not available");
  const std::string where = request->host + ":" + std::to_string(request->port);
  bool fell_back = false;
  absl::Status status = co_await deps_.http->Get(*std::move(request), &fell_back);
  if (!status.ok()) co_return Failure(hook, what, base::Message(status));
  if (!fell_back) co_return status;
  if (fallbacks_ != nullptr) fallbacks_->Only().Add();
  if (deps_.on_event) {
    PodEvent event;
    event.warning = true;
    event.reason = "LifecycleHTTPFallback";
    event.message = "request to HTTPS lifecycle hook " + where + " got HTTP response, retry with HTTP succeeded";
    deps_.on_event(*hook.pod, event);
  }
  co_return status;
}

Task<absl::Status> HookRunner::Sleep(Hook hook) {
  struct Cut {
    base::Family<base::Counter>* counter;
    bool slept = false;
    ~Cut() {
      if (!slept && counter != nullptr) counter->Only().Add();
    }
  };
  Cut cut{sleeps_cut_};
  co_await base::SleepFor(deps_.clock, std::chrono::seconds(hook.handler.sleep().seconds()));
  cut.slept = true;
  co_return absl::OkStatus();
}

}  // namespace kubelet::runtime
