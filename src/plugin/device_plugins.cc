#include "kubelet/plugin/device_plugins.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <optional>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/file.h"
#include "plugin/grpc_client.h"
#include "plugin/grpc_server.h"
#include "plugin/grpc_wire.h"

namespace kubelet::plugin {

using base::Message;
using base::Task;

namespace {

constexpr char kVersion[] = "v1beta1";
constexpr char kService[] = "/v1beta1.DevicePlugin/";

// The words of upstream's server; a Go server's plain errors have the code Unknown.
absl::Status Refuse(const std::string& why) { return absl::UnknownError(why); }

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

// Only sockets: the checkpoint lies there too.
void RemoveSockets(const std::string& directory) {
  auto listed = os::ListDirectory(directory);
  if (!listed.ok()) return;
  for (const auto& name : listed->names) {
    const std::string path = directory + "/" + name;
    struct stat info {};
    if (lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) continue;
    if (unlink(path.c_str()) != 0)
      LOG_ERROR("Cannot remove the socket of an earlier device plugin", "path", path, "err",
                base::ErrnoStatus(errno, "unlink"));
  }
}

bool IsQualifiedPart(const std::string& text, size_t max) {
  auto plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  return !text.empty() && text.size() <= max && plain(text.front()) && plain(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return plain(c) || c == '-' || c == '_' || c == '.'; });
}

bool IsDomain(const std::string& text) {
  if (text.empty() || text.size() > 253 || text.back() == '.') return false;
  size_t begin = 0;
  for (size_t end = 0; end != std::string::npos; begin = end + 1) {
    end = text.find('.', begin);
    std::string label = text.substr(begin, end == std::string::npos ? end : end - begin);
    bool fine = IsQualifiedPart(label, 253) && std::none_of(label.begin(), label.end(), [](char c) {
                  return c == '_' || std::isupper(static_cast<unsigned char>(c)) != 0;
                });
    if (!fine) return false;
  }
  return true;
}

}  // namespace

bool IsExtendedResourceName(const std::string& name) {
  size_t slash = name.find('/');
  if (slash == std::string::npos || name.rfind("requests.", 0) == 0) return false;
  std::string domain = name.substr(0, slash);
  if (name.find("kubernetes.io/") != std::string::npos) return false;
  // Its quota is named with a prefix, which has to fit too.
  return IsDomain("requests." + domain) && IsQualifiedPart(name.substr(slash + 1), 63);
}

class DevicePlugins::Client : public resource::DevicePlugin {
 public:
  Client(const DevicePlugins::Options& limits, std::unique_ptr<GrpcClient> connection,
         std::string endpoint)
      : endpoint(std::move(endpoint)), limits_(limits), connection_(std::move(connection)) {}

  Task<absl::Status> FetchOptions() {
    auto answer = co_await Call("GetDevicePluginOptions", v1beta1::Empty().SerializeAsString(),
                                limits_.options);
    if (!answer.ok()) co_return answer.status();
    v1beta1::DevicePluginOptions options;
    if (!options.ParseFromString(*answer)) co_return Garbled();
    options_ = {options.pre_start_required(), options.get_preferred_allocation_available()};
    co_return absl::OkStatus();
  }
  Task<absl::Status> Watch(std::function<void(std::string)> on_message) {
    co_return co_await connection_->Stream(std::string(kService) + "ListAndWatch", "",
                                           std::move(on_message));
  }
  void Close() {
    closed_ = true;
    connection_->Close();
  }
  bool closed() const { return closed_; }

