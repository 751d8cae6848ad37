// A prober over real sockets and a scripted runtime. The clock is turned by hand, servers in the
// same loop answer when it is polled.
#pragma once

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "catch.h"
#include "kubelet/probe/network_prober.h"

namespace kubelet::probe {

using namespace std::chrono_literals;
using base::Task;

// Exec alone, as scripted.
class Runtime : public runtime::ContainerRuntime {
 public:
  std::deque<absl::StatusOr<runtime::ExecResult>> answers;
  std::vector<std::vector<std::string>> commands;
  std::chrono::seconds timeout{0};
  std::optional<base::Promise<bool>> gate;
  int running = 0, most = 0;

  Task<absl::StatusOr<runtime::ExecResult>> ExecSync(runtime::ContainerId,
                                                     std::vector<std::string> command,
                                                     std::chrono::seconds t) override {
    commands.push_back(command);
    timeout = t;
    most = std::max(most, ++running);
    if (gate) {
      auto wait = *gate;
      gate.reset();
      co_await wait.Get();
    }
    --running;
    if (answers.empty()) co_return runtime::ExecResult();
    auto answer = answers.front();
    answers.pop_front();
    co_return answer;
  }

  template <typename T>
  static Task<absl::StatusOr<T>> No() {
    co_return absl::UnimplementedError("not here");
  }
  static Task<absl::Status> NoStatus() { co_return absl::UnimplementedError("not here"); }
  Task<absl::StatusOr<runtime::RuntimeVersion>> Version() override {
    return No<runtime::RuntimeVersion>();
  }
  Task<absl::StatusOr<runtime::RuntimeStatus>> Status() override {
    return No<runtime::RuntimeStatus>();
  }
  Task<absl::StatusOr<runtime::CgroupDriver>> RuntimeConfig() override {
    return No<runtime::CgroupDriver>();
  }
  Task<absl::Status> UpdateRuntimeConfig(std::string) override { return NoStatus(); }
  Task<absl::Status> UpdatePodSandboxResources(runtime::SandboxId, runtime::LinuxResources,
                                               runtime::LinuxResources) override {
    return NoStatus();
  }
  Task<absl::StatusOr<runtime::SandboxId>> RunPodSandbox(runtime::SandboxConfig) override {
    return No<runtime::SandboxId>();
  }
  Task<absl::Status> StopPodSandbox(runtime::SandboxId) override { return NoStatus(); }
  Task<absl::Status> RemovePodSandbox(runtime::SandboxId) override { return NoStatus(); }
  Task<absl::StatusOr<runtime::SandboxStatus>> PodSandboxStatus(runtime::SandboxId) override {
    return No<runtime::SandboxStatus>();
  }
  Task<absl::StatusOr<std::vector<runtime::Sandbox>>> ListPodSandbox(std::string) override {
    return No<std::vector<runtime::Sandbox>>();
  }
  Task<absl::StatusOr<runtime::ContainerId>> CreateContainer(runtime::SandboxId,
                                                             runtime::ContainerConfig,
                                                             runtime::SandboxConfig) override {
    return No<runtime::ContainerId>();
  }
  Task<absl::Status> StartContainer(runtime::ContainerId) override { return NoStatus(); }
  Task<absl::Status> StopContainer(runtime::ContainerId, std::chrono::seconds) override {
    return NoStatus();
  }
  Task<absl::Status> RemoveContainer(runtime::ContainerId) override { return NoStatus(); }
  Task<absl::StatusOr<std::vector<runtime::Container>>> ListContainers(std::string) override {
    return No<std::vector<runtime::Container>>();
  }
  Task<absl::StatusOr<runtime::ContainerStatus>> GetContainerStatus(runtime::ContainerId) override {
    return No<runtime::ContainerStatus>();
  }
  Task<absl::Status> UpdateContainerResources(runtime::ContainerId,
                                              runtime::LinuxResources) override {
    return NoStatus();
  }
  Task<absl::Status> ReopenContainerLog(runtime::ContainerId) override { return NoStatus(); }
  Task<absl::StatusOr<std::string>> ExecUrl(runtime::ContainerId, std::vector<std::string>,
                                            StreamOptions) override {
    return No<std::string>();
  }
  Task<absl::StatusOr<std::string>> AttachUrl(runtime::ContainerId, StreamOptions) override {
    return No<std::string>();
  }
  Task<absl::StatusOr<std::string>> PortForwardUrl(runtime::SandboxId,
                                                   std::vector<int32_t>) override {
    return No<std::string>();
  }
  Task<absl::Status> StreamEvents(std::function<void()>,
                                  std::function<void(const runtime::RuntimeEvent&)>) override {
    return NoStatus();
  }
};

inline Task<void> Store(Task<Outcome> task, std::optional<Outcome>* out) {
  *out = co_await std::move(task);
}

struct ProberBench {
  explicit ProberBench(Names::Options names = {}) : options(With(std::move(names))) {}
  static NetworkProber::Options With(Names::Options names) {
    NetworkProber::Options options;
    options.names = std::move(names);
    return options;
  }
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};
  Runtime runtime;
  NetworkProber::Options options;
  NetworkProber prober{{io.get_executor(), clock, pool, runtime}, options};
  std::unique_ptr<runtime::HookHttp> hooks = MakeHookHttp(io.get_executor(), clock, prober.names());
  std::optional<Outcome> outcome;
  base::TaskScope scope{io.get_executor()};

  void Begin(Action action, std::chrono::seconds timeout = 1s) {
    outcome.reset();
    scope.Spawn("probe", Store(prober.Run(std::move(action), timeout), &outcome));
  }
  // Runs the loop until `done`; packets on loopback need no time, a lookup on the pool does.
  template <typename F>
  void Until(F done) {
    io.restart();
    for (int i = 0; i < 2000 && !done(); ++i) io.run_one_for(10ms);
    REQUIRE(done());
  }
  void Poll() {
    io.restart();
    while (io.run_one_for(5ms) > 0) {
    }
  }
  Outcome Do(Action action) {
    Begin(std::move(action));
    Until([this] { return outcome.has_value(); });
    return *outcome;
  }
  HttpAction Http(uint16_t port, const std::string& path = "/") {
    HttpAction action;
    action.host = "127.0.0.1";
    action.port = port;
    action.path = path;
    return action;
  }
};

inline std::string Text(const Outcome& outcome) {
  static const char* const kNames[] = {"success", "warning", "failure", "unknown"};
  return std::string(kNames[static_cast<int>(outcome.result)]) +
         (outcome.message.empty() ? "" : ": ") + outcome.message;
}

inline std::string Replace(std::string text, const std::string& what, const std::string& by) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

inline bool Whole(const std::string& request) {
  return request.find("\r\n\r\n") != std::string::npos;
}

}  // namespace kubelet::probe
