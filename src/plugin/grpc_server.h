// A small gRPC server on a unix socket: unary calls, answered on the core loop.
//
// gRPC's own server would need a completion queue with a thread that sleeps in it, for calls that
// come a few times a day; this one costs a socket. No compression, no metadata, no streams. Core
// loop only; handlers are coroutines, and one that takes long delays its caller only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"

namespace kubelet::plugin {

class GrpcServer {
 public:
  // Bytes of the request message in, of the answer out; an error becomes the call's status.
  using Handler = std::function<base::Task<absl::StatusOr<std::string>>(std::string)>;
  // By path, such as `/v1beta1.Registration/Register`.
  using Methods = std::map<std::string, Handler>;

  GrpcServer(base::Executor executor, std::string path, Methods methods);
  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  // Listens; whatever lies at the path is replaced. InvalidArgument: the path is too long for a
  // socket; else as the system says.
  absl::Status Start();
  // Ends all connections and removes the socket.
  void Stop();
  size_t connections() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace kubelet::plugin