  Options options() const override { return options_; }
  Task<absl::StatusOr<std::vector<std::string>>> Preferred(std::vector<std::string> available,
                                                           std::vector<std::string> must_include,
                                                           int size) override {
    v1beta1::PreferredAllocationRequest request;
    auto* wish = request.add_container_requests();
    for (auto& id : available) wish->add_available_deviceids(std::move(id));
    for (auto& id : must_include) wish->add_must_include_deviceids(std::move(id));
    wish->set_allocation_size(size);
    auto bytes =
        co_await Call("GetPreferredAllocation", request.SerializeAsString(), limits_.allocate);
    if (!bytes.ok()) co_return bytes.status();
    v1beta1::PreferredAllocationResponse answer;
    if (!answer.ParseFromString(*bytes)) co_return Garbled();
    std::vector<std::string> ids;
    if (answer.container_responses_size() > 0) {
      const auto& chosen = answer.container_responses(0).deviceids();
      ids.assign(chosen.begin(), chosen.end());
    }
    co_return ids;
  }
  Task<absl::StatusOr<v1beta1::AllocateResponse>> Allocate(std::vector<std::string> ids) override {
    v1beta1::AllocateRequest request;
    auto* container = request.add_container_requests();
    for (auto& id : ids) container->add_devices_ids(std::move(id));
    auto bytes = co_await Call("Allocate", request.SerializeAsString(), limits_.allocate);
    if (!bytes.ok()) co_return bytes.status();
    v1beta1::AllocateResponse answer;
    if (!answer.ParseFromString(*bytes)) co_return Garbled();
    co_return answer;
  }
  Task<absl::Status> PreStart(std::vector<std::string> ids) override {
    v1beta1::PreStartContainerRequest request;
    for (auto& id : ids) request.add_devices_ids(std::move(id));
    auto bytes = co_await Call("PreStartContainer", request.SerializeAsString(), limits_.pre_start);
    co_return bytes.status();
  }

  const std::string endpoint;

 private:
  static absl::Status Garbled() {
    return absl::InternalError("rpc error: code = Internal desc = the answer cannot be read");
  }
  Task<absl::StatusOr<std::string>> Call(std::string method, std::string request,
                                         base::Nanos timeout) {
    auto answer = co_await connection_->Call(kService + method, std::move(request), timeout);
    if (answer.ok()) co_return answer;
    co_return absl::Status(answer.status().code(), RpcErrorText(answer.status()));
  }

  const DevicePlugins::Options& limits_;
  std::unique_ptr<GrpcClient> connection_;
  Options options_;
  bool closed_ = false;
};

DevicePlugins::DevicePlugins(Deps deps, Options options)
    : deps_(std::move(deps)), options_(std::move(options)), scope_(deps_.executor) {
  if (deps_.metrics == nullptr) return;
  registrations_ = &deps_.metrics->AddCounter(
      "kubelet_device_plugin_registration_total",
      "Cumulative number of device plugin registrations. Broken down by resource name.",
      {"resource_name"});
}

DevicePlugins::~DevicePlugins() { Stop(); }

absl::Status DevicePlugins::Start() {
  health_ = os::MakeDirectories(options_.directory, 0750);
  if (health_.ok()) {
    RemoveSockets(options_.directory);
    GrpcServer::Methods methods;
    methods["/v1beta1.Registration/Register"] = [this](std::string request) {
      return Answer(std::move(request));
    };
    server_ = std::make_unique<GrpcServer>(deps_.executor, options_.directory + "/kubelet.sock",
                                           std::move(methods));
    health_ = server_->Start();
  }
  if (!health_.ok()) {
    health_ = base::Annotate(health_,
                             "device registration error: device plugin registration gRPC server "
                             "failed and no device plugins can register");
  }
  return health_;
}

void DevicePlugins::Stop() {
  if (server_) server_->Stop();
  for (const auto& [resource, client] : std::exchange(clients_, {})) client->Close();
}

