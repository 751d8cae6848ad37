#include "fakes/device_plugin.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

namespace kubelet::test {
namespace {

template <typename Ids>
std::string Joined(const Ids& ids) {
  std::string out;
  for (const auto& id : ids) out += (out.empty() ? "" : ",") + id;
  return out;
}

}  // namespace

FakeDevicePlugin::FakeDevicePlugin(Options options) : options_(std::move(options)) {
  for (const auto& id : options_.devices) health_[id] = "Healthy";
}

FakeDevicePlugin::~FakeDevicePlugin() { Stop(); }

void FakeDevicePlugin::Start() {
  unlink(options_.socket.c_str());
  {
    std::lock_guard lock(mutex_);
    stopping_ = watch_fails_ = false;
  }
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix://" + options_.socket, grpc::InsecureServerCredentials());
  builder.RegisterService(static_cast<v1beta1::DevicePlugin::Service*>(this));
  builder.RegisterService(static_cast<pluginregistration::Registration::Service*>(this));
  server_ = builder.BuildAndStart();
}

void FakeDevicePlugin::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    hangs_.clear();
  }
  changed_.notify_all();
  if (!server_) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

grpc::Status FakeDevicePlugin::Register(const std::string& kubelet_socket,
                                        const std::string& version, const std::string& resource) {
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  auto channel = grpc::CreateCustomChannel("unix://" + kubelet_socket,
                                           grpc::InsecureChannelCredentials(), args);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  v1beta1::RegisterRequest request;
  request.set_version(version);
  request.set_endpoint(options_.socket.substr(options_.socket.rfind('/') + 1));
  request.set_resource_name(resource.empty() ? options_.resource : resource);
  v1beta1::Empty answer;
  return v1beta1::Registration::NewStub(channel)->Register(&context, request, &answer);
}

void FakeDevicePlugin::SetHealth(const std::string& id, const std::string& health) {
  std::lock_guard lock(mutex_);
  health_[id] = health;
  ++version_;
  changed_.notify_all();
}

void FakeDevicePlugin::RemoveDevice(const std::string& id) {
  std::lock_guard lock(mutex_);
  health_.erase(id);
  ++version_;
  changed_.notify_all();
}

void FakeDevicePlugin::FailWatch() {
  std::lock_guard lock(mutex_);
  watch_fails_ = true;
  changed_.notify_all();
}

void FakeDevicePlugin::Fail(const std::string& method, const std::string& message) {
  std::lock_guard lock(mutex_);
  failures_[method] = message;
}

void FakeDevicePlugin::Hang(const std::string& method) {
  std::lock_guard lock(mutex_);
  hangs_[method] = true;
}

void FakeDevicePlugin::LetGo() {
  std::lock_guard lock(mutex_);
  hangs_.clear();
  changed_.notify_all();
}

void FakeDevicePlugin::Prefer(std::vector<std::string> ids) {
  std::lock_guard lock(mutex_);
  preferred_ = std::move(ids);
}

std::vector<std::string> FakeDevicePlugin::Calls() const {
  std::lock_guard lock(mutex_);
  return calls_;
}

int FakeDevicePlugin::Entered(const std::string& method) const {
  std::lock_guard lock(mutex_);
  auto found = entered_.find(method);
  return found == entered_.end() ? 0 : found->second;
}

std::optional<std::string> FakeDevicePlugin::Told() const {
  std::lock_guard lock(mutex_);
  return told_;
}

grpc::Status FakeDevicePlugin::Enter(const std::string& method, const std::string& text) {
  std::unique_lock lock(mutex_);
  ++entered_[method];
  if (!text.empty()) calls_.push_back(method + " " + text);
  changed_.wait(lock, [&] { return !hangs_.contains(method); });
  auto failure = failures_.find(method);
  if (failure == failures_.end()) return grpc::Status::OK;
  return grpc::Status(grpc::StatusCode::UNKNOWN, failure->second);
}

