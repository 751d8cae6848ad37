#include <algorithm>

#include "kubelet/node/shutdown.h"

namespace kubelet::node {
namespace {

constexpr int32_t kSystemCritical = 2'000'000'000;

}  // namespace

std::vector<ShutdownGroup> GroupsOf(base::Nanos all, base::Nanos critical) {
  if (all <= base::Nanos(0) || critical > all) return {};
  auto whole = [](base::Nanos d) { return std::chrono::duration_cast<std::chrono::seconds>(d); };
  return {{0, whole(all - critical)}, {kSystemCritical, whole(critical)}};
}

std::vector<ShutdownBatch> PlanShutdown(std::vector<ShutdownGroup> groups,
                                        const std::vector<api::PodPtr>& pods) {
  if (groups.empty()) return {};
  std::sort(groups.begin(), groups.end(),
            [](const auto& a, const auto& b) { return a.priority < b.priority; });
  std::vector<ShutdownBatch> out;
  for (const auto& group : groups) out.push_back({group, {}});
  for (const auto& pod : pods) {
    int32_t priority = pod->spec().has_priority() ? pod->spec().priority() : 0;
    auto above = std::find_if(out.begin(), out.end(),
                              [&](const auto& batch) { return batch.group.priority > priority; });
    if (above != out.begin()) --above;
    above->pods.push_back(pod);
  }
  std::erase_if(out, [](const auto& batch) { return batch.pods.empty(); });
  return out;
}

}  // namespace kubelet::node
