#include "kubelet/probe/action.h"

#include <charconv>

#include "kubelet/runtime/config.h"

namespace kubelet::probe {
namespace {

// intstr.IntOrString: 0 a number, 1 a text.
constexpr int64_t kText = 1;

absl::StatusOr<uint16_t> Checked(int64_t port) {
  if (port > 0 && port < 65536) return static_cast<uint16_t>(port);
  return absl::InvalidArgumentError("invalid port number: " + std::to_string(port));
}

std::vector<std::string> ExpandCommand(const api::core::ExecAction& exec,
                                       const api::core::Container& container) {
  std::map<std::string, std::string> env;
  for (const auto& var : container.env()) env[var.name()] = var.value();
  std::vector<std::string> command;
  for (const auto& word : exec.command()) command.push_back(runtime::Expand(word, env));
  return command;
}

}  // namespace

absl::StatusOr<uint16_t> ResolvePort(const api::intstr::IntOrString& port,
                                     const api::core::Container& container) {
  if (port.type() != kText) return Checked(port.int_val());
  const std::string& name = port.str_val();
  for (const auto& p : container.ports()) {
    if (p.name() == name) return Checked(p.container_port());
  }
  int number = 0;
  auto end = name.data() + name.size();
  auto [rest, error] = std::from_chars(name.data(), end, number);
  if (error != std::errc() || rest != end) {
    return absl::InvalidArgumentError("strconv.Atoi: parsing \"" + name + "\": invalid syntax");
  }
  return Checked(number);
}

absl::StatusOr<Action> ResolveAction(const api::core::Probe& spec,
                                     const api::core::Container& container,
                                     const std::string& pod_ip, const runtime::ContainerId& id) {
  const auto& handler = spec.handler();
  if (handler.has_exec()) return ExecAction{id, ExpandCommand(handler.exec(), container)};
  if (handler.has_http_get()) {
    const auto& get = handler.http_get();
    auto port = ResolvePort(get.port(), container);
    if (!port.ok()) return port.status();
    HttpAction action;
    action.https = get.scheme() == "HTTPS" || get.scheme() == "https";
    action.host = get.host().empty() ? pod_ip : get.host();
    action.port = *port;
    action.path = get.path();
    for (const auto& h : get.http_headers()) action.headers.emplace_back(h.name(), h.value());
    return action;
  }
  if (handler.has_tcp_socket()) {
    auto port = ResolvePort(handler.tcp_socket().port(), container);
    if (!port.ok()) return port.status();
    const std::string& host = handler.tcp_socket().host();
    return TcpAction{host.empty() ? pod_ip : host, *port};
  }
  if (handler.has_grpc()) {
    auto port = Checked(handler.grpc().port());
    if (!port.ok()) return port.status();
    return GrpcAction{pod_ip, *port, handler.grpc().service()};
  }
  return absl::InvalidArgumentError("missing probe handler");
}

}  // namespace kubelet::probe
