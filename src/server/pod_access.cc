#include "kubelet/server/pod_access.h"

#include "kubelet/base/status.h"

namespace kubelet::server {
namespace {

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

// A container of the spec, of whatever kind; nullopt: there is none. The value is its `tty`.
std::optional<bool> SpecTty(const api::core::Pod& pod, const std::string& name) {
  for (const auto& c : pod.spec().containers())
    if (c.name() == name) return c.tty();
  for (const auto& c : pod.spec().init_containers())
    if (c.name() == name) return c.tty();
  for (const auto& c : pod.spec().ephemeral_containers())
    if (c.ephemeral_container_common().name() == name) return c.ephemeral_container_common().tty();
  return std::nullopt;
}

const api::core::ContainerStatus* FindStatus(const api::core::PodStatus& status,
                                             const std::string& name) {
  for (const auto* list : {&status.container_statuses(), &status.init_container_statuses(),
                           &status.ephemeral_container_statuses()}) {
    for (const auto& c : *list)
      if (c.name() == name) return &c;
  }
  return nullptr;
}

const char* GrpcName(absl::StatusCode code) {
  static constexpr const char* kNames[] = {
      "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
      "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
      "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
      "DataLoss", "Unauthenticated"};
  auto n = static_cast<size_t>(code);
  return n < std::size(kNames) ? kNames[n] : "Unknown";
}

// The text Go's clients of the runtime give, which people and tests look for.
absl::Status RuntimeError(const absl::Status& status) {
  return absl::Status(status.code(), std::string("rpc error: code = ") + GrpcName(status.code()) +
                                         " desc = " + base::Message(status));
}

}  // namespace

absl::StatusOr<std::string> LogContainer(const std::string& pod, const api::core::PodStatus& status,
                                         const std::string& container, bool previous) {
  std::string which = "container " + Quoted(container) + " in pod " + Quoted(pod);
  auto no = [](const std::string& why) { return absl::FailedPreconditionError(why); };
  const auto* found = FindStatus(status, container);
  if (found == nullptr) return no(which + " is not available");
  const auto& state = found->state();
  const auto& last = found->last_state();
  const std::string& last_id = last.terminated().container_id();
  if (previous) {
    if (last_id.empty()) return no("previous terminated " + which + " not found");
    return last_id;
  }
  if (state.has_running()) return found->container_id();
  if (state.has_terminated()) {
    if (!state.terminated().container_id().empty()) return state.terminated().container_id();
    if (last_id.empty()) return no(which + " is terminated");
    return last_id;
  }
  if (last.has_terminated()) {
    if (last_id.empty()) return no(which + " is terminated");
    return last_id;
  }
  if (!state.has_waiting()) return no(which + " is waiting to start - no logs yet");
  const std::string& reason = state.waiting().reason();
  if (reason == "ErrImagePull") return no(which + " is waiting to start: image can't be pulled");
  if (reason == "ImagePullBackOff")
    return no(which + " is waiting to start: trying and failing to pull image");
  return no(which + " is waiting to start: " + reason);
}

absl::StatusOr<api::PodPtr> PodAccess::Find(const PodName& name) const {
  auto pod = deps_.find(name.namespace_, name.name);
  if (!pod) return absl::NotFoundError("pod does not exist");
  return pod;
}

bool PodAccess::Meant(const api::core::Pod& pod, const std::string& uid) const {
  return uid.empty() || uid == pod.metadata().uid() ||
         (deps_.mirror_uid && deps_.mirror_uid(pod) == uid);
}

base::Task<absl::StatusOr<LogSource>> PodAccess::FindLog(PodName name, std::string container,
                                                         bool previous) {
  auto pod = deps_.find(name.namespace_, name.name);
  if (!pod) co_return absl::NotFoundError("pod " + Quoted(name.name) + " does not exist");
  if (!SpecTty(*pod, container)) {
    co_return absl::NotFoundError("container " + Quoted(container) + " not found in pod " +
                                  Quoted(name.name));
  }
  std::string uid = pod->metadata().uid();
  const auto* status = deps_.status(uid);
  auto found =
      LogContainer(name.name, status != nullptr ? *status : pod->status(), container, previous);
  if (!found.ok()) co_return found.status();
  size_t scheme = found->find("://");
  LogSource source;
  source.pod_uid = uid;
  source.container =
      runtime::ContainerId(scheme == std::string::npos ? *found : found->substr(scheme + 3));
  if (auto observed = deps_.observer.Get(uid)) {
    for (const auto& c : observed->containers)
      if (c.id == source.container && !c.log_path.empty()) source.path = c.log_path;
  }
  if (source.path.empty()) {
    auto asked = co_await deps_.runtime.GetContainerStatus(source.container);
    if (!asked.ok()) {
      co_return absl::FailedPreconditionError("unable to retrieve container logs for " + *found);
    }
    source.path = asked->log_path;
  }
  co_return source;
}

base::Task<bool> PodAccess::Running(std::string pod_uid, runtime::ContainerId container) {
  if (deps_.observer.Known(pod_uid)) {
    if (auto observed = deps_.observer.Get(pod_uid)) {
      for (const auto& c : observed->containers)
        if (c.id == container && !observed->provisional)
          co_return c.state == runtime::ContainerState::kRunning;
    }
  }
  auto asked = co_await deps_.runtime.GetContainerStatus(container);
  if (!asked.ok()) co_return asked.status().code() == absl::StatusCode::kUnavailable;
  co_return asked->state == runtime::ContainerState::kRunning;
}

base::Task<absl::StatusOr<runtime::ContainerId>> PodAccess::RunningContainer(
    api::PodPtr pod, PodName name, std::string container) {
  std::string uid = pod->metadata().uid();
  if (!Meant(*pod, name.uid))
    co_return absl::InternalError("container not found (" + Quoted(container) + ")");
  auto find =
      [&container](const runtime::ObservedPodPtr& observed) -> const runtime::ContainerStatus* {
    const auto* newest = observed ? observed->Newest(container) : nullptr;
    return newest != nullptr && newest->state == runtime::ContainerState::kRunning ? newest
                                                                                   : nullptr;
  };
  auto observed = deps_.observer.Get(uid);
  const auto* found = deps_.observer.Known(uid) ? find(observed) : nullptr;
  if (found == nullptr) {
    // It may have been started a moment ago.
    auto asked = co_await deps_.observer.Refresh(uid);
    if (!asked.ok()) co_return RuntimeError(asked.status());
    observed = *asked;
    found = find(observed);
  }
  if (found == nullptr)
    co_return absl::InternalError("container not found (" + Quoted(container) + ")");
  co_return found->id;
}

base::Task<absl::StatusOr<std::string>> PodAccess::ExecUrl(PodName name, std::string container,
                                                           std::vector<std::string> command,
                                                           StreamOptions options) {
  auto pod = Find(name);
  if (!pod.ok()) co_return pod.status();
  auto id = co_await RunningContainer(*pod, name, container);
  if (!id.ok()) co_return id.status();
  auto url = co_await deps_.runtime.ExecUrl(*id, std::move(command), options);
  if (!url.ok()) co_return RuntimeError(url.status());
  co_return url;
}

base::Task<absl::StatusOr<std::string>> PodAccess::AttachUrl(PodName name, std::string container,
                                                             StreamOptions options) {
  auto pod = Find(name);
  if (!pod.ok()) co_return pod.status();
  std::string missing =
      "container " + container + " not found in pod " + name.name + "_" + name.namespace_;
  auto tty = SpecTty(**pod, container);
  if (!tty) co_return absl::InternalError(missing);
  auto id = co_await RunningContainer(*pod, name, container);
  if (!id.ok() && id.status().code() == absl::StatusCode::kInternal)
    co_return absl::InternalError(missing);
  if (!id.ok()) co_return id.status();
  options.tty = *tty;
  auto url = co_await deps_.runtime.AttachUrl(*id, options);
  if (!url.ok()) co_return RuntimeError(url.status());
  co_return url;
}

base::Task<absl::StatusOr<std::string>> PodAccess::PortForwardUrl(PodName name,
                                                                  std::vector<int32_t> ports) {
  auto pod = Find(name);
  if (!pod.ok()) co_return pod.status();
  std::string uid = (*pod)->metadata().uid();
  if (!Meant(**pod, name.uid)) co_return absl::NotFoundError("pod not found");
  auto observed = deps_.observer.Get(uid);
  if (!deps_.observer.Known(uid) || !observed || observed->ReadySandbox() == nullptr) {
    auto asked = co_await deps_.observer.Refresh(uid);
    if (!asked.ok()) co_return RuntimeError(asked.status());
    observed = *asked;
  }
  const auto* sandbox = observed ? observed->ReadySandbox() : nullptr;
  if (sandbox == nullptr)
    co_return absl::InternalError("pod not found (" + Quoted(name.name + "_" + name.namespace_) +
                                  ")");
  auto url = co_await deps_.runtime.PortForwardUrl(sandbox->id, std::move(ports));
  if (!url.ok()) co_return RuntimeError(url.status());
  co_return url;
}

base::Task<absl::StatusOr<std::string>> PodAccess::Run(PodName name, std::string container,
                                                       std::vector<std::string> command) {
  auto pod = Find(name);
  if (!pod.ok()) co_return pod.status();
  auto id = co_await RunningContainer(*pod, name, container);
  if (!id.ok()) co_return id.status();
  std::string line;
  for (const auto& word : command) line += (line.empty() ? "" : " ") + word;
  auto result = co_await deps_.runtime.ExecSync(*id, std::move(command), std::chrono::seconds(0));
  if (!result.ok()) co_return absl::InternalError(base::Message(RuntimeError(result.status())));
  if (result->exit_code != 0) {
    co_return absl::InternalError("command '" + line + "' exited with " +
                                  std::to_string(result->exit_code) + ": " + result->stderr_data);
  }
  co_return result->stdout_data + result->stderr_data;
}

// Names and errors of pkg/kubelet/server/server.go checkpoint and kubelet.go CheckpointContainer.
base::Task<absl::StatusOr<std::string>> PodAccess::Checkpoint(PodName name, std::string container,
                                                              std::chrono::seconds timeout) {
  auto pod = Find(name);
  if (!pod.ok()) co_return pod.status();
  if (!SpecTty(**pod, container))
    co_return absl::NotFoundError("container " + container + " does not exist");
  std::string failed = "checkpointing of " + name.namespace_ + "/" + name.name + "/" + container +
                       " failed (";
  auto id = co_await RunningContainer(*pod, name, container);
  if (!id.ok() && id.status().code() == absl::StatusCode::kInternal)
    co_return absl::InternalError(failed + "container " + container + " not found)");
  if (!id.ok()) co_return absl::InternalError(failed + base::Message(id.status()) + ")");
  std::string path = deps_.checkpoints_dir + "/checkpoint-" + name.name + "_" + name.namespace_ +
                     "-" + container + "-" + base::Rfc3339(deps_.clock->Now()) + ".tar";
  auto done = co_await deps_.checkpoint(*id, path, timeout);
  if (!done.ok())
    co_return absl::InternalError(failed + base::Message(RuntimeError(done)) + ")");
  co_return path;
}

}  // namespace kubelet::server
