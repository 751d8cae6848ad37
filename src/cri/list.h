// The lists of CRI, each in one answer or as a stream of parts.
//
// A list is described by a type: its two methods, where the items lie in an answer and in a part,
// and which service has them. Include from the sources of the ports only.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cri/call.h"
#include "cri/convert.h"
#include "kubelet/base/log.h"

namespace kubelet::cri {

struct RuntimeLists {
  using Stub = v1::RuntimeService::Stub;
  static Stub* Service(CriConnection::Core& core) { return core.runtime.get(); }
  static bool& Streams(CriConnection::Core& core) { return core.runtime_streams_lists; }
};
struct ImageLists {
  using Stub = v1::ImageService::Stub;
  static Stub* Service(CriConnection::Core& core) { return core.images.get(); }
  static bool& Streams(CriConnection::Core& core) { return core.images_streams_lists; }
};

struct SandboxList : RuntimeLists {
  using Request = v1::ListPodSandboxRequest;
  using Answer = v1::ListPodSandboxResponse;
  using StreamRequest = v1::StreamPodSandboxesRequest;
  using Part = v1::StreamPodSandboxesResponse;
  static constexpr const char* kOperation = "list_podsandbox";
  static constexpr auto kWhole = &Stub::PrepareAsyncListPodSandbox;
  static constexpr auto kStream = &Stub::PrepareAsyncStreamPodSandboxes;
  static const auto& Items(const Answer& answer) { return answer.items(); }
  static const auto& Items(const Part& part) { return part.pod_sandboxes(); }
};

struct ContainerList : RuntimeLists {
  using Request = v1::ListContainersRequest;
  using Answer = v1::ListContainersResponse;
  using StreamRequest = v1::StreamContainersRequest;
  using Part = v1::StreamContainersResponse;
  static constexpr const char* kOperation = "list_containers";
  static constexpr auto kWhole = &Stub::PrepareAsyncListContainers;
  static constexpr auto kStream = &Stub::PrepareAsyncStreamContainers;
  static const auto& Items(const Answer& answer) { return answer.containers(); }
  static const auto& Items(const Part& part) { return part.containers(); }
};

struct ContainerStatsList : RuntimeLists {
  using Request = v1::ListContainerStatsRequest;
  using Answer = v1::ListContainerStatsResponse;
  using StreamRequest = v1::StreamContainerStatsRequest;
  using Part = v1::StreamContainerStatsResponse;
  static constexpr const char* kOperation = "list_container_stats";
  static constexpr auto kWhole = &Stub::PrepareAsyncListContainerStats;
  static constexpr auto kStream = &Stub::PrepareAsyncStreamContainerStats;
  static const auto& Items(const Answer& answer) { return answer.stats(); }
  static const auto& Items(const Part& part) { return part.container_stats(); }
};

struct SandboxStatsList : RuntimeLists {
  using Request = v1::ListPodSandboxStatsRequest;
  using Answer = v1::ListPodSandboxStatsResponse;
  using StreamRequest = v1::StreamPodSandboxStatsRequest;
  using Part = v1::StreamPodSandboxStatsResponse;
  static constexpr const char* kOperation = "list_podsandbox_stats";
  static constexpr auto kWhole = &Stub::PrepareAsyncListPodSandboxStats;
  static constexpr auto kStream = &Stub::PrepareAsyncStreamPodSandboxStats;
  static const auto& Items(const Answer& answer) { return answer.stats(); }
  static const auto& Items(const Part& part) { return part.pod_sandbox_stats(); }
};

struct SandboxMetricsList : RuntimeLists {
  using Request = v1::ListPodSandboxMetricsRequest;
  using Answer = v1::ListPodSandboxMetricsResponse;
  using StreamRequest = v1::StreamPodSandboxMetricsRequest;
  using Part = v1::StreamPodSandboxMetricsResponse;
  static constexpr const char* kOperation = "list_podsandbox_metrics";
  static constexpr auto kWhole = &Stub::PrepareAsyncListPodSandboxMetrics;
  static constexpr auto kStream = &Stub::PrepareAsyncStreamPodSandboxMetrics;
  static const auto& Items(const Answer& answer) { return answer.pod_metrics(); }
  static const auto& Items(const Part& part) { return part.pod_sandbox_metrics(); }
};

struct ImageList : ImageLists {
  using Request = v1::ListImagesRequest;
  using Answer = v1::ListImagesResponse;
  using StreamRequest = v1::StreamImagesRequest;
  using Part = v1::StreamImagesResponse;
  static constexpr const char* kOperation = "list_images";
  static constexpr auto kWhole = &Stub::PrepareAsyncListImages;
  static constexpr auto kStream = &Stub::PrepareAsyncStreamImages;
  static const auto& Items(const Answer& answer) { return answer.images(); }
  static const auto& Items(const Part& part) { return part.images(); }
};

// What FromProto makes of an item of `List`.
template <typename List>
using ItemOf =
    decltype(FromProto(*List::Items(std::declval<const typename List::Answer&>()).begin()));

// The filter goes over from one kind of request to the other.
template <typename List>
base::Task<absl::StatusOr<std::vector<ItemOf<List>>>> ListAll(
    std::shared_ptr<CriConnection::Core> core, typename List::Request request) {
  std::vector<ItemOf<List>> items;
  if (List::Streams(*core)) {
    auto stream = std::make_shared<StreamCall<typename List::StreamRequest, typename List::Part>>();
    if constexpr (requires { request.filter(); })
      *stream->request.mutable_filter() = request.filter();
    absl::Status status = co_await Invoke(core, List::kOperation, List::Service(*core),
                                          List::kStream, stream, core->options.request_timeout);
    if (status.ok()) {
      for (const auto& part : stream->parts)
        for (const auto& item : List::Items(part)) items.push_back(FromProto(item));
      co_return items;
    }
    if (!absl::IsUnimplemented(status)) co_return status;
    if (std::exchange(List::Streams(*core), false)) {
      LOG_INFO("The runtime cannot stream its lists; they are asked for in one piece", "operation",
               List::kOperation);
    }
  }
  auto call = NewCall<typename List::Request, typename List::Answer>();
  call->request = std::move(request);
  absl::Status status = co_await Invoke(core, List::kOperation, List::Service(*core), List::kWhole,
                                        call, core->options.request_timeout);
  if (!status.ok()) co_return status;
  const auto& found = List::Items(call->response);
  items.reserve(static_cast<size_t>(found.size()));
  for (const auto& item : found) items.push_back(FromProto(item));
  co_return items;
}

}  // namespace kubelet::cri
