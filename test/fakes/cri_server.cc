#include "fakes/cri_server.h"

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include "fakes/cri_server_service.h"

namespace kubelet::fakes {

struct FakeCriServer::State {
  explicit State(FakeCriOptions o)
      : options(std::move(o)),
        events(timers),
        state(options, timers,
              [this](const v1::ContainerEventResponse& event) { events.Publish(event); }) {
    for (const auto& [method, delay] : options.delays) control.SetDelay(method, delay);
  }

  FakeCriOptions options;
  Control control;
  Timers timers;
  EventHub events;
  CriState state;
  std::unique_ptr<v1::RuntimeService::CallbackService> runtime_service;
  std::unique_ptr<v1::ImageService::CallbackService> image_service;
  std::unique_ptr<grpc::Server> server;
};

FakeCriServer::FakeCriServer(FakeCriOptions options)
    : state_(std::make_unique<State>(std::move(options))) {}

FakeCriServer::~FakeCriServer() {
  Stop();
  state_->timers.Stop();
}

bool FakeCriServer::Start() {
  auto& s = *state_;
  ::unlink(s.options.socket.c_str());
  ServiceDeps deps{s.options, s.control, s.timers, s.state, s.events};
  s.runtime_service = MakeRuntimeService(deps);
  s.image_service = MakeImageService(deps);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + s.options.socket, grpc::InsecureServerCredentials());
  builder.SetMaxReceiveMessageSize(16 * 1024 * 1024);
  builder.RegisterService(s.runtime_service.get());
  builder.RegisterService(s.image_service.get());
  s.server = builder.BuildAndStart();
  return s.server != nullptr && ::access(s.options.socket.c_str(), F_OK) == 0;
}

void FakeCriServer::Stop() {
  auto& s = *state_;
  if (!s.server) return;
  // In the past: calls in flight are cut off, as by a killed runtime.
  s.server->Shutdown(std::chrono::system_clock::now());
  s.server.reset();
  ::unlink(s.options.socket.c_str());
}

const std::string& FakeCriServer::socket() const { return state_->options.socket; }

std::vector<FakeCall> FakeCriServer::calls() const { return state_->control.calls(); }

size_t FakeCriServer::Count(const std::string& method) const {
  size_t count = 0;
  for (const auto& call : calls()) count += call.method == method ? 1 : 0;
  return count;
}

void FakeCriServer::ClearCalls() { state_->control.ClearCalls(); }
std::string FakeCriServer::LastRequest(const std::string& method) const {
  return state_->control.LastRequest(method);
}

std::shared_ptr<Gate> FakeCriServer::Block(const std::string& method, const std::string& subject) {
  return state_->control.Block(method, subject);
}
void FakeCriServer::Inject(Fault fault) { state_->control.Inject(std::move(fault)); }
void FakeCriServer::ClearFaults() { state_->control.ClearFaults(); }
void FakeCriServer::SetDelay(const std::string& method, Nanos delay) {
  state_->control.SetDelay(method, delay);
}

void FakeCriServer::SetEventPolicy(EventPolicy policy) { state_->events.SetPolicy(policy); }
void FakeCriServer::BreakEventStreams(int code) {
  state_->events.Break({static_cast<grpc::StatusCode>(code), "event stream broken"});
}
size_t FakeCriServer::EventStreams() const { return state_->events.streams(); }

void FakeCriServer::SendEvent(const std::string& pod_uid, const std::string& container_id) {
  v1::ContainerEventResponse event;
  event.set_container_id(container_id);
  event.set_container_event_type(v1::CONTAINER_STARTED_EVENT);
  if (!pod_uid.empty()) event.mutable_pod_sandbox_status()->mutable_metadata()->set_uid(pod_uid);
  state_->events.Publish(event);
}

void FakeCriServer::AddImage(const std::string& name, ImageSpec spec) {
  state_->state.AddImage(name, std::move(spec));
}
std::vector<FakeContainer> FakeCriServer::Containers() const { return state_->state.Containers(); }
size_t FakeCriServer::SandboxCount() const { return state_->state.SandboxCount(); }
bool FakeCriServer::ExitContainer(const std::string& id, int exit_code, const std::string& reason) {
  return state_->state.Exit(id, exit_code, reason);
}
bool FakeCriServer::KillSandbox(const std::string& id) { return state_->state.KillSandbox(id); }

}  // namespace kubelet::fakes
