#include "kubelet/stats/stats.h"

#include <algorithm>

#include "kubelet/base/gauge_set.h"
#include "stats/cadvisor.h"
#include "stats/collector.h"
#include "stats/disk.h"
#include "stats/summary.h"
#include "stats/usage.h"

namespace kubelet::stats {
namespace {

using base::Task;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr base::Nanos kPatience = seconds(10);
// Older than nothing: samples that the question itself took before it asked the runtime.
constexpr base::Nanos kOfThisQuestion{1};
// Between the two looks at a machine that nobody has asked about for a while.
constexpr base::Nanos kSpeedPause = milliseconds(500);

}  // namespace

struct Stats::State {
  State(Deps d, Options o)
      : deps(std::move(d)),
        options(std::move(o)),
        collector(std::make_shared<Collector>(options)),
        disk(deps, options),
        asking(deps.executor, deps.clock, 1),
        started(deps.clock.Now()) {
    auto cpus = os::ParseCpuList(options.machine.cpu_list);
    auto layout = cpus.ok() ? os::ReadCpuLayout(*cpus) : os::CpuLayout();
    machine = FactsOf(options.machine, layout, started);
  }

  std::shared_ptr<Question> Ask() const;
  void ShowClaims(const OwnRooms& rooms);
  template <typename T>
  using Word = std::function<T(Collector&)>;
  template <typename T>
  Task<absl::StatusOr<T>> Run(std::shared_ptr<Question> question, Depth depth, base::Nanos max_age,
                              Word<T> word);
  template <typename T>
  Task<absl::StatusOr<T>> Look(std::shared_ptr<Question> question, Depth depth, base::Nanos max_age,
                               Word<T> word);
  static Task<absl::StatusOr<runtime::PodUsages>> Usage(std::shared_ptr<State> state, Depth depth);

