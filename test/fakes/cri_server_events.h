// The event streams of a FakeCriServer, and what goes wrong on them. Thread safe.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "cri/runtime/v1/api.pb.h"
#include "fakes/cri_server.h"
#include "fakes/cri_server_timers.h"

namespace kubelet::fakes {

namespace v1 = ::runtime::v1;

class EventHub {
 public:
  explicit EventHub(Timers& timers) : timers_(timers) {}
  // A new stream; one that ends at once when `refused` is an error.
  grpc::ServerWriteReactor<v1::ContainerEventResponse>* Open(const grpc::Status& refused);
  void Publish(const v1::ContainerEventResponse& event);
  void SetPolicy(EventPolicy policy);
  void Break(const grpc::Status& status);
  size_t streams() const;

 private:
  class Stream;
  void Send(const v1::ContainerEventResponse& event);
  void Gone(Stream* stream);

  Timers& timers_;
  mutable std::mutex mutex_;
  EventPolicy policy_;
  std::vector<v1::ContainerEventResponse> collected_;
  std::set<Stream*> streams_;
};

}  // namespace kubelet::fakes
