// What the ports answer besides pods and metrics, and what may change while the process runs: logs
// of containers, the configuration.
#include "app/kubelet.h"
#include "app/zpages.h"
#include "kubelet/api/quantity.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/config/live_fields.h"

namespace kubelet::app {

using std::chrono::minutes;

namespace {

base::Nanos ToNanos(const api::meta::Duration& d) { return base::Nanos(d.duration()); }

bool AsksForHealth(const server::Request& request) {
  return request.path == "/healthz" || request.path.rfind("/healthz/", 0) == 0;
}

}  // namespace

void Kubelet::MakeHealth() {
  started_ = clock_.Now();
  auto add = [this](const std::string& name, std::function<absl::Status()> test) {
    health_.Add(name, [this, name, test = std::move(test)] {
      absl::Status status = test();
      stats_->Checked(name, status.ok());
      return status;
    });
  };
  add("ping", [] { return absl::OkStatus(); });
  // Records are written by the thread that answers: if that hung, this would not be asked.
  add("log", [] { return absl::OkStatus(); });
  // As upstream: no turn of the loop counts while the runtime is away
  // (pkg/kubelet/kubelet.go SyncLoopHealthCheck).
  add("syncloop", [this]() -> absl::Status {
    auto limit = std::max<base::Nanos>(minutes(5), 2 * ToNanos(config_.kubelet.sync_frequency()));
    if (healthy_ == base::MonoTime() || clock_.Mono() - healthy_ <= limit) return absl::OkStatus();
    return absl::UnavailableError("sync Loop took longer than expected");
  });
  add("device-plugin", [this] { return plugins_->Health(); });
}

server::Response Kubelet::AnswerSecure(const server::Request& request) {
  if (AsksForHealth(request)) return health_.Answer(request);
  std::string path = request.path;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path == "/flagz") return Flagz(config::FlagValues(config_), request.accept);
  if (path == "/statusz") {
    ProcessStatus status;
    status.started = started_;
    status.now = clock_.Now();
    status.version = config::OwnVersion();
    status.toolchain = "C++";
    return Statusz(status, request.accept);
  }
  return api_->Secure(request);
}

server::Response Kubelet::AnswerReadOnly(const server::Request& request) {
  if (AsksForHealth(request)) return health_.Answer(request);
  static const std::vector<std::string> disabled = {
      "/run/",           "/exec/",        "/attach/",      "/portForward/",
      "/containerLogs/", "/runningpods/", "/debug/pprof/", "/logs/"};
  for (const auto& prefix : disabled) {
    if (request.path.rfind(prefix, 0) == 0)
      return {405, "text/plain; charset=utf-8", "Debug endpoints are disabled.\n"};
  }
  return api_->ReadOnly(request);
}

server::Response Kubelet::AnswerLocal(const server::Request& request) {
  if (AsksForHealth(request)) return health_.Answer(request);
  if (request.path == "/local/config") return {200, "text/plain; charset=utf-8", reload_->Report()};
  return api_->Local(request);
}

gc::LogPolicy Kubelet::LogPolicy() const {
  const auto& kc = config_.kubelet;
  gc::LogPolicy policy;
  auto size = api::Quantity::Parse(kc.container_log_max_size());
  if (size.ok()) policy.max_size = size->Value();
  policy.max_files = kc.container_log_max_files();
  auto pod = api::Quantity::Parse(config_.flags.pod_logs_max_size);
  if (pod.ok()) policy.pod_max_size = pod->Value();
  policy.max_workers = kc.container_log_max_workers();
  policy.interval = ToNanos(kc.container_log_monitor_interval());
  return policy;
}

void Kubelet::MakeLogs() {
  logs_ = std::make_unique<gc::LogRotator>(
      gc::LogRotator::Deps{io_.get_executor(), clock_, pool_, *runtime_,
                           [this](const std::string& uid) { return pleg_->Get(uid); }, &metrics_},
      LogPolicy());
}

void Kubelet::MakeReload() {
  Reload::Deps deps{io_.get_executor(), clock_, pool_, args_, config_};
  auto logging = [this] { base::SetLogOptions(config::LoggingOptions(config_.kubelet)); };
  auto logs = [this] { logs_->SetPolicy(LogPolicy()); };
  auto https = [this] {
    if (https_) https_->ConfigChanged();
  };
  for (const char* path : {"logging.verbosity", "logging.vmodule", "logging.format"})
    deps.live[path] = logging;
  for (const char* path :
       {"containerLogMaxSize", "containerLogMaxFiles", "containerLogMonitorInterval"})
    deps.live[path] = logs;
  for (const char* path :
       {"enableDebuggingHandlers", "enableSystemLogHandler", "enableSystemLogQuery",
        "enableProfilingHandler", "enableDebugFlagsHandler", "streamingConnectionIdleTimeout",
        "tlsMinVersion", "tlsCipherSuites", "tlsCurvePreferences"})
    deps.live[path] = https;
  reload_ = std::make_unique<Reload>(std::move(deps));
}

}  // namespace kubelet::app
