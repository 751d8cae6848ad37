#include "kubelet/eviction/choice.h"

#include <algorithm>

#include "eviction/parts.h"
#include "kubelet/api/pod.h"
#include "kubelet/api/resources.h"

namespace kubelet::eviction {
namespace {

using api::Quantity;
using std::chrono::seconds;

constexpr char kStorage[] = "ephemeral-storage";

seconds GraceFor(const Threshold& threshold, const api::core::Pod& pod, seconds cap) {
  if (threshold.hard()) return kImmediate;
  if (!pod.spec().has_termination_grace_period_seconds()) return cap;
  return std::min(cap, seconds(pod.spec().termination_grace_period_seconds()));
}

uint64_t BytesOf(const std::optional<runtime::FilesUsage>& files) {
  return files ? files->bytes : 0;
}

bool Exceeds(uint64_t bytes, const Quantity& limit) {
  return limit < Quantity::FromInt(static_cast<int64_t>(bytes));
}

std::optional<Quantity> SizeLimit(const api::core::Volume& volume) {
  const auto& source = volume.volume_source();
  if (!source.has_empty_dir() || !source.empty_dir().has_size_limit()) return std::nullopt;
  auto limit = Quantity::From(source.empty_dir().size_limit());
  return limit.Sign() > 0 ? std::optional(limit) : std::nullopt;
}

std::optional<Quantity> StorageLimit(const api::core::Container& container) {
  auto limit = api::Limit(container, kStorage);
  return limit.IsZero() ? std::nullopt : std::optional(limit);
}

Victim OverLimit(const api::PodPtr& pod, const char* signal, std::string message) {
  Victim victim;
  victim.pod = pod;
  victim.grace = kImmediate;
  victim.signal = signal;
  victim.message = std::move(message);
  return victim;
}

std::optional<Victim> OverVolumes(const api::PodPtr& pod, const runtime::PodUsage& usage) {
  for (const auto& volume : pod->spec().volumes()) {
    auto limit = SizeLimit(volume);
    auto used = usage.volumes.find(volume.name());
    if (!limit || used == usage.volumes.end() || !Exceeds(used->second.bytes, *limit)) continue;
    return OverLimit(pod, "emptydirfs.limit",
                     "Usage of EmptyDir volume \"" + volume.name() + "\" exceeds the limit \"" +
                         limit->ToString() + "\". ");
  }
  return std::nullopt;
}

std::optional<Victim> OverPod(const api::PodPtr& pod, const runtime::PodUsage& usage) {
  auto limits = api::SumLimits(pod->spec());
  auto limit = limits.find(kStorage);
  if (limit == limits.end() || !Exceeds(BytesOf(usage.ephemeral), limit->second))
    return std::nullopt;
  return OverLimit(pod, "ephemeralpodfs.limit",
                   "Pod ephemeral local storage usage exceeds the total limit of containers " +
                       limit->second.ToString() + ". ");
}

std::optional<Victim> OverContainer(const api::PodPtr& pod, const runtime::PodUsage& usage,
                                    const FsLayout& layout) {
  for (const auto& container : usage.containers) {
    uint64_t used = BytesOf(container.logs);
    if (!layout.dedicated_image_fs) used += BytesOf(container.rootfs);
    for (const auto& spec : pod->spec().containers()) {
      auto limit = StorageLimit(spec);
      if (spec.name() != container.name || !limit || !Exceeds(used, *limit)) continue;
      return OverLimit(pod, "ephemeralcontainerfs.limit",
                       "Container " + spec.name() +
                           " exceeded its local ephemeral storage limit \"" + limit->ToString() +
                           "\". ");
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Victim> ChooseVictim(const Shortage& shortage, const runtime::PodUsages& usages,
                                   Pods pods) {
  const Threshold& starved = shortage.due.front();
  Rank(starved.signal, shortage.layout, usages, pods);
  auto chosen = std::find_if(pods.begin(), pods.end(),
                             [](const auto& pod) { return !api::IsCritical(*pod); });
  if (chosen == pods.end()) return std::nullopt;
  Victim victim;
  victim.pod = *chosen;
  victim.grace = GraceFor(starved, **chosen, shortage.max_grace);
  victim.signal = SignalName(starved.signal);
  victim.disruption = true;
  Explain(shortage, usages, victim);
  return victim;
}

bool HasStorageLimit(const api::core::Pod& pod) {
  const auto& spec = pod.spec();
  return std::any_of(spec.volumes().begin(), spec.volumes().end(),
                     [](const auto& volume) { return SizeLimit(volume).has_value(); }) ||
         LimitsContainers(pod);
}

bool LimitsContainers(const api::core::Pod& pod) {
  auto limits = [](const auto& c) { return c.resources().limits().count(kStorage) > 0; };
  const auto& spec = pod.spec();
  return std::any_of(spec.containers().begin(), spec.containers().end(), limits) ||
         std::any_of(spec.init_containers().begin(), spec.init_containers().end(), limits);
}

std::vector<Victim> OverLimits(const Pods& pods, const runtime::PodUsages& usages,
                               const FsLayout& layout) {
  std::vector<Victim> victims;
  for (const auto& pod : pods) {
    auto usage = usages.find(pod->metadata().uid());
    if (usage == usages.end() || api::IsCritical(*pod)) continue;
    auto victim = OverVolumes(pod, usage->second);
    if (!victim) victim = OverPod(pod, usage->second);
    if (!victim) victim = OverContainer(pod, usage->second, layout);
    if (victim) victims.push_back(*std::move(victim));
  }
  return victims;
}

}  // namespace kubelet::eviction
