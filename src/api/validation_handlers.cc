#include <algorithm>

#include "api/validation_checks.h"

namespace kubelet::api {
namespace {

constexpr int64_t kIntType = 0;
constexpr int64_t kStringType = 1;

void CheckPortNumber(int64_t port, const Path& path, Errors& errors) {
  errors.InRange(path, port, 1, 65535);
}

void CheckPort(const intstr::IntOrString& port, const Path& path, Errors& errors) {
  if (port.type() == kStringType) {
    errors.Invalid(path, port.str_val(), PortNameProblems(port.str_val()));
  } else if (port.type() == kIntType) {
    CheckPortNumber(port.int_val(), path, errors);
  } else {
    errors.Invalid(path, port.type(), "is neither a number nor a string");
  }
}

void CheckExec(const core::ExecAction& exec, const Path& path, Errors& errors) {
  if (exec.command().empty()) errors.Required(path.Child("command"));
}

void CheckHttpGet(const core::HTTPGetAction& get, const Path& path, Errors& errors) {
  errors.NonEmpty(path.Child("path"), get.path());
  CheckPort(get.port(), path.Child("port"), errors);
  if (get.scheme() != "HTTP" && get.scheme() != "HTTPS") {
    errors.NotSupported(path.Child("scheme"), get.scheme(), {"HTTP", "HTTPS"});
  }
  for (int i = 0; i < get.http_headers_size(); ++i) {
    const std::string& name = get.http_headers(i).name();
    errors.Invalid(path.Child("httpHeaders").Index(i).Child("name"), name,
                   HeaderNameProblems(name));
  }
}

// The first action is looked at, every further one is refused.
class OneAction {
 public:
  OneAction(const Path& path, Errors& errors) : path_(path), errors_(errors) {}
  ~OneAction() {
    if (!seen_) errors_.Required(path_, "must specify a handler type");
  }
  bool First(const std::string& child) {
    if (seen_) errors_.Forbidden(path_.Child(child), "may not specify more than 1 handler type");
    return !std::exchange(seen_, true);
  }