  Deps deps;
  Options options;
  std::shared_ptr<Collector> collector;
  Disk disk;
  base::Semaphore asking;  // one question at a time has the collector
  base::WallTime started;
  MachineFacts machine;
  enum { kCapacity, kAvailable, kUsed, kInodes, kInodesFree, kInodesUsed, kLogs };
  std::vector<base::GaugeSet> families;  // in that order; empty: nobody asked for them
};

void Stats::State::ShowClaims(const OwnRooms& rooms) {
  for (const auto& volume : rooms.volumes) {
    if (volume.claim.empty()) continue;
    const auto& room = volume.room;
    const uint64_t values[] = {room.capacity, room.available,   room.capacity - room.free,
                               room.inodes,   room.inodes_free, room.inodes - room.inodes_free};
    for (size_t i = 0; i < std::size(values); ++i)
      families[i].Set({volume.claim_namespace, volume.claim}, static_cast<double>(values[i]));
  }
}

std::shared_ptr<Question> Stats::State::Ask() const {
  auto question = std::make_shared<Question>();
  question->pods = deps.pods();
  for (const auto& input : question->pods) {
    if (!input.pod) continue;
    std::string group = deps.pod_cgroup(*input.pod);
    if (!group.empty()) question->pod_groups[input.observed->uid] = std::move(group);
  }
  question->pods_cgroup = deps.pods_cgroup();
  if (deps.sandbox_image) question->sandbox_image = deps.sandbox_image();
  question->now = deps.clock.Now();
  return question;
}

template <typename T>
Task<absl::StatusOr<T>> Stats::State::Look(std::shared_ptr<Question> question, Depth depth,
                                           base::Nanos max_age, Word<T> word) {
  std::function<absl::StatusOr<T>()> work = [collector = collector, question, depth, max_age,
                                             word = std::move(word)]() -> absl::StatusOr<T> {
    std::unique_lock lock(collector->mutex(), std::try_to_lock);
    if (!lock) return absl::UnavailableError("an earlier question is still being answered");
    collector->Collect(*question, depth, max_age);
    return word(*collector);
  };
  return deps.pool.Run<T>("stats", kPatience, std::move(work));
}

// The runtime is asked only for containers that have no group, and then the samples of all others
// are at hand. /metrics/cadvisor has nothing of what it says.
template <typename T>
Task<absl::StatusOr<T>> Stats::State::Run(std::shared_ptr<Question> question, Depth depth,
                                          base::Nanos max_age, Word<T> word) {
  question->runtime = disk.runtime();
  bool may_ask = depth != Depth::kDetails && disk.RuntimeIsOld();
  auto wanting = std::make_shared<bool>(false);
  Word<T> first = [word, may_ask, wanting](Collector& collector) {
    *wanting = may_ask && collector.NeedsRuntime();
    return *wanting ? T() : word(collector);
  };
  auto result = co_await Look<T>(question, depth, max_age, std::move(first));
  if (!result.ok() || !*wanting) co_return result;
  co_await disk.AskRuntimeShortly();
  question->runtime = disk.runtime();
  max_age = std::max(max_age, kOfThisQuestion);
  co_return co_await Look<T>(question, depth, max_age, std::move(word));
}

// Samples as old as a question may find them would name a pod for what it has given back since.
Task<absl::StatusOr<runtime::PodUsages>> Stats::State::Usage(std::shared_ptr<State> state,
                                                             Depth depth) {
  auto permit = co_await state->asking.Acquire();
  auto question = state->Ask();
  std::function<runtime::PodUsages(Collector&)> read = [](Collector& collector) {
    return UsageOfGroups(collector);
  };
  base::Nanos max_age(0);
  co_return co_await state->Run<runtime::PodUsages>(question, depth, max_age, std::move(read));
}

Stats::Stats(Deps deps, Options options)
    : state_(std::make_shared<State>(std::move(deps), std::move(options))) {}
Stats::~Stats() = default;

Task<absl::StatusOr<base::TextPieces>> Stats::Cadvisor(base::MetricForm form) {
  auto state = state_;
  auto permit = co_await state->asking.Acquire();
  auto question = state->Ask();
  std::function<base::TextPieces(Collector&)> word = [machine = state->machine, form,
                                                      now = question->now](Collector& collector) {
    return CadvisorText(collector, machine, form, now);
  };
  auto max_age = state->options.max_age;
  co_return co_await state->Run<base::TextPieces>(question, Depth::kDetails, max_age,
                                                  std::move(word));
}

Task<absl::StatusOr<std::string>> Stats::Resource(base::MetricForm form) {
  auto state = state_;
  auto permit = co_await state->asking.Acquire();
  auto question = state->Ask();
  std::function<std::string(Collector&)> word = [form](Collector& collector) {
    return ResourceText(collector, form);
  };
  auto max_age = state->options.max_age;
  co_return co_await state->Run<std::string>(question, Depth::kUsage, max_age, std::move(word));
}

Task<absl::StatusOr<std::string>> Stats::Summary(bool only_cpu_and_memory) {
  auto state = state_;
  auto input = std::make_shared<SummaryInput>();
  input->only_cpu_and_memory = only_cpu_and_memory;
  if (!only_cpu_and_memory) {
    co_await state->disk.Refresh();
    co_await state->disk.AskRuntime();
    input->disk = state->disk.pods();
    input->own = state->disk.own();
  }
  input->runtime = state->disk.runtime();
  input->kubelet_started = state->started;
  auto permit = co_await state->asking.Acquire();
  auto max_age = state->options.max_age;
  for (int look = 0;; ++look) {
    auto question = state->Ask();
    input->now = question->now;
    auto again = std::make_shared<bool>(false);
    std::function<std::string(Collector&)> word = [input, look, again](Collector& collector) {
      // Speeds need two looks: a second one soon, where nobody has looked lately.
      *again = look == 0 && collector.NeedsSpeed();
      if (*again) return std::string();
      const auto& options = collector.options();
      input->boot = os::BootTime(options.proc);
      input->tasks = os::CountTasks(options.proc);
      auto room = os::ReadFilesystem(options.root_dir);
      if (room.ok()) input->node_fs = *room;
      return SummaryJson(collector, *input);
    };
    auto text =
        co_await state->Run<std::string>(question, Depth::kSummary, max_age, std::move(word));
    if (!text.ok() || !*again) co_return text;
    co_await base::SleepFor(state->deps.clock, kSpeedPause);
    max_age = base::Nanos(0);
  }
}

Task<absl::StatusOr<runtime::PodUsages>> Stats::MemoryUsage() {
  return State::Usage(state_, Depth::kUsage);
}

Task<absl::StatusOr<runtime::PodUsages>> Stats::ProcessUsage() {
  return State::Usage(state_, Depth::kSummary);
}

Task<runtime::PodUsages> Stats::FilesUsage(std::set<std::string> uids, bool writable_layers) {
  auto state = state_;
  co_await state->disk.RefreshPods(uids, writable_layers);
  runtime::PodUsages out;
  for (const auto& input : state->deps.pods()) {
    const auto& pod = *input.observed;
    if (!uids.empty() && !uids.contains(pod.uid)) continue;
    auto disk = state->disk.pods().find(pod.uid);
    if (disk != state->disk.pods().end()) {
      out[pod.uid] = UsageOfFiles(pod, *disk->second, *state->disk.runtime());
    } else if (state->options.disk_period < base::Nanos(0)) {
      out[pod.uid] = UsageOfFiles(pod, PodDisk(), *state->disk.runtime());
    }
  }
  co_return out;
}

void Stats::AddMetrics(base::Registry& metrics) {
  state_->disk.AddMetrics(metrics);
  auto& families = state_->families;
  auto add = [&](const char* name, const char* help) {
    families.emplace_back(metrics.AddGauge(std::string("kubelet_volume_stats_") + name, help,
                                           {"namespace", "persistentvolumeclaim"}));
  };
  add("capacity_bytes", "Capacity in bytes of the volume");
  add("available_bytes", "Number of available bytes in the volume");
  add("used_bytes", "Number of used bytes in the volume");
  add("inodes", "Maximum number of inodes in the volume");
  add("inodes_free", "Number of free inodes in the volume");
  add("inodes_used", "Number of used inodes in the volume");
  families.emplace_back(metrics.AddGauge("kubelet_container_log_filesystem_used_bytes",
                                         "Bytes used by the container's logs on the filesystem.",
                                         {"uid", "namespace", "pod", "container"}));
}

void Stats::FillMetrics() {
  auto& state = *state_;
  state.disk.RefreshSoon();
  auto& families = state.families;
  if (families.empty()) return;
  for (auto& family : families) family.Begin();
  for (const auto& input : state.deps.pods()) {
    const auto& pod = *input.observed;
    auto disk = state.disk.pods().find(pod.uid);
    if (disk != state.disk.pods().end()) {
      for (const auto& [container, logs] : disk->second->logs) {
        families[State::kLogs].Set({pod.uid, pod.namespace_, pod.name, container},
                                   static_cast<double>(logs.bytes));
      }
    }
    auto own = state.disk.own().find(pod.uid);
    if (own != state.disk.own().end()) state.ShowClaims(*own->second);
  }
  for (auto& family : families) family.End();
}

}  // namespace kubelet::stats