Task<absl::StatusOr<std::string>> DevicePlugins::Answer(std::string bytes) {
  v1beta1::RegisterRequest request;
  if (!request.ParseFromString(bytes)) co_return absl::InternalError("the request cannot be read");
  const std::string resource = request.resource_name();
  LOG_INFO("Got registration request from device plugin with resource", "resourceName", resource);
  if (registrations_ != nullptr) registrations_->With({resource}).Add();
  absl::Status status;
  if (request.version() != kVersion) {
    status =
        Refuse("requested API version " + Quoted(request.version()) +
               " is not supported by kubelet. Supported version is [" + Quoted(kVersion) + "]");
  } else if (!IsExtendedResourceName(resource)) {
    status = Refuse("the ResourceName " + Quoted(resource) + " is invalid");
  } else {
    status = co_await Register(resource, options_.directory + "/" + request.endpoint());
  }
  if (status.ok()) co_return v1beta1::Empty().SerializeAsString();
  LOG_ERROR("Device plugin cannot be registered", "resourceName", resource, "endpoint",
            request.endpoint(), "err", status);
  co_return status;
}

absl::Status DevicePlugins::Validate(const std::string& name,
                                     const std::vector<std::string>& versions) {
  if (std::find(versions.begin(), versions.end(), kVersion) == versions.end()) {
    std::string list;
    for (const auto& version : versions) list += (list.empty() ? "" : " ") + version;
    return absl::InvalidArgumentError("manager version, " + std::string(kVersion) +
                                      ", is not among plugin supported versions [" + list + "]");
  }
  if (!IsExtendedResourceName(name))
    return absl::InvalidArgumentError("invalid name of device plugin socket: the ResourceName " +
                                      Quoted(name) + " is invalid");
  return absl::OkStatus();
}

// The one before keeps the resource until the new one has answered.
Task<absl::Status> DevicePlugins::Register(std::string resource, std::string endpoint) {
  auto connection =
      co_await GrpcClient::Connect(deps_.executor, deps_.clock, endpoint, options_.dial);
  if (!connection.ok())
    co_return Refuse("failed to dial device plugin: " + Message(connection.status()));
  auto client = std::make_shared<Client>(options_, *std::move(connection), endpoint);
  auto options = co_await client->FetchOptions();
  if (!options.ok()) co_return Refuse("failed to get device plugin options: " + Message(options));
  auto before = clients_.find(resource);
  ClientPtr old = before == clients_.end() ? nullptr : before->second;
  clients_[resource] = client;
  deps_.devices.Connected(resource, client);
  if (old) old->Close();
  LOG_INFO("Device plugin connected", "resourceName", resource, "endpoint", endpoint);
  scope_.Spawn("device plugin " + resource, Follow(resource, client));
  co_return absl::OkStatus();
}

Task<void> DevicePlugins::Follow(std::string resource, ClientPtr client) {
  std::function<void(std::string)> on_message = [this, resource,
                                                 plugin = client.get()](std::string bytes) {
    v1beta1::ListAndWatchResponse list;
    if (!list.ParseFromString(bytes)) {
      LOG_ERROR("Device plugin sent a list that cannot be read; the one before counts",
                "resourceName", resource);
      return;
    }
    std::vector<resource::Device> devices;
    for (const auto& device : list.devices()) {
      auto& out = devices.emplace_back();
      out.id = device.id();
      out.healthy = device.health() == "Healthy";
      for (const auto& node : device.topology().nodes()) out.nodes.push_back(node.id());
    }
    deps_.devices.Listed(resource, plugin, std::move(devices));
  };
  absl::Status end = co_await client->Watch(std::move(on_message));
  if (client->closed()) co_return;  // by us: whoever did it has seen to the rest
  LOG_WARNING("ListAndWatch ended for device plugin", "resource", resource, "err",
              RpcErrorText(end));
  Leave(resource, client);
}

void DevicePlugins::Leave(const std::string& resource, const ClientPtr& client) {
  auto it = clients_.find(resource);
  if (it != clients_.end() && it->second == client) clients_.erase(it);
  client->Close();
  deps_.devices.Disconnected(resource, client.get());
}

void DevicePlugins::Deregister(const std::string& name, const std::string& endpoint) {
  auto it = clients_.find(name);
  if (it == clients_.end() || it->second->endpoint != endpoint) return;
  ClientPtr client = it->second;
  Leave(name, client);
}

}  // namespace kubelet::plugin
