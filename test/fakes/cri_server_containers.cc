// Containers of a FakeCriServer: their states and the programs they run.
#include <sys/stat.h>

#include <ctime>
#include <fstream>

#include "fakes/cri_server_state.h"

namespace kubelet::fakes {
namespace {

grpc::Status NotFound(const std::string& id) {
  return {grpc::StatusCode::NOT_FOUND,
          "an error occurred when try to find container \"" + id + "\": not found"};
}

void MakeDirectories(const std::string& file) {
  for (size_t at = file.find('/', 1); at != std::string::npos; at = file.find('/', at + 1)) {
    ::mkdir(file.substr(0, at).c_str(), 0755);
  }
}

std::string LogTime(int64_t nanos) {
  time_t seconds = nanos / 1'000'000'000;
  tm parts;
  gmtime_r(&seconds, &parts);
  char text[64];
  size_t length = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + length, sizeof(text) - length, ".%09lldZ",
                static_cast<long long>(nanos % 1'000'000'000));
  return text;
}

void Append(const std::string& path, const std::string& text) {
  MakeDirectories(path);
  std::ofstream(path, std::ios::app) << text;
}

}  // namespace

CriState::ContainerRecord* CriState::FindContainerLocked(const std::string& id) {
  auto it = containers_.lower_bound(id);
  if (id.empty() || it == containers_.end() || it->first.rfind(id, 0) != 0) return nullptr;
  return &it->second;
}

const CriState::ContainerRecord* CriState::FindContainerLocked(const std::string& id) const {
  return const_cast<CriState*>(this)->FindContainerLocked(id);
}

Subject CriState::OfContainer(const std::string& id) const {
  Lock lock(mutex_);
  Subject subject;
  subject.id = id;
  if (const auto* container = FindContainerLocked(id)) {
    subject.container = container->config.metadata().name();
    auto it = sandboxes_.find(container->sandbox_id);
    if (it != sandboxes_.end()) subject.pod = it->second.config.metadata().name();
  }
  return subject;
}

grpc::Status CriState::CheckCreateLocked(const v1::CreateContainerRequest& request) {
  const auto& config = request.config();
  const auto* sandbox = FindSandboxLocked(request.pod_sandbox_id());
  if (sandbox == nullptr) {
    return {grpc::StatusCode::NOT_FOUND,
            "failed to find sandbox id \"" + request.pod_sandbox_id() + "\": not found"};
  }
  if (sandbox->status.state() != v1::SANDBOX_READY) {
    return {grpc::StatusCode::UNKNOWN,
            "sandbox container \"" + request.pod_sandbox_id() + "\" is not running"};
  }
  for (const auto& [id, other] : containers_) {
    if (other.sandbox_id == sandbox->status.id() &&
        other.config.metadata().name() == config.metadata().name() &&
        other.config.metadata().attempt() == config.metadata().attempt()) {
      return {grpc::StatusCode::UNKNOWN,
              "failed to reserve container name \"" + config.metadata().name() + "_" +
                  sandbox->config.metadata().name() + "\": name is reserved for \"" + id + "\""};
    }
  }
  if (options_.any_image) return grpc::Status::OK;
  const std::string& image = config.image().image();
  for (const auto& [name, record] : images_) {
    if (record.spec.present && (name == image || record.image.id() == image)) {
      return grpc::Status::OK;
    }
  }
  return {grpc::StatusCode::NOT_FOUND, "failed to get image \"" + image + "\": not found"};
}

void CriState::FillStatusLocked(const SandboxRecord& sandbox, ContainerRecord& record) {
  const auto& config = record.config;
  auto& status = record.status;
  status.set_id(NewIdLocked());
  *status.mutable_metadata() = config.metadata();
  status.set_state(v1::CONTAINER_CREATED);
  status.set_created_at(NowLocked());
  *status.mutable_image() = config.image();
  bool by_id = config.image().image().rfind("sha256:", 0) == 0;
  status.set_image_ref(by_id ? config.image().image()
                             : EnsureImageLocked(config.image().image()).image.id());
  status.set_image_id(status.image_ref());
  *status.mutable_labels() = config.labels();
  *status.mutable_annotations() = config.annotations();
  *status.mutable_mounts() = config.mounts();
  if (!config.log_path().empty() && !sandbox.config.log_directory().empty()) {
    status.set_log_path(sandbox.config.log_directory() + "/" + config.log_path());
  }
  *status.mutable_resources()->mutable_linux() = config.linux().resources();
  auto* user = status.mutable_user()->mutable_linux();
  user->set_uid(config.linux().security_context().run_as_user().value());
  user->set_gid(config.linux().security_context().run_as_group().value());
  *user->mutable_supplemental_groups() = config.linux().security_context().supplemental_groups();
  bool default_signal = config.stop_signal() == v1::SIGNAL_RUNTIME_DEFAULT;
  status.set_stop_signal(default_signal ? v1::SIGNAL_SIGTERM : config.stop_signal());
}

grpc::Status CriState::Create(const v1::CreateContainerRequest& request,
                              v1::CreateContainerResponse* out) {
  Lock lock(mutex_);
  grpc::Status allowed = CheckCreateLocked(request);
  if (!allowed.ok()) return allowed;
  const auto& config = request.config();
  ContainerRecord record;
  record.config = config;
  record.sandbox_id = request.pod_sandbox_id();
  std::vector<std::string> words(config.command().begin(), config.command().end());
  words.insert(words.end(), config.args().begin(), config.args().end());
  record.program = ParseProgram(words, ProgramUse::kContainer);
  FillStatusLocked(*FindSandboxLocked(request.pod_sandbox_id()), record);
  std::string id = record.status.id();
  containers_.emplace(id, std::move(record));
  out->set_container_id(id);
  EventLocked(v1::CONTAINER_CREATED_EVENT, request.pod_sandbox_id(), id);
  return grpc::Status::OK;
}

grpc::Status CriState::StartContainer(const std::string& id) {
  {
    Lock lock(mutex_);
    auto* container = FindContainerLocked(id);
    if (container == nullptr) return NotFound(id);
    if (container->status.state() != v1::CONTAINER_CREATED) {
      return {grpc::StatusCode::UNKNOWN,
              "failed to set starting state for container \"" + id + "\": container is in " +
                  v1::ContainerState_Name(container->status.state()) + " state"};
    }
    auto* sandbox = FindSandboxLocked(container->sandbox_id);
    if (sandbox == nullptr || sandbox->status.state() != v1::SANDBOX_READY) {
      return {grpc::StatusCode::UNKNOWN,
              "sandbox container \"" + container->sandbox_id + "\" is not running"};
    }
    container->status.set_state(v1::CONTAINER_RUNNING);
    container->status.set_started_at(NowLocked());
    if (options_.write_logs && !container->status.log_path().empty())
      Append(container->status.log_path(), "");
    EventLocked(v1::CONTAINER_STARTED_EVENT, container->sandbox_id, container->status.id());
  }
  RunSteps(id, 0);
  return grpc::Status::OK;
}

void CriState::LogLocked(const ContainerRecord& container, const Step& step) {
  if (!options_.write_logs || container.status.log_path().empty()) return;
  Append(container.status.log_path(),
         LogTime(NowLocked()) + (step.to_stderr ? " stderr F " : " stdout F ") + step.text + "\n");
}

void CriState::RunSteps(const std::string& id, size_t step) {
  Lock lock(mutex_);
  auto* container = FindContainerLocked(id);
  if (container == nullptr || container->status.state() != v1::CONTAINER_RUNNING) return;
  for (; step < container->program.steps.size(); ++step) {
    const Step& current = container->program.steps[step];
    if (current.kind == Step::Kind::kForever) return;
    if (current.kind == Step::Kind::kPrint) LogLocked(*container, current);
    if (current.kind == Step::Kind::kExit) return EndLocked(*container, current.exit_code, "");
    if (current.kind == Step::Kind::kSleep) {
      timers_.After(current.duration, [this, id, step] { RunSteps(id, step + 1); });
      return;
    }
  }
}

void CriState::EndLocked(ContainerRecord& container, int exit_code, const std::string& reason) {
  auto& status = container.status;
  if (status.state() != v1::CONTAINER_RUNNING) return;
  status.set_state(v1::CONTAINER_EXITED);
  status.set_finished_at(NowLocked());
  status.set_exit_code(exit_code);
  status.set_reason(!reason.empty() ? reason : exit_code == 0 ? "Completed" : "Error");
  EventLocked(v1::CONTAINER_STOPPED_EVENT, container.sandbox_id, status.id());
  // Answers go out from the timer thread: not under the lock.
  for (auto& done : std::exchange(container.stoppers, {})) {
    timers_.After(Nanos(0), [done = std::move(done)] { done(grpc::Status::OK); });
  }
}

bool CriState::Exit(const std::string& id, int exit_code, const std::string& reason) {
  Lock lock(mutex_);
  auto* container = FindContainerLocked(id);
  if (container == nullptr || container->status.state() != v1::CONTAINER_RUNNING) return false;
  EndLocked(*container, exit_code, reason);
  return true;
}

void CriState::Stop(const std::string& id, std::chrono::seconds grace,
                    std::function<void(grpc::Status)> done) {
  {
    Lock lock(mutex_);
    auto* container = FindContainerLocked(id);
    if (container != nullptr && container->status.state() == v1::CONTAINER_RUNNING) {
      container->stoppers.push_back(std::move(done));
      const auto& program = container->program;
      if (grace.count() <= 0) return EndLocked(*container, 137, "");
      if (!program.ignores_term) return EndLocked(*container, program.term_exit.value_or(143), "");
      timers_.After(grace, [this, id] { Exit(id, 137, ""); });
      return;
    }
  }
  done(grpc::Status::OK);
}

void CriState::RemoveLocked(const std::string& id) {
  auto* container = FindContainerLocked(id);
  if (container == nullptr) return;
  EndLocked(*container, 137, "");
  std::string full_id = container->status.id();
  EventLocked(v1::CONTAINER_DELETED_EVENT, container->sandbox_id, full_id);
  containers_.erase(full_id);
}

grpc::Status CriState::Remove(const std::string& id) {
  Lock lock(mutex_);
  RemoveLocked(id);
  return grpc::Status::OK;
}

grpc::Status CriState::Status(const std::string& id, v1::ContainerStatus* out) const {
  Lock lock(mutex_);
  const auto* container = FindContainerLocked(id);
  if (container == nullptr) return NotFound(id);
  *out = container->status;
  return grpc::Status::OK;
}

void CriState::ListContainers(const v1::ContainerFilter& filter,
                              v1::ListContainersResponse* out) const {
  Lock lock(mutex_);
  for (const auto& [id, container] : containers_) {
    const auto& status = container.status;
    if (!filter.id().empty() && id.rfind(filter.id(), 0) != 0) continue;
    if (!filter.pod_sandbox_id().empty() &&
        container.sandbox_id.rfind(filter.pod_sandbox_id(), 0) != 0)
      continue;
    if (filter.has_state() && filter.state().state() != status.state()) continue;
    if (!LabelsMatch(status.labels(), filter.label_selector())) continue;
    auto* item = out->add_containers();
    item->set_id(id);
    item->set_pod_sandbox_id(container.sandbox_id);
    *item->mutable_metadata() = status.metadata();
    *item->mutable_image() = status.image();
    item->set_image_ref(status.image_ref());
    item->set_image_id(status.image_id());
    item->set_state(status.state());
    item->set_created_at(status.created_at());
    *item->mutable_labels() = status.labels();
    *item->mutable_annotations() = status.annotations();
  }
}

grpc::Status CriState::Update(const v1::UpdateContainerResourcesRequest& request) {
  Lock lock(mutex_);
  auto* container = FindContainerLocked(request.container_id());
  if (container == nullptr) return NotFound(request.container_id());
  // What is not set stays as it is.
  container->status.mutable_resources()->mutable_linux()->MergeFrom(request.linux());
  return grpc::Status::OK;
}

grpc::Status CriState::CheckRunning(const std::string& id) const {
  Lock lock(mutex_);
  const auto* container = FindContainerLocked(id);
  if (container == nullptr) return NotFound(id);
  if (container->status.state() != v1::CONTAINER_RUNNING) {
    return {grpc::StatusCode::UNKNOWN,
            "container is in " + v1::ContainerState_Name(container->status.state()) + " state"};
  }
  return grpc::Status::OK;
}

grpc::Status CriState::ReopenLog(const std::string& id) {
  grpc::Status running = CheckRunning(id);
  if (!running.ok()) return running;
  Lock lock(mutex_);
  const auto* container = FindContainerLocked(id);
  if (container == nullptr) return NotFound(id);
  if (options_.write_logs && !container->status.log_path().empty())
    Append(container->status.log_path(), "");
  return grpc::Status::OK;
}

void CriState::Exec(const v1::ExecSyncRequest& request, v1::ExecSyncResponse* out,
                    std::function<void(grpc::Status)> done) {
  grpc::Status running = CheckRunning(request.container_id());
  if (!running.ok()) return done(running);
  Program program = ParseProgram({request.cmd().begin(), request.cmd().end()}, ProgramUse::kExec);
  Nanos took{0};
  bool forever = false;
  for (const auto& step : program.steps) {
    took += step.duration;
    forever |= step.kind == Step::Kind::kForever;
    if (step.kind == Step::Kind::kPrint) {
      (step.to_stderr ? out->mutable_stderr() : out->mutable_stdout())->append(step.text + "\n");
    }
    if (step.kind == Step::Kind::kExit) out->set_exit_code(step.exit_code);
  }
  std::chrono::seconds timeout(request.timeout());
  if (timeout.count() > 0 && (forever || took > timeout)) {
    std::string message = "failed to exec in container: timeout " +
                          std::to_string(request.timeout()) +
                          "s exceeded: context deadline exceeded";
    timers_.After(timeout, [done, message] {
      done({grpc::StatusCode::DEADLINE_EXCEEDED, message});
    });
    return;
  }
  if (forever) return;  // only the client's cancel ends it
  if (took.count() == 0) return done(grpc::Status::OK);
  timers_.After(took, [done] { done(grpc::Status::OK); });
}

std::vector<FakeContainer> CriState::Containers() const {
  Lock lock(mutex_);
  std::vector<FakeContainer> out;
  for (const auto& [id, container] : containers_) {
    FakeContainer item;
    item.id = id;
    item.name = container.config.metadata().name();
    item.attempt = container.config.metadata().attempt();
    item.sandbox_id = container.sandbox_id;
    item.exit_code = container.status.exit_code();
    auto it = sandboxes_.find(container.sandbox_id);
    if (it != sandboxes_.end()) item.pod = it->second.config.metadata().name();
    auto state = container.status.state();
    item.state = state == v1::CONTAINER_CREATED   ? "created"
                 : state == v1::CONTAINER_RUNNING ? "running"
                                                  : "exited";
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace kubelet::fakes