grpc::Status FakeDevicePlugin::GetDevicePluginOptions(Context*, const v1beta1::Empty*,
                                                      v1beta1::DevicePluginOptions* out) {
  out->set_pre_start_required(options_.pre_start);
  out->set_get_preferred_allocation_available(options_.preferred);
  return Enter("GetDevicePluginOptions");
}

grpc::Status FakeDevicePlugin::ListAndWatch(
    Context* context, const v1beta1::Empty*,
    grpc::ServerWriter<v1beta1::ListAndWatchResponse>* writer) {
  auto entered = Enter("ListAndWatch");
  if (!entered.ok()) return entered;
  std::unique_lock lock(mutex_);
  for (int seen = 0;;) {
    // A caller that went shows only when somebody looks.
    changed_.wait_for(lock, std::chrono::milliseconds(200),
                      [&] { return seen != version_ || stopping_ || watch_fails_; });
    if (stopping_ || context->IsCancelled()) return grpc::Status::OK;
    if (watch_fails_) return grpc::Status(grpc::StatusCode::INTERNAL, "the watch has failed");
    if (seen == version_) continue;
    seen = version_;
    v1beta1::ListAndWatchResponse answer;
    for (const auto& [id, health] : health_) {
      auto* device = answer.add_devices();
      device->set_id(id);
      device->set_health(health);
      auto node = options_.node_of.find(id);
      if (node != options_.node_of.end())
        device->mutable_topology()->add_nodes()->set_id(node->second);
    }
    lock.unlock();
    if (!writer->Write(answer)) return grpc::Status::OK;
    lock.lock();
  }
}

grpc::Status FakeDevicePlugin::GetPreferredAllocation(
    Context*, const v1beta1::PreferredAllocationRequest* request,
    v1beta1::PreferredAllocationResponse* out) {
  const auto& wish = request->container_requests(0);
  auto entered =
      Enter("GetPreferredAllocation", Joined(wish.available_deviceids()) + " must " +
                                          Joined(wish.must_include_deviceids()) + " size " +
                                          std::to_string(wish.allocation_size()));
  std::lock_guard lock(mutex_);
  auto* answer = out->add_container_responses();
  for (const auto& id : preferred_) answer->add_deviceids(id);
  return entered;
}

grpc::Status FakeDevicePlugin::Allocate(Context*, const v1beta1::AllocateRequest* request,
                                        v1beta1::AllocateResponse* out) {
  const auto& ids = request->container_requests(0).devices_ids();
  auto* answer = out->add_container_responses();
  (*answer->mutable_envs())[options_.env] = Joined(ids);
  (*answer->mutable_annotations())["example.com/ids"] = Joined(ids);
  for (const auto& [host, inside] : options_.mounts) {
    auto* mount = answer->add_mounts();
    mount->set_host_path(host);
    mount->set_container_path(inside);
    mount->set_read_only(true);
  }
  for (const auto& [host, inside] : options_.nodes) {
    auto* node = answer->add_devices();
    node->set_host_path(host);
    node->set_container_path(inside);
    node->set_permissions("rw");
  }
  if (!options_.cdi.empty()) answer->add_cdi_devices()->set_name(options_.cdi);
  return Enter("Allocate", Joined(ids));
}

grpc::Status FakeDevicePlugin::PreStartContainer(Context*,
                                                 const v1beta1::PreStartContainerRequest* request,
                                                 v1beta1::PreStartContainerResponse*) {
  return Enter("PreStartContainer", Joined(request->devices_ids()));
}

grpc::Status FakeDevicePlugin::GetInfo(Context*, const pluginregistration::InfoRequest*,
                                       pluginregistration::PluginInfo* out) {
  out->set_type("DevicePlugin");
  out->set_name(options_.resource);
  out->add_supported_versions("v1beta1");
  return Enter("GetInfo");
}

grpc::Status FakeDevicePlugin::NotifyRegistrationStatus(
    Context*, const pluginregistration::RegistrationStatus* status,
    pluginregistration::RegistrationStatusResponse*) {
  std::lock_guard lock(mutex_);
  told_ = status->plugin_registered() ? "" : status->error();
  return grpc::Status::OK;
}

}  // namespace kubelet::test
