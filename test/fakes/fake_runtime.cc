#include "fakes/fake_runtime.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "kubelet/runtime/config.h"

namespace kubelet::test {

using runtime::ContainerId;
using runtime::ContainerState;
using runtime::RuntimeEventKind;
using runtime::SandboxId;
using runtime::SandboxState;

namespace {

bool Contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const std::string& Label(const runtime::StringMap& labels, const char* key) {
  static const std::string none;
  auto it = labels.find(key);
  return it == labels.end() ? none : it->second;
}

bool FromApi(const runtime::StringMap& annotations) { return Label(annotations, "kubernetes.io/config.source") == "api"; }

std::string PodOf(const FakeContainer& container) { return Label(container.status.labels, runtime::kPodNameLabel); }

}  // namespace

// --- the world ---------------------------------------------------------------------------------------------

void FakeRuntime::Breach(std::string text) {
  if (std::getenv("KUBELET_TEST_SEED") != nullptr) std::fprintf(stderr, "BREACH %s\n%s", text.c_str(), Dump().c_str());
  breaches_.push_back(std::move(text) + " at " + base::GoDuration(clock_.Mono() - base::MonoTime()));
}

std::string FakeRuntime::SubjectOfUid(const std::string& uid) const {
  for (const auto& [id, s] : sandboxes_) {
    if (s.sandbox.uid == uid) return s.sandbox.name + "/" + uid + "/";
  }
  return "/" + uid + "/";
}

std::string FakeRuntime::SubjectOf(const SandboxId& id) const {
  auto it = sandboxes_.find(id);
  return it == sandboxes_.end() ? id.str() : it->second.sandbox.name + "/" + it->second.sandbox.uid + "/";
}

std::string FakeRuntime::SubjectOf(const ContainerId& id) const {
  auto it = containers_.find(id);
  if (it == containers_.end()) return id.str();
  const auto& status = it->second.status;
  return PodOf(it->second) + "/" + Label(status.labels, runtime::kPodUidLabel) + "/" + status.name;
}

FakeRuntime::Decision FakeRuntime::Decide(const std::string& method, const std::string& subject) {
  Decision decision;
  for (auto it = faults_.begin(); it != faults_.end(); ++it) {
    if (!it->method.empty() && it->method != method) continue;
    if (!it->subject.empty() && !Contains(subject, it->subject)) continue;
    decision.fault = true;
    decision.kind = it->kind;
    decision.status = it->status;
    if (it->times > 0 && --it->times == 0) faults_.erase(it);
    break;
  }
  return decision;
}

absl::StatusOr<SandboxId> FakeRuntime::Run(const runtime::SandboxConfig& config) {
  for (const auto& [id, s] : sandboxes_) {
    if (s.sandbox.uid == config.uid && s.sandbox.attempt == config.attempt) {
      return absl::UnknownError("failed to reserve sandbox name: reserved for " + id.str());
    }
    // Only static pods exclude one another by name; a pod has one ready sandbox.
    bool overlap_allowed = s.sandbox.uid != config.uid && (FromApi(s.sandbox.annotations) || FromApi(config.annotations));
    if (s.sandbox.name == config.name && s.sandbox.namespace_ == config.namespace_ &&
        s.sandbox.state == SandboxState::kReady && !overlap_allowed) {
      Breach("a second ready sandbox of " + config.name + ": uid " + config.uid + " beside " + s.sandbox.uid);
    }
  }
  FakeSandbox made;
  auto& s = made.sandbox;
  s.id = SandboxId("s" + std::to_string(++next_id_));
  s.name = config.name;
  s.namespace_ = config.namespace_;
  s.uid = config.uid;
  s.attempt = config.attempt;
  s.state = SandboxState::kReady;
  s.created_at = clock_.Now();
  s.labels = config.labels;
  s.annotations = config.annotations;
  made.network = config.namespaces.network;
  if (made.network != runtime::NamespaceMode::kNode && ips_) made.ip = "10.88.0." + std::to_string(next_id_);
  sandboxes_[s.id] = made;
  Emit(RuntimeEventKind::kStarted, s.id.str(), s.uid);
  return s.id;
}

absl::StatusOr<ContainerId> FakeRuntime::Create(const SandboxId& id, const runtime::ContainerConfig& config) {
  auto sandbox = sandboxes_.find(id);
  if (sandbox == sandboxes_.end()) return absl::NotFoundError("sandbox " + id.str() + " not found");
  if (sandbox->second.sandbox.state != SandboxState::kReady) {
    return absl::FailedPreconditionError("sandbox " + id.str() + " is not running");
  }
  if (!images.contains(config.image)) return absl::NotFoundError("image " + config.image + " not found");
  for (const auto& [other, c] : containers_) {
    if (c.status.name == config.name && c.status.attempt == config.attempt &&
        Label(c.status.labels, runtime::kPodUidLabel) == sandbox->second.sandbox.uid) {
      return absl::UnknownError("failed to reserve container name: reserved for " + other.str());
    }
  }
  FakeContainer made;
  made.sandbox = id;
  auto& c = made.status;
  c.id = ContainerId("c" + std::to_string(++next_id_));
  c.name = config.name;
  c.attempt = config.attempt;
  c.state = ContainerState::kCreated;
  c.created_at = clock_.Now();
  c.image = config.user_specified_image;
  c.image_ref = config.image;
  c.labels = config.labels;
  c.annotations = config.annotations;
  c.stop_signal = config.stop_signal;
  made.namespaces = config.namespaces;
  containers_[c.id] = made;
  Emit(RuntimeEventKind::kCreated, c.id.str(), sandbox->second.sandbox.uid);
  return c.id;
}

absl::Status FakeRuntime::Start(const ContainerId& id) {
  auto it = containers_.find(id);
  if (it == containers_.end()) return absl::NotFoundError("container " + id.str() + " not found");
  FakeContainer& c = it->second;
  if (c.status.state != ContainerState::kCreated) return absl::FailedPreconditionError("container is not created");
  if (sandboxes_.at(c.sandbox).sandbox.state != SandboxState::kReady) {
    return absl::FailedPreconditionError("sandbox is not running");
  }
  const std::string pod = PodOf(c), uid = Label(c.status.labels, runtime::kPodUidLabel);
  for (const FakeContainer* other : Running(pod)) {
    bool same_pod = Label(other->status.labels, runtime::kPodUidLabel) == uid;
    bool overlap_allowed = FromApi(sandboxes_.at(c.sandbox).sandbox.annotations) ||
                           FromApi(sandboxes_.at(other->sandbox).sandbox.annotations);
    if (same_pod ? other->status.name == c.status.name : !overlap_allowed) {
      Breach("container " + pod + "/" + c.status.name + " starts before " + other->status.name + " of " +
             Label(other->status.labels, runtime::kPodUidLabel) + " has ended");
    }
  }
  auto [highest, first] = attempts_.try_emplace(uid + "/" + c.status.name, c.status.attempt);
  if (!first && c.status.attempt <= highest->second) {
    Breach("restartCount of " + pod + "/" + c.status.name + " went from " + std::to_string(highest->second) + " to " +
           std::to_string(c.status.attempt));
  }
  highest->second = std::max(highest->second, c.status.attempt);
  ++starts_[pod + "/" + c.status.name];
  c.status.state = ContainerState::kRunning;
  c.status.started_at = clock_.Now();
  Emit(RuntimeEventKind::kStarted, id.str(), uid);
  if (auto life = lives_.find(c.status.name); life != lives_.end()) {
    clock_.After(life->second.lives, [this, id, code = life->second.code] {
      auto again = containers_.find(id);
      if (again == containers_.end() || again->second.status.state != ContainerState::kRunning) return;
      End(again->second, code, code == 0 ? "Completed" : "Error");
    });
  }
  return absl::OkStatus();
}

void FakeRuntime::End(FakeContainer& c, int code, const std::string& reason) {
  c.status.state = ContainerState::kExited;
  c.status.exit_code = code;
  c.status.reason = reason;
  c.status.finished_at = clock_.Now();
  Emit(RuntimeEventKind::kStopped, c.status.id.str(), Label(c.status.labels, runtime::kPodUidLabel));
}

void FakeRuntime::Signalled(const ContainerId& id, std::chrono::seconds grace) {
  auto it = containers_.find(id);
  if (it == containers_.end() || it->second.status.state != ContainerState::kRunning) return;
  Signal signal{clock_.Mono(), it->second.status.name, grace};
  signals.push_back(std::move(signal));
}

void FakeRuntime::Remove(const ContainerId& id) {
  auto it = containers_.find(id);
  if (it == containers_.end()) return;
  if (it->second.status.state == ContainerState::kRunning) End(it->second, 137, "Error");
  std::string uid = Label(it->second.status.labels, runtime::kPodUidLabel);
  containers_.erase(it);
  Emit(RuntimeEventKind::kDeleted, id.str(), uid);
}

void FakeRuntime::StopSandbox(FakeSandbox& sandbox) {
  for (auto& [id, c] : containers_) {
    if (c.sandbox == sandbox.sandbox.id && c.status.state == ContainerState::kRunning) End(c, 137, "Error");
  }
  if (sandbox.sandbox.state == SandboxState::kNotReady) return;
  sandbox.sandbox.state = SandboxState::kNotReady;
  Emit(RuntimeEventKind::kStopped, sandbox.sandbox.id.str(), sandbox.sandbox.uid);
}

void FakeRuntime::Exit(const std::string& pod, const std::string& container, int code) {
  for (auto& [id, c] : containers_) {
    if (PodOf(c) != pod || c.status.name != container || c.status.state != ContainerState::kRunning) continue;
    End(c, code, code == 0 ? "Completed" : "Error");
  }
}

void FakeRuntime::BreakSandbox(const std::string& pod) {
  for (auto& [id, s] : sandboxes_) {
    if (s.sandbox.name != pod || s.sandbox.state != SandboxState::kReady) continue;
    s.sandbox.state = SandboxState::kNotReady;
    Emit(RuntimeEventKind::kStopped, id.str(), s.sandbox.uid);
  }
}

void FakeRuntime::AddForeignPod(const runtime::SandboxConfig& config,
                                const std::vector<runtime::ContainerConfig>& list) {
  auto id = Run(config);
  for (const auto& container : list) {
    images.insert(container.image);
    auto made = Create(*id, container);
    (void)Start(*made);
  }
}

void FakeRuntime::SetDown(bool down) {
  down_ = down;
  if (!down) return;
  for (auto* client : clients_) client->EndStream();
}

void FakeRuntime::Heal() {
  faults_.clear();
  lost_ = twice_ = late_ = 0;
  for (auto* client : clients_) {
    if (!client->cut()) client->Release();
  }
}

void FakeRuntime::SetEventFaults(int lost, int twice, int late, uint32_t seed) {
  lost_ = lost;
  twice_ = twice;
  late_ = late;
  random_.seed(seed);
}

void FakeRuntime::Emit(RuntimeEventKind kind, const std::string& id, const std::string& uid) {
  int times = 1;
  Nanos delay{0};
  int dice = static_cast<int>(random_() % 100);
  if (dice < lost_) return;
  if (dice < lost_ + twice_) {
    times = 2;
  } else if (dice < lost_ + twice_ + late_) {
    delay = std::chrono::seconds(1 + random_() % 30);
  }
  runtime::RuntimeEvent event;
  event.kind = kind;
  event.container_id = id;
  event.pod_uid = uid;
  for (int i = 0; i < times; ++i) {
    clock_.After(delay, [this, event] {
      for (auto* client : clients_) {
        if (client->on_event_ && !client->cut()) client->on_event_(event);
      }
    });
  }
}

size_t FakeRuntime::Count(const std::string& method, const std::string& subject) const {
  return static_cast<size_t>(std::count_if(calls.begin(), calls.end(), [&](const FakeCall& c) {
    return c.method == method && Contains(c.subject, subject);
  }));
}

int FakeRuntime::ReadySandboxes(const std::string& pod) const {
  return static_cast<int>(std::count_if(sandboxes_.begin(), sandboxes_.end(), [&](const auto& s) {
    return s.second.sandbox.name == pod && s.second.sandbox.state == SandboxState::kReady;
  }));
}

std::vector<const FakeContainer*> FakeRuntime::Running(const std::string& pod) const {
  std::vector<const FakeContainer*> running;
  for (const auto& [id, c] : containers_) {
    if (PodOf(c) == pod && c.status.state == ContainerState::kRunning) running.push_back(&c);
  }
  return running;
}

const FakeContainer* FakeRuntime::RunningOne(const std::string& pod, const std::string& container) const {
  const FakeContainer* found = nullptr;
  for (const FakeContainer* c : Running(pod)) {
    if (c->status.name != container) continue;
    if (found != nullptr) return nullptr;
    found = c;
  }
  return found;
}

size_t FakeRuntime::SizeOf(const std::string& pod) const {
  size_t n = 0;
  for (const auto& [id, s] : sandboxes_) n += s.sandbox.name == pod;
  for (const auto& [id, c] : containers_) n += PodOf(c) == pod;
  return n;
}

int FakeRuntime::Starts(const std::string& pod, const std::string& container) const {
  auto it = starts_.find(pod + "/" + container);
  return it == starts_.end() ? 0 : it->second;
}

void FakeRuntime::ForgetAttempts(const std::string& uid) {
  std::erase_if(attempts_, [&](const auto& entry) { return entry.first.rfind(uid + "/", 0) == 0; });
}

std::string FakeRuntime::Dump() const {
  static const char* const kStates[] = {"created", "running", "exited", "unknown"};
  std::ostringstream out;
  for (const auto& [id, s] : sandboxes_) {
    out << id << " " << s.sandbox.name << " uid " << s.sandbox.uid << " #" << s.sandbox.attempt
        << (s.sandbox.state == SandboxState::kReady ? " ready" : " not ready") << "\n";
  }
  for (const auto& [id, c] : containers_) {
    out << "  " << id << " " << SubjectOf(id) << " #" << c.status.attempt << " in " << c.sandbox << " "
        << kStates[static_cast<int>(c.status.state)] << " " << c.status.image << " exit " << c.status.exit_code << "\n";
  }
  return out.str();
}

}  // namespace kubelet::test
