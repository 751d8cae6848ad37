// What one probe does, with every name resolved, and what came of it. Facts: pkg/probe and
// pkg/kubelet/prober (1.36).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/api/types.h"
#include "kubelet/base/async.h"
#include "kubelet/runtime/model.h"

namespace kubelet::probe {

struct HttpAction {
  bool https = false;
  std::string host;  // address, seldom a name; IPv6 without brackets
  uint16_t port = 0;
  std::string path;  // as written in the pod
  std::vector<std::pair<std::string, std::string>> headers;
};
struct TcpAction {
  std::string host;
  uint16_t port = 0;
};
struct GrpcAction {
  std::string host;
  uint16_t port = 0;
  std::string service;
};
struct ExecAction {
  runtime::ContainerId container;
  std::vector<std::string> command;
};
using Action = std::variant<HttpAction, TcpAction, GrpcAction, ExecAction>;

enum class Result {
  kSuccess,
  kWarning,  // counts as success; a redirect to another host
  kFailure,
  kUnknown,  // the probe could not be made: says nothing of the container
};
struct Outcome {
  Result result = Result::kUnknown;
  std::string message;  // goes into the event; of kUnknown: the error
};

// The action of `spec` for one instance of `container`. Pure. InvalidArgument: a port that has no
// number, or no handler at all. `$(VAR)` in a command knows the literal values of the container's
// env and nothing else (ExpandContainerCommandOnlyStatic).
absl::StatusOr<Action> ResolveAction(const api::core::Probe& spec,
                                     const api::core::Container& container,
                                     const std::string& pod_ip, const runtime::ContainerId& id);
// A number, or the name of one of the container's ports.
absl::StatusOr<uint16_t> ResolvePort(const api::intstr::IntOrString& port,
                                     const api::core::Container& container);

// Makes one probe. Core loop only. The task ends by itself soon after `timeout` at the latest, but
// for an exec that the runtime does not end.
class Prober {
 public:
  virtual ~Prober() = default;
  virtual base::Task<Outcome> Run(Action action, std::chrono::seconds timeout) = 0;
};

}  // namespace kubelet::probe
