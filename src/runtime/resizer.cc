// Doing a resize: the other half of runtime/resize.h.
#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/api/resources.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/runtime/resize.h"
#include "runtime/resources.h"

namespace kubelet::runtime {

using ContainerSpec = api::core::Container;
using api::core::Pod;
using api::core::ResourceRequirements;
using base::Message;
using base::Task;

namespace {

// pkg/kubelet/metrics podResizeDurationBuckets
const std::vector<double> kBuckets = {10,    50,    100,   500,   1000,   2000,   5000,
                                      10000, 20000, 30000, 60000, 120000, 300000, 600000};

void SetAmount(int64_t amount, bool cpu, const std::string& name,
               google::protobuf::Map<std::string, api::resource::Quantity>& map) {
  map[name] =
      (cpu ? api::Quantity::FromMilli(amount) : api::Quantity::FromBytes(amount)).ToMessage();
}

// The container as it is after this update: the other resource stays as it was last set.
ContainerSpec Sized(const ContainerSpec& spec, const Amounts& amounts) {
  ContainerSpec out = spec;
  auto& resources = *out.mutable_resources();
  SetAmount(amounts.cpu_limit, true, "cpu", *resources.mutable_limits());
  SetAmount(amounts.memory_limit, false, "memory", *resources.mutable_limits());
  SetAmount(amounts.cpu_request, true, "cpu", *resources.mutable_requests());
  SetAmount(amounts.memory_request, false, "memory", *resources.mutable_requests());
  return out;
}

PodLimits Merged(PodLimits base, const PodLimits& change) {
  if (change.cpu_shares) base.cpu_shares = change.cpu_shares;
  if (change.cpu_quota_us) base.cpu_quota_us = change.cpu_quota_us;
  if (change.cpu_period_us) base.cpu_period_us = change.cpu_period_us;
  if (change.memory_bytes) base.memory_bytes = change.memory_bytes;
  return base;
}

bool LacksCall(const absl::Status& status) {
  // containerd 2.2 has another code for it.
  return absl::IsUnimplemented(status) ||
         (absl::IsUnknown(status) && Message(status).find("not implemented") != std::string::npos);
}

std::string Number(int64_t n) { return "(" + std::to_string(n) + ")"; }

std::string Joined(const std::vector<std::string>& problems) {
  if (problems.size() == 1) return problems[0];
  std::string out;
  for (const auto& problem : problems) out += (out.empty() ? "" : ", ") + problem;
  return "[" + out + "]";
}

}  // namespace

struct Resizer::Work {
  api::PodPtr pod;
  SandboxId sandbox;
  Resize resize;
  PodLimits now, wanted;
};

Resizer::Resizer(Deps deps, ResizeOptions options) : deps_(std::move(deps)), options_(options) {
  if (deps_.metrics == nullptr) return;
  milliseconds_ = &deps_.metrics->AddHistogram("kubelet_pod_resize_duration_milliseconds",
                                               "Duration in milliseconds to actuate a pod resize",
                                               kBuckets, {"success"});
}

Resize Resizer::Compute(const Pod& allocated, const ObservedPod& observed,
                        const std::set<ContainerId>& without) const {
  Resize resize = ComputeResize(allocated, observed, deps_.actuated, options_, deps_.node);
  for (auto* list : {&resize.memory, &resize.cpu}) {
    std::erase_if(*list, [&](const auto& change) { return without.contains(change.id); });
  }
  return resize;
}

bool Resizer::NeedsRun(const std::string& uid, const Resize& resize) const {
  return resize.Changes() || !resize.unwritten.empty() || !settled_.contains(uid);
}

void Resizer::CgroupMade(const Pod& allocated) {
  const std::string& uid = allocated.metadata().uid();
  settled_.insert(uid);
  if (options_.pod_level && allocated.spec().has_resources() &&
      deps_.actuated.PodLevel(uid) == nullptr) {
    deps_.actuated.SetPodLevel(uid, allocated.spec().resources());
  }
}

Task<void> Resizer::Creating(api::PodPtr allocated, const ContainerSpec* container) {
  ResourceRequirements resources = options_.pod_level
                                       ? api::EffectiveResources(allocated->spec(), *container)
                                       : container->resources();
  deps_.actuated.SetContainer(allocated->metadata().uid(), container->name(), std::move(resources));
  bool restarts =
      std::any_of(container->resize_policy().begin(), container->resize_policy().end(),
                  [](const auto& policy) { return policy.restart_policy() == "RestartContainer"; });
  if (restarts) co_await deps_.actuated.Flushed();
}

Task<absl::Status> Resizer::Run(api::PodPtr allocated, SandboxId sandbox, Resize resize) {
  const std::string uid = allocated->metadata().uid();
  base::MonoTime started = deps_.clock.Mono();
  bool counts = resize.Changes();
  settled_.erase(uid);
  Work work{allocated, sandbox, std::move(resize), {}, deps_.cgroups.WantedLimits(*allocated)};
  auto now = co_await deps_.cgroups.ReadPod(allocated);
  absl::Status status = now.status();
  // A pod of which nothing changes is left alone, whatever became of its cgroup.
  if (!now.ok() && !counts) co_return absl::OkStatus();
  if (!now.ok()) {
    status = absl::UnavailableError("unable to get pod cgroup config for pod \"" +
                                    api::PodKey(*allocated) + "\": " + Message(status));
  } else {
    work.now = *now;
    status = co_await CheckMemory(work);
  }
  if (status.ok()) {
    auto steps = OrderResize(work.resize, work.now, work.wanted);
    for (size_t i = 0; i < steps.size() && status.ok(); ++i) status = co_await Do(work, steps[i]);
  }
  if (status.ok()) {
    WriteDown(work);
    settled_.insert(uid);
  }
  if (counts && milliseconds_ != nullptr) {
    std::chrono::duration<double, std::milli> took = deps_.clock.Mono() - started;
    milliseconds_->With({status.ok() ? "true" : "false"}).Observe(took.count());
  }
  co_return status;
}

// Before the first step: half a resize is worse than none.
Task<absl::Status> Resizer::CheckMemory(const Work& work) {
  int64_t pod_limit = work.wanted.memory_bytes.value_or(-1);
  bool pod_shrinks = pod_limit > 0 &&
                     (work.now.memory_bytes.value_or(-1) < 0 || pod_limit < *work.now.memory_bytes);
  std::vector<std::string> ids;
  std::vector<const ContainerResize*> shrinking;
  for (const auto& change : work.resize.memory) {
    int64_t limit = change.desired.memory_limit;
    if (limit == 0 || (change.current.memory_limit != 0 && limit >= change.current.memory_limit))
      continue;
    ids.push_back(change.id.str());
    shrinking.push_back(&change);
  }
  if (!pod_shrinks && shrinking.empty()) co_return absl::OkStatus();
  auto used = co_await deps_.cgroups.MemoryInUse(work.pod, ids);
  if (!used.ok()) {
    co_return absl::UnavailableError("unable to read memory usage for pod \"" +
                                     api::PodKey(*work.pod) + "\"");
  }
  std::vector<std::string> problems;
  if (pod_shrinks && used->pod >= pod_limit) {
    problems.push_back("attempting to set pod memory limit " + Number(pod_limit) +
                       " below current usage " + Number(used->pod));
  }
  for (const ContainerResize* change : shrinking) {
    auto it = used->containers.find(change->id.str());
    int64_t limit = change->desired.memory_limit;
    std::string name = "container \"" + change->spec->name() + "\" memory ";
    if (it == used->containers.end()) {
      problems.push_back("missing " + name + "usage");
    } else if (it->second >= limit) {
      problems.push_back("attempting to set " + name + "limit " + Number(limit) +
                         " below current usage " + Number(it->second));
    }
  }
  if (problems.empty()) co_return absl::OkStatus();
  co_return absl::InvalidArgumentError("cannot decrease memory limits: " + Joined(problems));
}

Task<absl::Status> Resizer::Do(Work& work, ResizeStep step) {
  PodLimits change;
  switch (step.kind) {
    case ResizeStep::Kind::kContainerMemory:
      co_return co_await Update(work, work.resize.memory[step.index], true);
    case ResizeStep::Kind::kContainerCpu:
      co_return co_await Update(work, work.resize.cpu[step.index], false);
    case ResizeStep::Kind::kPodMemoryLimit:
      change.memory_bytes = work.wanted.memory_bytes;
      break;
    case ResizeStep::Kind::kPodCpuLimit:
      change.cpu_quota_us = work.wanted.cpu_quota_us;
      change.cpu_period_us = work.wanted.cpu_period_us;
      break;
    case ResizeStep::Kind::kPodCpuShares:
      change.cpu_shares = work.wanted.cpu_shares;
      break;
  }
  co_return co_await LimitPod(work, change);
}

// The runtime hears of it first and may refuse; when the kernel refuses it hears that all is as
// before.
Task<absl::Status> Resizer::LimitPod(Work& work, PodLimits change) {
  PodLimits merged = Merged(work.now, change);
  auto told = co_await TellSandbox(work, merged);
  if (!told.ok()) {
    co_return base::Annotate(
        told, "failed to notify runtime for UpdatePodSandboxResources; resize rejected");
  }
  auto limited = co_await deps_.cgroups.LimitPod(work.pod, change);
  if (limited.ok()) {
    work.now = merged;
    co_return limited;
  }
  auto back = co_await TellSandbox(work, work.now);
  if (!back.ok()) {
    LOG_WARNING("Cannot tell the runtime that a pod keeps its resources", "pod",
                api::PodKey(*work.pod), "err", back);
  }
  co_return limited;
}

Task<absl::Status> Resizer::TellSandbox(const Work& work, PodLimits limits) {
  if (no_sandbox_update_) co_return absl::OkStatus();
  LinuxResources resources;
  resources.cpu_shares = limits.cpu_shares.value_or(0);
  resources.cpu_quota = limits.cpu_quota_us.value_or(0);
  resources.cpu_period = limits.cpu_period_us.value_or(0);
  resources.memory_limit_bytes = std::max<int64_t>(limits.memory_bytes.value_or(0), 0);
  LinuxResources overhead = MakeOverhead(*work.pod, deps_.node);
  auto status = co_await deps_.runtime.UpdatePodSandboxResources(work.sandbox, std::move(overhead),
                                                                 std::move(resources));
  if (!LacksCall(status)) co_return status;
  no_sandbox_update_ = true;
  co_return absl::OkStatus();
}

Task<absl::Status> Resizer::Update(Work& work, ContainerResize& change, bool memory) {
  Amounts amounts = change.current;
  if (memory) {
    amounts.memory_limit = change.desired.memory_limit;
    amounts.memory_request = change.desired.memory_request;
  } else {
    amounts.cpu_limit = change.desired.cpu_limit;
    amounts.cpu_request = change.desired.cpu_request;
  }
  // Whether a request is there at all says something: zero is not written into what has none.
  ContainerSpec sized = Sized(*change.spec, amounts);
  if (!change.spec->resources().requests().contains("cpu"))
    sized.mutable_resources()->mutable_requests()->erase("cpu");
  LinuxResources resources = MakeContainerResources(
      *work.pod, sized, deps_.cgroups.OomScoreAdj(*work.pod, sized), deps_.node);
  if (deps_.pinning != nullptr)
    Pin(deps_.pinning->Of(work.pod->metadata().uid(), sized.name()), resources);
  LOG_INFO("Resizing container", "pod", api::PodKey(*work.pod), "podUID",
           work.pod->metadata().uid(), "container", sized.name(), "containerID", change.id.str(),
           "cpuQuota", resources.cpu_quota, "cpuShares", resources.cpu_shares, "memoryLimit",
           resources.memory_limit_bytes);
  auto status = co_await deps_.runtime.UpdateContainerResources(change.id, std::move(resources));
  if (!status.ok()) co_return base::Annotate(status, "container " + change.spec->name());
  // For the update of the other resource, which comes later.
  for (auto& later : work.resize.cpu) {
    if (later.id == change.id) later.current = amounts;
  }
  deps_.actuated.SetContainer(work.pod->metadata().uid(), change.spec->name(), sized.resources());
  co_return status;
}

void Resizer::WriteDown(const Work& work) {
  const std::string& uid = work.pod->metadata().uid();
  auto write = [&](const ContainerSpec& c) {
    deps_.actuated.SetContainer(
        uid, c.name(),
        options_.pod_level ? api::EffectiveResources(work.pod->spec(), c) : c.resources());
  };
  for (const auto* container : work.resize.unwritten) write(*container);
  for (const auto* list : {&work.resize.memory, &work.resize.cpu}) {
    for (const auto& change : *list) write(*change.spec);
  }
  if (options_.pod_level && work.pod->spec().has_resources()) {
    deps_.actuated.SetPodLevel(uid, work.pod->spec().resources());
  }
}

}  // namespace kubelet::runtime
