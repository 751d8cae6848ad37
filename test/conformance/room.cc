#include "conformance/room.h"

#include "kubelet/api/codec.h"
#include "kubelet/api/defaults.h"
#include "kubelet/api/pod.h"
#include "kubelet/api/types.h"

namespace kubelet::conformance {
namespace {

int64_t MilliCpusOfPod(const Json& given) {
  PodContext context{"p", "ns", "node", "image", "/case"};
  api::core::Pod pod;
  if (!api::DecodeJson(boost::json::serialize(ExpandPod(given, context)), pod).ok()) return 0;
  api::ApplyPodDefaults(pod);  // a limit is a request, too
  auto requests = api::ComputePodRequests(pod);
  return requests["cpu"].MilliValue();
}

}  // namespace

int64_t MilliCpusOf(const Case& test) {
  int64_t sum = 0;
  for (const Json& step : test.steps) {
    const auto& [verb, arguments] = *step.as_object().begin();
    if (verb == "pod" || verb == "static") sum += MilliCpusOfPod(arguments);
    const Json* resized = verb == "patch" ? Find(arguments, "with.spec") : nullptr;
    if (resized != nullptr) sum += MilliCpusOfPod(*resized);
  }
  return sum;
}

Room::Room(base::Executor executor, base::Clock& clock, int64_t milli)
    : first_(executor, clock, 1), returned_(executor, clock), all_(milli), left_(milli) {}

base::Task<void> Room::Take(int64_t milli) {
  auto turn = co_await first_.Acquire();
  while (!Fits(milli)) co_await returned_.Wait();
  left_ -= milli > all_ ? 0 : milli;
}

void Room::Return(int64_t milli) {
  left_ += milli > all_ ? 0 : milli;
  returned_.Notify();
}

}  // namespace kubelet::conformance