 private:
  const Path& path_;
  Errors& errors_;
  bool seen_ = false;
};

void CheckProbeHandler(const core::ProbeHandler& handler, const Path& path, Errors& errors) {
  OneAction action(path, errors);
  if (handler.has_exec() && action.First("exec")) {
    CheckExec(handler.exec(), path.Child("exec"), errors);
  }
  if (handler.has_http_get() && action.First("httpGet")) {
    CheckHttpGet(handler.http_get(), path.Child("httpGet"), errors);
  }
  if (handler.has_tcp_socket() && action.First("tcpSocket")) {
    CheckPort(handler.tcp_socket().port(), path.Child("tcpSocket").Child("port"), errors);
  }
  if (handler.has_grpc() && action.First("grpc")) {
    CheckPortNumber(handler.grpc().port(), path.Child("grpc").Child("port"), errors);
  }
}

void CheckSleep(PodContext& pod, int64_t seconds, const Path& path) {
  if (!pod.grace_seconds || (seconds >= 0 && seconds <= *pod.grace_seconds)) return;
  pod.errors.Invalid(path, seconds,
                     "must be non-negative and not more than terminationGracePeriodSeconds (" +
                         std::to_string(*pod.grace_seconds) + ")");
}

void CheckHook(PodContext& pod, const core::LifecycleHandler& hook, const Path& path) {
  OneAction action(path, pod.errors);
  if (hook.has_exec() && action.First("exec")) {
    CheckExec(hook.exec(), path.Child("exec"), pod.errors);
  }
  if (hook.has_http_get() && action.First("httpGet")) {
    CheckHttpGet(hook.http_get(), path.Child("httpGet"), pod.errors);
  }
  if (hook.has_tcp_socket() && action.First("tcpSocket")) {
    CheckPort(hook.tcp_socket().port(), path.Child("tcpSocket").Child("port"), pod.errors);
  }
  if (hook.has_sleep() && action.First("sleep")) {
    CheckSleep(pod, hook.sleep().seconds(), path.Child("sleep"));
  }
}

void CheckProbe(const core::Probe& probe, const Path& path, Errors& errors) {
  CheckProbeHandler(probe.handler(), path, errors);
  errors.NonNegative(path.Child("initialDelaySeconds"), probe.initial_delay_seconds());
  errors.NonNegative(path.Child("timeoutSeconds"), probe.timeout_seconds());
  errors.NonNegative(path.Child("periodSeconds"), probe.period_seconds());
  errors.NonNegative(path.Child("successThreshold"), probe.success_threshold());
  errors.NonNegative(path.Child("failureThreshold"), probe.failure_threshold());
  if (probe.has_termination_grace_period_seconds() &&
      probe.termination_grace_period_seconds() <= 0) {
    errors.Invalid(path.Child("terminationGracePeriodSeconds"),
                   probe.termination_grace_period_seconds(), "must be greater than 0");
  }
}

void CheckSuccessOnce(const core::Probe& probe, const Path& path, Errors& errors) {
  if (probe.success_threshold() == 1) return;
  errors.Invalid(path.Child("successThreshold"), probe.success_threshold(), "must be 1");
}

// Real time signals: SIGRTMIN, +1 to +15, SIGRTMAX-14 to -1, SIGRTMAX.
const std::vector<std::string>& LinuxSignals() {
  static const std::vector<std::string> kSignals = [] {
    std::vector<std::string> names = {
        "SIGABRT",   "SIGALRM",   "SIGBUS",  "SIGCHLD", "SIGCLD",   "SIGCONT",
        "SIGFPE",    "SIGHUP",    "SIGILL",  "SIGINT",  "SIGIO",    "SIGIOT",
        "SIGKILL",   "SIGPIPE",   "SIGPOLL", "SIGPROF", "SIGPWR",   "SIGQUIT",
        "SIGSEGV",   "SIGSTKFLT", "SIGSTOP", "SIGSYS",  "SIGTERM",  "SIGTRAP",
        "SIGTSTP",   "SIGTTIN",   "SIGTTOU", "SIGURG",  "SIGUSR1",  "SIGUSR2",
        "SIGVTALRM", "SIGWINCH",  "SIGXCPU", "SIGXFSZ", "SIGRTMIN", "SIGRTMAX"};
    for (int i = 1; i <= 15; ++i) names.push_back("SIGRTMIN+" + std::to_string(i));
    for (int i = 1; i <= 14; ++i) names.push_back("SIGRTMAX-" + std::to_string(i));
    std::sort(names.begin(), names.end());
    return names;
  }();
  return kSignals;
}

void CheckStopSignal(PodContext& pod, const std::string& signal, const Path& path) {
  static const std::vector<std::string> kWindows = {"SIGKILL", "SIGTERM"};
  if (!pod.spec.has_os()) {
    return pod.errors.Forbidden(path, "may not be set for containers with empty `spec.os.name`");
  }
  const std::string& os = pod.spec.os().name();
  if (os != "linux" && os != "windows") return;
  const std::vector<std::string>& supported = os == "linux" ? LinuxSignals() : kWindows;
  if (std::find(supported.begin(), supported.end(), signal) == supported.end()) {
    pod.errors.NotSupported(path, signal, supported);
  }
}

}  // namespace

void CheckProbes(PodContext& pod, const core::Container& container, const Path& path) {
  if (container.has_liveness_probe()) {
    CheckProbe(container.liveness_probe(), path.Child("livenessProbe"), pod.errors);
    CheckSuccessOnce(container.liveness_probe(), path.Child("livenessProbe"), pod.errors);
  }
  if (container.has_readiness_probe()) {
    const core::Probe& probe = container.readiness_probe();
    CheckProbe(probe, path.Child("readinessProbe"), pod.errors);
    if (probe.has_termination_grace_period_seconds()) {
      pod.errors.Invalid(path.Child("readinessProbe").Child("terminationGracePeriodSeconds"),
                         probe.termination_grace_period_seconds(),
                         "must not be set for readinessProbes");
    }
  }
  if (container.has_startup_probe()) {
    CheckProbe(container.startup_probe(), path.Child("startupProbe"), pod.errors);
    CheckSuccessOnce(container.startup_probe(), path.Child("startupProbe"), pod.errors);
  }
}

void CheckLifecycle(PodContext& pod, const core::Lifecycle& lifecycle, const Path& path) {
  if (lifecycle.has_post_start()) CheckHook(pod, lifecycle.post_start(), path.Child("postStart"));
  if (lifecycle.has_pre_stop()) CheckHook(pod, lifecycle.pre_stop(), path.Child("preStop"));
  if (lifecycle.has_stop_signal()) {
    CheckStopSignal(pod, lifecycle.stop_signal(), path.Child("stopSignal"));
  }
}

}  // namespace kubelet::api
