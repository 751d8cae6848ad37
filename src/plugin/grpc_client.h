// A small gRPC client of one unix socket: unary calls and server streams, on the core loop.
//
// Made when a plugin registers and gone with it; a connection that is lost does not come back by
// itself, since a plugin that restarts registers again. Core loop only, no thread of its own.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"

namespace kubelet::plugin {

class ClientLink;

// Throws when the task was cancelled: asio tells of that at the next co_await only, and by then
// what the task works on may have gone.
inline base::Task<void> ThrowIfCancelled() { co_return; }

class GrpcClient {
 public:
  // Tries until `timeout`: a plugin may register a moment before it listens. Unavailable says why
  // not.
  static base::Task<absl::StatusOr<std::unique_ptr<GrpcClient>>> Connect(base::Executor executor,
                                                                         base::Clock& clock,
                                                                         std::string path,
                                                                         base::Nanos timeout);
  ~GrpcClient();
  GrpcClient(const GrpcClient&) = delete;
  GrpcClient& operator=(const GrpcClient&) = delete;

  // `method` such as `/v1beta1.DevicePlugin/Allocate`. DeadlineExceeded after `timeout`,
  // Unavailable when the connection is lost, Cancelled by Close; else what the server answered.
  base::Task<absl::StatusOr<std::string>> Call(std::string method, std::string request,
                                               base::Nanos timeout);
  // Every message as it comes; returns when the stream ends, with its status.
  base::Task<absl::Status> Stream(std::string method, std::string request,
                                  std::function<void(std::string)> on_message);
  // What is under way ends with Cancelled.
  void Close();

 private:
  GrpcClient(base::Executor executor, base::Clock& clock, std::shared_ptr<ClientLink> link);
  base::Executor executor_;
  base::Clock& clock_;
  std::shared_ptr<ClientLink> link_;
};

}  // namespace kubelet::plugin
