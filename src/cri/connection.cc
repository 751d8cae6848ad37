#include "kubelet/cri/connection.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <sys/un.h>

#include "cri/core.h"

namespace kubelet::cri {
namespace {

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& target) {
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(16 * 1024 * 1024);
  args.SetMaxSendMessageSize(16 * 1024 * 1024);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 3000);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);  // what one attempt to connect may take
  // A local socket tells when its peer is gone: no pings, no proxy, no service config, no retries
  // behind our back.
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, INT_MAX);
  args.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  args.SetInt(GRPC_ARG_MAX_CHANNEL_TRACE_EVENT_MEMORY_PER_NODE, 0);
  // Channels of one process otherwise share connections and their back-off by address.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // An idle channel must not close: the next call would pay for a new connection.
  args.SetInt(GRPC_ARG_CLIENT_IDLE_TIMEOUT_MS, INT_MAX);
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), args);
}

}  // namespace

absl::Status ToAbsl(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

absl::StatusOr<std::string> ParseEndpoint(const std::string& endpoint) {
  std::string path = endpoint;
  for (const char* prefix : {"unix://", "unix:"}) {
    if (path.rfind(prefix, 0) == 0) {
      path.erase(0, std::string(prefix).size());
      break;
    }
  }
  if (path.empty() || path[0] != '/') {
    return absl::InvalidArgumentError(
        "container runtime endpoint \"" + endpoint +
        "\": only unix sockets with an absolute path are supported, such as "
        "unix:///run/containerd/containerd.sock");
  }
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return absl::InvalidArgumentError("container runtime endpoint \"" + endpoint +
                                      "\": a socket path has at most 107 bytes");
  }
  return "unix://" + path;
}

CriConnection::Core::Core(base::Executor e, base::Clock& c, Options o)
    : executor(std::move(e)), clock(c), options(std::move(o)) {
  auto channel = MakeChannel(options.endpoint);
  runtime = v1::RuntimeService::NewStub(channel);
  if (options.image_endpoint != options.endpoint) channel = MakeChannel(options.image_endpoint);
  images = v1::ImageService::NewStub(channel);
  runtime_streams_lists = images_streams_lists = options.list_streaming;
  thread_ = std::thread([this] {
    void* tag = nullptr;
    for (bool ok = false; queue.Next(&tag, &ok);) Completion::Take(tag).Complete(ok);
  });
}

CriConnection::Core::~Core() {
  queue.Shutdown();
  thread_.join();
}

bool CriConnection::Core::Add(std::shared_ptr<InFlight> call) {
  std::lock_guard lock(mutex_);
  if (closed_) return false;
  auto* key = call.get();
  calls_.emplace(key, std::move(call));
  return true;
}

void CriConnection::Core::Remove(InFlight* call) {
  std::lock_guard lock(mutex_);
  calls_.erase(call);
  if (calls_.empty()) empty_.notify_all();
}

void CriConnection::Core::CancelAllAndWait() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  auto calls = calls_;
  lock.unlock();  // gRPC may run a final callback, and with it Remove, inside Cancel
  for (const auto& [key, call] : calls) call->Cancel();
  lock.lock();
  empty_.wait(lock, [this] { return calls_.empty(); });
}

size_t CriConnection::Core::size() const {
  std::lock_guard lock(mutex_);
  return calls_.size();
}

absl::StatusOr<std::unique_ptr<CriConnection>> CriConnection::Create(base::Executor executor,
                                                                     base::Clock& clock,
                                                                     Options options) {
  auto endpoint = ParseEndpoint(options.endpoint);
  if (!endpoint.ok()) return endpoint.status();
  auto image_endpoint =
      options.image_endpoint.empty() ? endpoint : ParseEndpoint(options.image_endpoint);
  if (!image_endpoint.ok()) return image_endpoint.status();
  options.endpoint = *endpoint;
  options.image_endpoint = *image_endpoint;
  auto core = std::make_shared<Core>(std::move(executor), clock, std::move(options));
  return std::unique_ptr<CriConnection>(new CriConnection(std::move(core)));
}

CriConnection::CriConnection(std::shared_ptr<Core> core) : core_(std::move(core)) {}

CriConnection::~CriConnection() { core_->CancelAllAndWait(); }

size_t CriConnection::in_flight() const { return core_->size(); }

}  // namespace kubelet::cri
