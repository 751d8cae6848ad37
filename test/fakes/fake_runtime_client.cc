// One kubelet's connection to the fake runtime.
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "fakes/fake_runtime.h"
#include "kubelet/runtime/config.h"

namespace kubelet::test {

using runtime::ContainerId;
using runtime::SandboxId;
using runtime::SandboxState;
template <typename T>
using Answer = Task<absl::StatusOr<T>>;

FakeRuntimeClient::FakeRuntimeClient(FakeRuntime& world) : world_(world) { world_.clients_.insert(this); }
FakeRuntimeClient::~FakeRuntimeClient() { world_.clients_.erase(this); }

Task<void> FakeRuntimeClient::Turn() {
  base::Promise<bool> promise(world_.executor_);
  promise.Set(true);
  co_await promise.Get();
}

Task<void> FakeRuntimeClient::Hang() {
  if (closed_) co_return;
  base::Promise<bool> promise(world_.executor_);
  promise.OnCancel([promise] { promise.Set(false); });
  hanging_.push_back(promise);
  co_await promise.Get();
}

void FakeRuntimeClient::Release() {
  auto hanging = std::exchange(hanging_, {});
  for (auto& promise : hanging) {
    promise.OnCancel(nullptr);
    promise.Set(true);
  }
}

void FakeRuntimeClient::Close() {
  closed_ = true;
  Release();
  EndStream();
}

void FakeRuntimeClient::EndStream() {
  if (!stream_) return;
  stream_->OnCancel(nullptr);
  stream_->Set(true);
  stream_.reset();
}

template <typename T>
Answer<T> FakeRuntimeClient::Do(std::string method, std::string subject, std::function<absl::StatusOr<T>()> work) {
  if (closed_ || cut()) {
    co_await Hang();
    co_return absl::CancelledError("this kubelet is gone");
  }
  FakeCall call{method, subject, world_.clock_.Mono()};
  world_.calls.push_back(call);
  auto decision = world_.Decide(method, subject);
  if (std::getenv("KUBELET_TEST_SEED") != nullptr) {
    std::fprintf(stderr, "CALL %p %s %s %s\n", static_cast<void*>(this), method.c_str(), subject.c_str(),
                 decision.fault ? (decision.kind == Fault::Kind::kFail ? "fails" : "loses its answer") : "");
  }
  if (decision.fault && decision.kind == Fault::Kind::kHang) co_await Hang();
  if (closed_) co_return absl::CancelledError("this kubelet is gone");
  if (cut()) {
    co_await Hang();
    co_return absl::CancelledError("this kubelet is gone");
  }
  absl::StatusOr<T> result = absl::UnavailableError("connection refused");
  if (decision.fault && decision.kind == Fault::Kind::kFail) {
    result = decision.status;
  } else if (!world_.down_) {
    result = work();
  }
  ++calls_;
  co_await Turn();
  if (cut()) {
    co_await Hang();
    co_return absl::CancelledError("this kubelet is gone");
  }
  if (decision.fault && decision.kind == Fault::Kind::kLoseAnswer) {
    co_return absl::DeadlineExceededError(method + ": no answer in time");
  }
  co_return result;
}

Task<absl::Status> FakeRuntimeClient::DoStatus(std::string method, std::string subject,
                                               std::function<absl::Status()> work) {
  std::function<absl::StatusOr<bool>()> wrapped = [work]() -> absl::StatusOr<bool> {
    absl::Status status = work();
    if (!status.ok()) return status;
    return true;
  };
  auto result = co_await Do<bool>(std::move(method), std::move(subject), std::move(wrapped));
  co_return result.status();
}

Answer<runtime::RuntimeVersion> FakeRuntimeClient::Version() {
  return Do<runtime::RuntimeVersion>("Version", "", []() -> absl::StatusOr<runtime::RuntimeVersion> {
    return runtime::RuntimeVersion{"fake", "1.0", "v1"};
  });
}

Answer<runtime::RuntimeStatus> FakeRuntimeClient::Status() {
  return Do<runtime::RuntimeStatus>("Status", "", []() -> absl::StatusOr<runtime::RuntimeStatus> {
    runtime::RuntimeStatus status;
    status.conditions.push_back({"RuntimeReady", true, "", ""});
    status.conditions.push_back({"NetworkReady", true, "", ""});
    return status;
  });
}

Answer<runtime::CgroupDriver> FakeRuntimeClient::RuntimeConfig() {
  return Do<runtime::CgroupDriver>("RuntimeConfig", "", []() -> absl::StatusOr<runtime::CgroupDriver> {
    return runtime::CgroupDriver::kCgroupfs;
  });
}

Task<absl::Status> FakeRuntimeClient::UpdateRuntimeConfig(std::string cidr) {
  return DoStatus("UpdateRuntimeConfig", cidr, [] { return absl::OkStatus(); });
}

Answer<SandboxId> FakeRuntimeClient::RunPodSandbox(runtime::SandboxConfig config) {
  return Do<SandboxId>("RunPodSandbox", config.name + "/" + config.uid + "/",
                       [this, config]() -> absl::StatusOr<SandboxId> { return world_.Run(config); });
}

Task<absl::Status> FakeRuntimeClient::StopPodSandbox(SandboxId id) {
  return DoStatus("StopPodSandbox", world_.SubjectOf(id), [this, id]() -> absl::Status {
    auto it = world_.sandboxes_.find(id);
    if (it == world_.sandboxes_.end()) return absl::NotFoundError("sandbox " + id.str() + " not found");
    world_.StopSandbox(it->second);
    return absl::OkStatus();
  });
}

Task<absl::Status> FakeRuntimeClient::RemovePodSandbox(SandboxId id) {
  return DoStatus("RemovePodSandbox", world_.SubjectOf(id), [this, id]() -> absl::Status {
    auto it = world_.sandboxes_.find(id);
    if (it == world_.sandboxes_.end()) return absl::OkStatus();
    std::string uid = it->second.sandbox.uid;
    world_.StopSandbox(it->second);
    std::vector<ContainerId> inside;
    for (const auto& [cid, c] : world_.containers_) {
      if (c.sandbox == id) inside.push_back(cid);
    }
    for (const auto& cid : inside) world_.Remove(cid);
    world_.sandboxes_.erase(id);
    world_.Emit(runtime::RuntimeEventKind::kDeleted, id.str(), uid);
    return absl::OkStatus();
  });
}

Answer<runtime::SandboxStatus> FakeRuntimeClient::PodSandboxStatus(SandboxId id) {
  return Do<runtime::SandboxStatus>("PodSandboxStatus", world_.SubjectOf(id),
                                    [this, id]() -> absl::StatusOr<runtime::SandboxStatus> {
                                      auto it = world_.sandboxes_.find(id);
                                      if (it == world_.sandboxes_.end()) return absl::NotFoundError("no sandbox");
                                      runtime::SandboxStatus status;
                                      status.sandbox = it->second.sandbox;
                                      status.ip = it->second.ip;
                                      status.network = it->second.network;
                                      return status;
                                    });
}

Answer<std::vector<runtime::Sandbox>> FakeRuntimeClient::ListPodSandbox(std::string uid) {
  using List = std::vector<runtime::Sandbox>;
  return Do<List>("ListPodSandbox", uid.empty() ? "all" : world_.SubjectOfUid(uid), [this, uid]() -> absl::StatusOr<List> {
    List list;
    for (const auto& [id, s] : world_.sandboxes_) {
      if (uid.empty() || s.sandbox.uid == uid) list.push_back(s.sandbox);
    }
    return list;
  });
}

Answer<ContainerId> FakeRuntimeClient::CreateContainer(SandboxId id, runtime::ContainerConfig config,
                                                       runtime::SandboxConfig) {
  return Do<ContainerId>("CreateContainer", world_.SubjectOf(id) + config.name,
                         [this, id, config]() -> absl::StatusOr<ContainerId> { return world_.Create(id, config); });
}

Task<absl::Status> FakeRuntimeClient::StartContainer(ContainerId id) {
  return DoStatus("StartContainer", world_.SubjectOf(id), [this, id]() -> absl::Status { return world_.Start(id); });
}

Task<absl::Status> FakeRuntimeClient::StopContainer(ContainerId id, std::chrono::seconds grace) {
  std::string subject = world_.SubjectOf(id);
  auto own = world_.stop_takes_of_.find(subject.substr(subject.rfind('/') + 1));
  Nanos wants = own == world_.stop_takes_of_.end() ? world_.stop_takes_ : own->second;
  bool killed = wants > grace;
  // When the signal was sent, and how long the runtime waits.
  if (!closed_ && !cut()) world_.Signalled(id, grace);
  if (wants > Nanos(0)) {
    Nanos takes = std::min<Nanos>(wants, grace);
    co_await base::SleepFor(world_.clock_, takes);
  }
  std::function<absl::Status()> stop = [this, id, killed]() -> absl::Status {
    auto it = world_.containers_.find(id);
    if (it == world_.containers_.end()) return absl::NotFoundError("container " + id.str() + " not found");
    if (it->second.status.state != runtime::ContainerState::kRunning) return absl::OkStatus();
    int code = killed ? 137 : world_.stop_exit_code_;
    world_.End(it->second, code, code == 0 ? "Completed" : "Error");
    return absl::OkStatus();
  };
  auto status = co_await DoStatus("StopContainer", subject, std::move(stop));
  co_return status;
}

Task<absl::Status> FakeRuntimeClient::RemoveContainer(ContainerId id) {
  return DoStatus("RemoveContainer", world_.SubjectOf(id), [this, id]() -> absl::Status {
    world_.Remove(id);
    return absl::OkStatus();
  });
}

Answer<std::vector<runtime::Container>> FakeRuntimeClient::ListContainers(std::string uid) {
  using List = std::vector<runtime::Container>;
  return Do<List>("ListContainers", uid.empty() ? "all" : world_.SubjectOfUid(uid), [this, uid]() -> absl::StatusOr<List> {
    List list;
    for (const auto& [id, c] : world_.containers_) {
      if (!uid.empty() && c.status.labels.at(runtime::kPodUidLabel) != uid) continue;
      runtime::Container out;
      out.id = id;
      out.sandbox_id = c.sandbox;
      out.name = c.status.name;
      out.attempt = c.status.attempt;
      out.state = c.status.state;
      out.image = c.status.image;
      out.image_ref = c.status.image_ref;
      out.created_at = c.status.created_at;
      out.labels = c.status.labels;
      out.annotations = c.status.annotations;
      list.push_back(out);
    }
    return list;
  });
}

Answer<runtime::ContainerStatus> FakeRuntimeClient::GetContainerStatus(ContainerId id) {
  return Do<runtime::ContainerStatus>("GetContainerStatus", world_.SubjectOf(id),
                                      [this, id]() -> absl::StatusOr<runtime::ContainerStatus> {
                                        auto it = world_.containers_.find(id);
                                        if (it == world_.containers_.end()) return absl::NotFoundError("no container");
                                        return it->second.status;
                                      });
}

// What is zero stays as it is, as in CRI.
Task<absl::Status> FakeRuntimeClient::UpdateContainerResources(ContainerId id, runtime::LinuxResources resources) {
  return DoStatus("UpdateContainerResources", world_.SubjectOf(id), [this, id, resources]() -> absl::Status {
    auto it = world_.containers_.find(id);
    if (it == world_.containers_.end()) return absl::NotFoundError("no such container");
    if (!it->second.status.resources) it->second.status.resources.emplace();
    runtime::LinuxResources& has = *it->second.status.resources;
    if (resources.cpu_shares != 0) has.cpu_shares = resources.cpu_shares;
    if (resources.cpu_quota != 0) has.cpu_quota = resources.cpu_quota;
    if (resources.cpu_period != 0) has.cpu_period = resources.cpu_period;
    if (resources.memory_limit_bytes != 0) has.memory_limit_bytes = resources.memory_limit_bytes;
    return absl::OkStatus();
  });
}
Task<absl::Status> FakeRuntimeClient::UpdatePodSandboxResources(SandboxId id, runtime::LinuxResources,
                                                                runtime::LinuxResources) {
  return DoStatus("UpdatePodSandboxResources", world_.SubjectOf(id), [] { return absl::OkStatus(); });
}
Task<absl::Status> FakeRuntimeClient::ReopenContainerLog(ContainerId id) {
  return DoStatus("ReopenContainerLog", world_.SubjectOf(id), [] { return absl::OkStatus(); });
}
Answer<runtime::ExecResult> FakeRuntimeClient::ExecSync(ContainerId id, std::vector<std::string> command,
                                                       std::chrono::seconds) {
  std::string word = command.empty() ? "" : command.front();
  std::function<absl::StatusOr<runtime::ExecResult>()> begin = [this, id, word]() -> absl::StatusOr<runtime::ExecResult> {
    auto it = world_.containers_.find(id);
    if (it == world_.containers_.end()) return absl::NotFoundError("no container");
    if (it->second.status.state != runtime::ContainerState::kRunning) {
      return absl::FailedPreconditionError("the container is not running");
    }
    auto exec = world_.execs.find(word);
    runtime::ExecResult result;
    if (exec == world_.execs.end()) return result;
    result.exit_code = exec->second.exit_code;
    result.stderr_data = exec->second.stderr_data;
    return result;
  };
  std::string subject = world_.SubjectOf(id) + " " + word;
  auto result = co_await Do<runtime::ExecResult>("ExecSync", std::move(subject), std::move(begin));
  auto exec = world_.execs.find(word);
  if (!result.ok() || exec == world_.execs.end() || exec->second.takes == Nanos(0)) co_return result;
  // Ends with its container, as a process in its PID namespace does.
  base::MonoTime end = world_.clock_.Mono() + exec->second.takes;
  while (world_.clock_.Mono() < end && !closed_ && !cut()) {
    co_await base::SleepFor(world_.clock_, std::min<Nanos>(end - world_.clock_.Mono(), std::chrono::milliseconds(500)));
    auto it = world_.containers_.find(id);
    bool runs = it != world_.containers_.end() && it->second.status.state == runtime::ContainerState::kRunning;
    if (!runs) result->exit_code = 137;
    if (!runs) break;
  }
  if (closed_ || cut()) {
    co_await Hang();
    co_return absl::CancelledError("this kubelet is gone");
  }
  co_return result;
}
Answer<std::string> FakeRuntimeClient::ExecUrl(ContainerId id, std::vector<std::string>, StreamOptions) {
  return Do<std::string>("ExecUrl", world_.SubjectOf(id), []() -> absl::StatusOr<std::string> { return "http://exec"; });
}
Answer<std::string> FakeRuntimeClient::AttachUrl(ContainerId id, StreamOptions) {
  return Do<std::string>("AttachUrl", world_.SubjectOf(id), []() -> absl::StatusOr<std::string> { return "http://attach"; });
}
Answer<std::string> FakeRuntimeClient::PortForwardUrl(SandboxId id, std::vector<int32_t>) {
  return Do<std::string>("PortForwardUrl", world_.SubjectOf(id), []() -> absl::StatusOr<std::string> { return "http://ports"; });
}

Task<absl::Status> FakeRuntimeClient::StreamEvents(std::function<void()> on_open,
                                                   std::function<void(const runtime::RuntimeEvent&)> on_event) {
  co_await Turn();
  if (closed_ || cut()) {
    co_await Hang();
    co_return absl::CancelledError("this kubelet is gone");
  }
  if (!world_.events_) co_return absl::UnimplementedError("no events");
  if (world_.down_) co_return absl::UnavailableError("connection refused");
  base::Promise<bool> end(world_.executor_);
  end.OnCancel([end] { end.Set(false); });
  stream_ = end;
  on_event_ = std::move(on_event);
  on_open();
  co_await end.Get();
  on_event_ = nullptr;
  co_return absl::UnavailableError("the stream ended");
}

runtime::Image FakeRuntime::ImageOf(const std::string& name) const {
  auto it = image_details.find(name);
  runtime::Image image;
  if (it != image_details.end()) image = it->second;
  if (image.id.empty()) image.id = name;
  return image;
}

Answer<std::vector<runtime::Image>> FakeRuntimeClient::ListImages() {
  using List = std::vector<runtime::Image>;
  return Do<List>("ListImages", "", [this]() -> absl::StatusOr<List> {
    List list;
    for (const auto& name : world_.images) {
      runtime::Image image = world_.ImageOf(name);
      auto same = std::find_if(list.begin(), list.end(), [&](const auto& other) { return other.id == image.id; });
      if (same == list.end()) same = list.insert(list.end(), image);
      same->repo_tags.push_back(name);
    }
    return list;
  });
}

Answer<std::optional<runtime::Image>> FakeRuntimeClient::ImageStatus(runtime::ImageSpec spec) {
  using Found = std::optional<runtime::Image>;
  return Do<Found>("ImageStatus", spec.image, [this, name = spec.image]() -> absl::StatusOr<Found> {
    if (!world_.images.contains(name)) return Found();
    return Found(world_.ImageOf(name));
  });
}

Answer<std::string> FakeRuntimeClient::PullImage(runtime::ImageSpec spec, std::optional<runtime::AuthConfig> auth,
                                                 runtime::SandboxConfig) {
  const std::string name = spec.image;
  if (auto it = world_.pull_takes.find(name); it != world_.pull_takes.end()) {
    co_await base::SleepFor(world_.clock_, it->second);
  }
  std::string user;
  if (auth) user = auth->username;
  std::function<absl::StatusOr<std::string>()> pull = [this, name, user]() -> absl::StatusOr<std::string> {
    world_.pulled_as.push_back(user);
    if (auto it = world_.pull_error.find(name); it != world_.pull_error.end()) return it->second;
    if (auto it = world_.pull_user.find(name); it != world_.pull_user.end() && it->second != user)
      return absl::UnauthenticatedError("not for \"" + user + "\"");
    world_.images.insert(name);
    return world_.ImageOf(name).id;
  };
  auto result = co_await Do<std::string>("PullImage", name, std::move(pull));
  co_return result;
}

Task<absl::Status> FakeRuntimeClient::RemoveImage(std::string name) {
  return DoStatus("RemoveImage", name, [this, name] {
    std::erase_if(world_.images, [&](const auto& one) { return one == name || world_.ImageOf(one).id == name; });
    return absl::OkStatus();
  });
}

Answer<FakeRuntimeClient::FsInfo> FakeRuntimeClient::ImageFsInfo() {
  return Do<FsInfo>("ImageFsInfo", "", [this]() -> absl::StatusOr<FsInfo> { return world_.fs_info; });
}

}  // namespace kubelet::test
