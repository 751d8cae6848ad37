#include "fakes/cri_server_state.h"

#include <cstdio>

namespace kubelet::fakes {

namespace {

grpc::Status NotFound(const char* what, const std::string& id) {
  return {grpc::StatusCode::NOT_FOUND,
          std::string("an error occurred when try to find ") + what + " \"" + id + "\": not found"};
}

}  // namespace

bool LabelsMatch(const google::protobuf::Map<std::string, std::string>& labels,
                 const google::protobuf::Map<std::string, std::string>& selector) {
  for (const auto& [key, value] : selector) {
    auto it = labels.find(key);
    if (it == labels.end() || it->second != value) return false;
  }
  return true;
}

CriState::CriState(FakeCriOptions options, Timers& timers, EventSink sink)
    : options_(std::move(options)), timers_(timers), sink_(std::move(sink)) {}

// Strictly increasing, so that the order of two things shows in their times.
int64_t CriState::NowLocked() {
  int64_t now =
      std::chrono::duration_cast<Nanos>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  last_time_ = std::max(now, last_time_ + 1);
  return last_time_;
}

std::string CriState::NewIdLocked() {
  uint64_t n = ++last_id_;
  char text[65];
  // 64 hex digits as a runtime's ids; a multiplication spreads the number over the first ones.
  std::snprintf(text, sizeof(text), "%016llx%016llx%016llx%016llx",
                static_cast<unsigned long long>(n * 0x9e3779b97f4a7c15ULL),
                static_cast<unsigned long long>(n),
                static_cast<unsigned long long>(n * 0xbf58476d1ce4e5b9ULL),
                static_cast<unsigned long long>(n * 31));
  return text;
}

CriState::SandboxRecord* CriState::FindSandboxLocked(const std::string& id) {
  auto it = sandboxes_.find(id);
  return it == sandboxes_.end() ? nullptr : &it->second;
}

Subject CriState::OfSandbox(const std::string& id) const {
  Lock lock(mutex_);
  Subject subject;
  subject.id = id;
  auto it = sandboxes_.find(id);
  if (it != sandboxes_.end()) subject.pod = it->second.config.metadata().name();
  return subject;
}

void CriState::EventLocked(v1::ContainerEventType type, const std::string& sandbox_id,
                           const std::string& id) {
  v1::ContainerEventResponse event;
  event.set_container_id(id);
  event.set_container_event_type(type);
  event.set_created_at(NowLocked());
  if (auto* sandbox = FindSandboxLocked(sandbox_id)) {
    *event.mutable_pod_sandbox_status() = sandbox->status;
    for (const auto& [other_id, container] : containers_) {
      if (container.sandbox_id == sandbox_id) *event.add_containers_statuses() = container.status;
    }
  }
  sink_(event);
}

grpc::Status CriState::RunSandbox(const v1::RunPodSandboxRequest& request,
                                  v1::RunPodSandboxResponse* out) {
  const auto& config = request.config();
  if (config.metadata().name().empty() || config.metadata().uid().empty()) {
    return {grpc::StatusCode::INVALID_ARGUMENT, "sandbox config must include metadata"};
  }
  Lock lock(mutex_);
  for (const auto& [id, other] : sandboxes_) {
    const auto& m = other.config.metadata();
    if (m.uid() == config.metadata().uid() && m.attempt() == config.metadata().attempt() &&
        m.name() == config.metadata().name()) {
      return {grpc::StatusCode::UNKNOWN, "failed to reserve sandbox name \"" + m.name() + "_" +
                                             m.namespace_() + "_" + m.uid() + "_" +
                                             std::to_string(m.attempt()) +
                                             "\": name is reserved for \"" + id + "\""};
    }
  }
  SandboxRecord record;
  record.config = config;
  auto& status = record.status;
  status.set_id(NewIdLocked());
  *status.mutable_metadata() = config.metadata();
  status.set_state(v1::SANDBOX_READY);
  status.set_created_at(NowLocked());
  *status.mutable_labels() = config.labels();
  *status.mutable_annotations() = config.annotations();
  status.set_runtime_handler(request.runtime_handler());
  const auto& namespaces = config.linux().security_context().namespace_options();
  *status.mutable_linux()->mutable_namespaces()->mutable_options() = namespaces;
  status.mutable_network();
  if (namespaces.network() != v1::NODE) {
    uint32_t n = ++last_ip_;
    status.mutable_network()->set_ip("10." + std::to_string(88 + (n >> 16)) + "." +
                                     std::to_string((n >> 8) & 255) + "." +
                                     std::to_string(n & 255));
  }
  std::string id = status.id();
  sandboxes_.emplace(id, std::move(record));
  out->set_pod_sandbox_id(id);
  EventLocked(v1::CONTAINER_CREATED_EVENT, id, id);
  EventLocked(v1::CONTAINER_STARTED_EVENT, id, id);
  return grpc::Status::OK;
}

void CriState::StopSandboxLocked(SandboxRecord& sandbox) {
  for (auto& [id, container] : containers_) {
    if (container.sandbox_id == sandbox.status.id()) EndLocked(container, 137, "");
  }
  if (sandbox.status.state() == v1::SANDBOX_NOTREADY) return;
  sandbox.status.set_state(v1::SANDBOX_NOTREADY);
  sandbox.status.mutable_network()->Clear();
  EventLocked(v1::CONTAINER_STOPPED_EVENT, sandbox.status.id(), sandbox.status.id());
}

grpc::Status CriState::StopSandbox(const std::string& id) {
  Lock lock(mutex_);
  if (auto* sandbox = FindSandboxLocked(id)) StopSandboxLocked(*sandbox);
  return grpc::Status::OK;
}

grpc::Status CriState::RemoveSandbox(const std::string& id) {
  Lock lock(mutex_);
  auto* sandbox = FindSandboxLocked(id);
  if (sandbox == nullptr) return grpc::Status::OK;
  StopSandboxLocked(*sandbox);
  std::vector<std::string> members;
  for (const auto& [container_id, container] : containers_) {
    if (container.sandbox_id == id) members.push_back(container_id);
  }
  for (const auto& container_id : members) RemoveLocked(container_id);
  EventLocked(v1::CONTAINER_DELETED_EVENT, id, id);
  sandboxes_.erase(id);
  return grpc::Status::OK;
}

bool CriState::KillSandbox(const std::string& id) {
  Lock lock(mutex_);
  auto* sandbox = FindSandboxLocked(id);
  if (sandbox == nullptr || sandbox->status.state() != v1::SANDBOX_READY) return false;
  StopSandboxLocked(*sandbox);
  return true;
}

grpc::Status CriState::SandboxStatus(const std::string& id, v1::PodSandboxStatus* out) const {
  Lock lock(mutex_);
  auto it = sandboxes_.find(id);
  if (it == sandboxes_.end()) return NotFound("sandbox", id);
  *out = it->second.status;
  return grpc::Status::OK;
}

void CriState::ListSandboxes(const v1::PodSandboxFilter& filter,
                             v1::ListPodSandboxResponse* out) const {
  Lock lock(mutex_);
  for (const auto& [id, sandbox] : sandboxes_) {
    const auto& status = sandbox.status;
    if (!filter.id().empty() && id.rfind(filter.id(), 0) != 0) continue;
    if (filter.has_state() && filter.state().state() != status.state()) continue;
    if (!LabelsMatch(status.labels(), filter.label_selector())) continue;
    auto* item = out->add_items();
    item->set_id(id);
    *item->mutable_metadata() = status.metadata();
    item->set_state(status.state());
    item->set_created_at(status.created_at());
    *item->mutable_labels() = status.labels();
    *item->mutable_annotations() = status.annotations();
    item->set_runtime_handler(status.runtime_handler());
  }
}

grpc::Status CriState::CheckSandbox(const std::string& id) const {
  Lock lock(mutex_);
  auto it = sandboxes_.find(id);
  if (it == sandboxes_.end()) return NotFound("sandbox", id);
  if (it->second.status.state() != v1::SANDBOX_READY) {
    return {grpc::StatusCode::FAILED_PRECONDITION,
            "sandbox container \"" + id + "\" is not running"};
  }
  return grpc::Status::OK;
}

size_t CriState::SandboxCount() const {
  Lock lock(mutex_);
  return sandboxes_.size();
}

}  // namespace kubelet::fakes
