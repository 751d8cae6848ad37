#include "kubelet/probe/network_prober.h"

#include "kubelet/base/status.h"
#include "probe/dialog.h"
#include "probe/grpc_call.h"
#include "probe/http_get.h"
#include "probe/lookup.h"

namespace kubelet::probe {

using base::Task;
using std::chrono::seconds;

namespace {

// As upstream: an error is tried again at once, and then the probe is left out (maxProbeRetries).
constexpr int kTries = 3;
constexpr size_t kOutputLimit = 10 * 1024;

std::string JoinHostPort(const std::string& host, uint16_t port) {
  return Url{false, host, port, ""}.Authority();
}

std::string Joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

Outcome Failed(std::string message) { return {Result::kFailure, std::move(message)}; }
Outcome Unknown(std::string message) { return {Result::kUnknown, std::move(message)}; }

}  // namespace

NetworkProber::NetworkProber(Deps deps, Options options)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      names_(deps_.executor, deps_.clock, deps_.pool, options_.names),
      execs_(deps_.executor, deps_.clock, options_.parallel_execs),
      scope_(deps_.executor) {}
NetworkProber::~NetworkProber() = default;

Task<Outcome> NetworkProber::Run(Action action, seconds timeout) {
  if (timeout < seconds(1)) timeout = seconds(1);
  if (auto* http = std::get_if<HttpAction>(&action)) return Http(std::move(*http), timeout);
  if (auto* tcp = std::get_if<TcpAction>(&action)) return Tcp(std::move(*tcp), timeout);
  if (auto* grpc = std::get_if<GrpcAction>(&action)) return Grpc(std::move(*grpc), timeout);
  return Exec(std::get<ExecAction>(std::move(action)), timeout);
}

Task<Outcome> NetworkProber::Http(HttpAction action, seconds timeout) {
  HttpDeps deps{deps_.executor, deps_.clock, names_};
  Url url{action.https, action.host, action.port, RequestTarget(action.path)};
  HttpAnswer answer;
  for (int i = 0; i < kTries; ++i) {
    answer = co_await HttpGet(deps, url, action.headers, options_.user_agent, timeout);
    if (answer.body_error.ok()) break;
  }
  if (!answer.error.ok()) co_return Failed(base::Message(answer.error));
  // An error of the probe itself, says upstream: nobody knows what the whole answer was.
  if (!answer.body_error.ok()) co_return Unknown(base::Message(answer.body_error));
  if (answer.status < 200 || answer.status >= 400) {
    // Not the body: it may tell what the reader of an event must not know (kubernetes issue 99425).
    co_return Failed("HTTP probe failed with statuscode: " + std::to_string(answer.status));
  }
  Outcome outcome{Result::kSuccess, ""};
  if (answer.status >= 300) {
    outcome.result = Result::kWarning;
    outcome.message = "Probe terminated redirects, Response body: " + answer.body;
  }
  co_return outcome;
}

Task<Outcome> NetworkProber::Tcp(TcpAction action, seconds timeout) {
  auto endpoints = co_await Lookup(names_, action.host, action.port, timeout);
  if (!endpoints.ok()) co_return Failed(base::Message(endpoints.status()));
  Dialog dialog(deps_.executor, deps_.clock, timeout);
  auto status = co_await dialog.Connect(*std::move(endpoints));
  Outcome outcome{Result::kSuccess, ""};
  if (absl::IsDeadlineExceeded(status)) {
    outcome = Failed("dial tcp " + JoinHostPort(action.host, action.port) + ": i/o timeout");
  } else if (!status.ok()) {
    outcome = Failed(base::Message(status));
  }
  co_return outcome;
}

Task<Outcome> NetworkProber::Grpc(GrpcAction action, seconds timeout) {
  const std::string name = JoinHostPort(action.host, action.port);
  auto endpoints = co_await Lookup(names_, action.host, action.port, timeout);
  absl::Status status = endpoints.status();
  Dialog dialog(deps_.executor, deps_.clock, timeout);
  if (status.ok()) status = co_await dialog.Connect(*std::move(endpoints));
  if (absl::IsDeadlineExceeded(status)) {
    co_return Failed("timeout: failed to connect service \"" + name + "\" within " +
                     base::GoDuration(timeout) + ": context deadline exceeded");
  }
  if (!status.ok()) {
    co_return Failed("error: failed to connect service at \"" + name +
                     "\": " + base::Message(status));
  }
  GrpcHealthCall call(name, action.service, options_.user_agent, timeout);
  while (!call.done()) {
    status = co_await dialog.Send(call.Outgoing());
    if (!status.ok()) break;
    std::string bytes;
    auto got = co_await dialog.Receive(&bytes);
    status = got.status();
    if (got.ok() && *got == 0)
      status =
          absl::UnavailableError("connection error: desc = \"error reading server preface: EOF\"");
    if (status.ok()) status = call.Feed(bytes);
    if (!status.ok()) break;
  }
  if (call.done()) co_return call.GetOutcome();
  if (absl::IsDeadlineExceeded(status)) co_return GrpcHealthCall::TimedOut(timeout);
  co_return Failed("error: health rpc probe failed: rpc error: code = Unavailable desc = " +
                   base::Message(status));
}

Task<Outcome> NetworkProber::Exec(ExecAction action, seconds timeout) {
  auto granted = co_await execs_.Acquire();
  auto permit = std::make_shared<base::Semaphore::Permit>(std::move(granted));
  base::Clock& clock = deps_.clock;  // outlives a prober whose tasks are being cancelled
  auto timer = clock.After(options_.slow_exec, [permit] { permit->Release(); });
  auto* processes = deps_.processes;
  auto run = std::make_shared<ExecRun>();
  run->container = action.container;
  run->command = action.command;
  run->timeout = timeout;
  run->sent = clock.Mono();
  auto watch =
      clock.After(WatchAfter(timeout), [this, alive = std::weak_ptr<bool>(alive_), processes, run] {
        if (processes != nullptr && !alive.expired())
          scope_.Spawn("watch exec", WatchExec(*processes, deps_.clock, run));
      });
  absl::StatusOr<runtime::ExecResult> done = absl::UnknownError("not run");
  for (int i = 0; i < kTries && !done.ok() && !absl::IsDeadlineExceeded(done.status()); ++i) {
    done = co_await deps_.runtime.ExecSync(action.container, action.command, timeout);
  }
  clock.Cancel(timer);
  permit->Release();
  run->over = true;
  clock.Cancel(watch);
  if (absl::IsDeadlineExceeded(done.status())) {
    if (processes != nullptr) co_await EndLeftovers(*processes, run);
    co_return Failed("command timed out: \"" + Joined(action.command) + "\" timed out after " +
                     base::GoDuration(timeout));
  }
  Outcome outcome;
  if (!done.ok()) {
    outcome.message = base::Message(done.status());
    co_return outcome;
  }
  outcome.result = done->exit_code == 0 ? Result::kSuccess : Result::kFailure;
  outcome.message = (done->stdout_data + done->stderr_data).substr(0, kOutputLimit);
  co_return outcome;
}

namespace {

class Hooks : public runtime::HookHttp {
 public:
  Hooks(base::Executor executor, base::Clock& clock, Names& names)
      : deps_{std::move(executor), clock, names} {}

  Task<absl::Status> Get(runtime::HookHttpRequest request, bool* fell_back) override {
    static const std::string kAgent = "kube-lifecycle/1.36";
    *fell_back = false;
    Url url{request.https, request.host, static_cast<uint16_t>(request.port),
            RequestTarget(request.path)};
    auto answer = co_await HttpGet(deps_, url, request.headers, kAgent, base::Nanos(0));
    if (answer.error.ok() || !url.https || !answer.met_http) co_return answer.error;
    url.https = false;
    // What was meant for an encrypted connection does not go over a plain one.
    std::erase_if(request.headers, [](const auto& header) {
      std::string name = header.first;
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      return name == "authorization";
    });
    auto plain = co_await HttpGet(deps_, url, request.headers, kAgent, base::Nanos(0));
    *fell_back = plain.error.ok();
    if (*fell_back) co_return plain.error;
    co_return answer.error;
  }

 private:
  HttpDeps deps_;
};

}  // namespace

std::unique_ptr<runtime::HookHttp> MakeHookHttp(base::Executor executor, base::Clock& clock,
                                                Names& names) {
  return std::make_unique<Hooks>(std::move(executor), clock, names);
}

}  // namespace kubelet::probe
