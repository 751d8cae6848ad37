// The two gRPC services of a FakeCriServer: which call does what to the state.
#pragma once

#include <memory>

#include "cri/runtime/v1/api.grpc.pb.h"
#include "fakes/cri_server_call.h"
#include "fakes/cri_server_events.h"
#include "fakes/cri_server_state.h"

namespace kubelet::fakes {

struct ServiceDeps {
  const FakeCriOptions& options;
  Control& control;
  Timers& timers;
  CriState& state;
  EventHub& events;
};

std::unique_ptr<v1::RuntimeService::CallbackService> MakeRuntimeService(ServiceDeps deps);
std::unique_ptr<v1::ImageService::CallbackService> MakeImageService(ServiceDeps deps);

}  // namespace kubelet::fakes
