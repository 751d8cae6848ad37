#include <boost/asio/ip/tcp.hpp>
#include <charconv>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "server/endpoints.h"
#include "server/tunnel.h"

namespace kubelet::server {
namespace {

using StreamOptions = PodAccess::StreamOptions;
using UrlMaker = std::function<base::Task<absl::StatusOr<std::string>>()>;

bool Is1(const HttpRequest& request, const std::string& name) {
  return request.Query(name).value_or("") == "1";
}

// k8s.io/cri-streaming pkg/streaming/remotecommand NewOptions.
absl::StatusOr<StreamOptions> OptionsOf(const HttpRequest& request) {
  StreamOptions options;
  options.tty = Is1(request, "tty");
  options.stdin_open = Is1(request, "input");
  options.stdout_open = Is1(request, "output");
  options.stderr_open = Is1(request, "error") && !options.tty;
  if (!options.stdin_open && !options.stdout_open && !options.stderr_open)
    return absl::InvalidArgumentError("you must specify at least 1 of stdin, stdout, stderr");
  return options;
}

// Ports of a WebSocket request; SPDY names them in its streams (portforward/websocket.go
// NewV4Options).
absl::StatusOr<std::vector<int32_t>> PortsOf(const HttpRequest& request) {
  std::vector<int32_t> ports;
  if (!request.HeaderHas("Upgrade", "websocket")) return ports;
  for (const auto& [name, value] : request.query) {
    if (name != "port") continue;
    for (size_t begin = 0; begin <= value.size();) {
      size_t end = std::min(value.find(',', begin), value.size());
      std::string text = value.substr(begin, end - begin);
      begin = end + 1;
      if (text.empty())
        return absl::InvalidArgumentError("query parameter \"port\" cannot be empty");
      uint16_t port = 0;
      auto [rest, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
      if (ec != std::errc() || rest != text.data() + text.size())
        return absl::InvalidArgumentError("unable to parse \"" + text + "\" as a port");
      if (port < 1) return absl::InvalidArgumentError("port \"" + text + "\" must be > 0");
      ports.push_back(port);
    }
  }
  if (ports.empty()) return absl::InvalidArgumentError("query parameter \"port\" is required");
  return ports;
}

std::vector<std::string> CommandOf(const HttpRequest& request) {
  std::vector<std::string> command;
  for (const auto& [name, value] : request.query)
    if (name == "command") command.push_back(value);
  return command;
}

// What asks the runtime for the stream, or the answer to a bad request.
absl::StatusOr<UrlMaker> MakerOf(const ContextPtr& context, const HttpRequest& request,
                                 const Route& route) {
  PodAccess* pods = &context->deps.pods;
  if (route.endpoint == Endpoint::kPortForward) {
    absl::StatusOr<std::vector<int32_t>> ports = std::vector<int32_t>();
    if (!context->options.websockets || !AsksForTunnel(request)) ports = PortsOf(request);
    if (!ports.ok()) return ports.status();
    return UrlMaker(
        [pods, route, ports = *ports] { return pods->PortForwardUrl(route.pod, ports); });
  }
  auto options = OptionsOf(request);
  if (!options.ok()) return options.status();
  if (route.endpoint == Endpoint::kAttach)
    return UrlMaker(
        [pods, route, o = *options] { return pods->AttachUrl(route.pod, route.container, o); });
  return UrlMaker([pods, route, o = *options, command = CommandOf(request)] {
    return pods->ExecUrl(route.pod, route.container, command, o);
  });
}

base::Task<void> Refuse(ExchangePtr exchange, absl::Status status) {
  int code = 500;
  Pairs headers;
  if (status.code() == absl::StatusCode::kNotFound) code = 404;
  if (status.code() == absl::StatusCode::kInvalidArgument) code = 400;
  if (status.code() == absl::StatusCode::kResourceExhausted) {
    code = 429;
    headers.emplace_back("Retry-After", "60");  // how long the runtime keeps a URL that nobody uses
  }
  co_await exchange->Respond(code, kPlainText, base::Message(status), std::move(headers));
}

}  // namespace

base::Task<void> ServeStream(ContextPtr context, ExchangePtr exchange, Route route) {
  auto maker = MakerOf(context, exchange->request(), route);
  if (!maker.ok()) {
    co_await Refuse(exchange, maker.status());
    co_return;
  }
  auto url =
      co_await context->core.Call<absl::StatusOr<std::string>>("stream URL", *std::move(maker));
  if (!url.ok()) {
    // The text alone: the code of the runtime's own InvalidArgument is no 400 upstream either.
    auto status = url.status();
    if (status.code() == absl::StatusCode::kInvalidArgument)
      status = absl::InternalError(base::Message(status));
    co_await Refuse(exchange, std::move(status));
    co_return;
  }
  if (!exchange->request().HeaderHas("Connection", "upgrade")) {
    co_await exchange->Respond(500, kPlainText, "Upgrade request required\n");
    co_return;
  }
  bool forward = route.endpoint == Endpoint::kPortForward;
  if (context->options.websockets && forward && AsksForTunnel(exchange->request())) {
    context->metrics.CountWebSocket("portforward");
    co_await TunnelInWebSocket(context, exchange, *std::move(url));
  } else if (context->options.websockets && !forward && AsksForTranslation(exchange->request())) {
    context->metrics.CountWebSocket(route.endpoint == Endpoint::kExec ? "exec" : "attach");
    auto options = OptionsOf(exchange->request());
    co_await TranslateExec(context, exchange, *options, *std::move(url));
  } else {
    co_await Tunnel(context, exchange, std::move(route), *std::move(url));
  }
}

base::Task<void> ServeRun(ContextPtr context, ExchangePtr exchange, Route route) {
  std::vector<std::string> command;
  std::string text = exchange->request().Query("cmd").value_or("");
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find(' ', begin), text.size());
    command.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  UrlMaker run = [pods = &context->deps.pods, route, command] {
    return pods->Run(route.pod, route.container, command);
  };
  auto call = std::make_shared<EndingCall<std::string>>(context->core);
  std::function<void()> hook = [call] { call->End(); };
  context->scope.Spawn("run client", exchange->WatchHangup(std::move(hook)));
  auto output = co_await call->Run("run", std::move(run));
  call->End();
  if (exchange->hung_up()) co_return;
  if (!output.ok()) {
    int code = output.status().code() == absl::StatusCode::kNotFound ? 404 : 500;
    co_await exchange->Respond(code, kPlainText, base::Message(output.status()));
    co_return;
  }
  std::string type = output->empty() ? "" : "application/json";
  co_await exchange->Respond(200, std::move(type), *std::move(output));
}

}  // namespace kubelet::server
