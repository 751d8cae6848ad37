// gRPC's side of a CriConnection: channels, stubs and the register of what is in flight.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "cri/runtime/v1/api.grpc.pb.h"
#include "kubelet/cri/connection.h"

namespace kubelet::cri {

namespace v1 = ::runtime::v1;

// 1:1 by number: both enumerations are google.rpc.Code. The message is kept; an OK drops it.
absl::Status ToAbsl(const grpc::Status& status);

// Something gRPC has not finished with. Cancel may be called from any thread, also after the end.
class InFlight {
 public:
  virtual ~InFlight() = default;
  virtual void Cancel() = 0;
};

struct CriConnection::Core {
  Core(base::Executor e, base::Clock& c, Options o);

  base::Executor executor;
  base::Clock& clock;
  Options options;
  std::unique_ptr<v1::RuntimeService::Stub> runtime;
  std::unique_ptr<v1::ImageService::Stub> images;

  // Thread safe. A final callback does nothing after Remove, and until then holds the call through
  // this register only: what it kept longer would keep the channel, and a channel must not end on a
  // gRPC thread (1.51 then joins that thread to itself).
  // False once the connection is being destroyed: the call must not start.
  bool Add(std::shared_ptr<InFlight> call);
  void Remove(InFlight* call);
  void CancelAllAndWait();
  size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable empty_;
  std::map<InFlight*, std::shared_ptr<InFlight>> calls_;
  bool closed_ = false;
};

}  // namespace kubelet::cri
