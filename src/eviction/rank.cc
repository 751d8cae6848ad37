#include <algorithm>

#include "eviction/parts.h"
#include "kubelet/api/pod.h"

namespace kubelet::eviction {
namespace {

using api::Quantity;

// Of the files that count for this signal; images are shared and count for nobody.
struct Measured {
  bool rootfs = false, logs = false, volumes = false;
};

Measured MeasuredFor(Signal signal, const FsLayout& layout) {
  bool node = signal == Signal::kNodeFsAvailable || signal == Signal::kNodeFsInodesFree;
  bool image = signal == Signal::kImageFsAvailable || signal == Signal::kImageFsInodesFree;
  if (!layout.dedicated_image_fs) return {true, true, true};
  if (!layout.split_container_fs) return {!node, node, node};
  return image ? Measured{} : Measured{true, true, true};
}

// Volumes that take room on the node's disk, and host paths.
bool IsLocal(const api::core::Volume& volume) {
  const auto& source = volume.volume_source();
  return source.has_host_path() || source.has_config_map() || source.has_git_repo() ||
         (source.has_empty_dir() && source.empty_dir().medium().empty());
}

struct Standing {
  bool known = false;
  bool exceeds = false;
  int priority = 0;
  Quantity beyond;  // use less request
  api::PodPtr pod;
};

Quantity RequestOf(const api::core::Pod& pod, const char* resource) {
  auto requests = api::ComputePodRequests(pod);
  auto it = requests.find(resource);
  return it == requests.end() ? Quantity() : it->second;
}

runtime::FilesUsage FilesOf(const api::core::Pod& pod, const runtime::PodUsage& usage,
                            const Measured& measured) {
  runtime::FilesUsage sum;
  auto add = [&sum](const runtime::FilesUsage& more) {
    sum.bytes += more.bytes;
    sum.inodes += more.inodes;
  };
  for (const auto& container : usage.containers) {
    if (measured.rootfs && container.rootfs) add(*container.rootfs);
    if (measured.logs && container.logs) add(*container.logs);
  }
  for (const auto& volume : pod.spec().volumes()) {
    auto it = usage.volumes.find(volume.name());
    if (measured.volumes && IsLocal(volume) && it != usage.volumes.end()) add(it->second);
  }
  return sum;
}

// Upstream subtracts the request of ephemeral storage from inodes as well; a pod with such a
// request then comes after all others.
void Weigh(Signal signal, const FsLayout& layout, const runtime::PodUsage& usage, Standing& out) {
  Quantity used;
  const char* requested = "ephemeral-storage";
  if (ResourceOf(signal) == Resource::kMemory) {
    requested = "memory";
    used = Quantity::FromInt(static_cast<int64_t>(usage.memory.value_or(0)));
  } else if (ResourceOf(signal) == Resource::kPids) {
    out.beyond = Quantity::FromInt(static_cast<int64_t>(usage.processes));
    return;
  } else {
    auto files = FilesOf(*out.pod, usage, MeasuredFor(signal, layout));
    bool inodes = ResourceOf(signal) == Resource::kInodes;
    used = Quantity::FromInt(static_cast<int64_t>(inodes ? files.inodes : files.bytes));
  }
  Quantity request = RequestOf(*out.pod, requested);
  out.beyond = used - request;
  out.exceeds = ResourceOf(signal) == Resource::kInodes ? used.Sign() > 0 : request < used;
}

// A pod of which nothing is known goes before one of which something is, whatever they ask for.
bool GoesBefore(const Standing& a, const Standing& b, bool by_excess) {
  if (by_excess && a.known != b.known) return !a.known;
  if (by_excess && a.exceeds != b.exceeds) return a.exceeds;
  if (a.priority != b.priority) return a.priority < b.priority;
  if (a.known != b.known) return !a.known;
  return b.beyond < a.beyond;
}

}  // namespace

bool RanksByFiles(Signal signal) {
  Resource resource = ResourceOf(signal);
  return resource == Resource::kEphemeralStorage || resource == Resource::kInodes;
}

NodeReclaim ReclaimFor(Signal signal, const FsLayout& layout) {
  if (!RanksByFiles(signal)) return {};
  bool node = signal == Signal::kNodeFsAvailable || signal == Signal::kNodeFsInodesFree;
  bool image = signal == Signal::kImageFsAvailable || signal == Signal::kImageFsInodesFree;
  if (!layout.dedicated_image_fs) return {true, true};
  if (!layout.split_container_fs) return {!node, !node};
  return {!image, image};
}

void Rank(Signal signal, const FsLayout& layout, const runtime::PodUsages& usages, Pods& pods) {
  std::vector<Standing> standings;
  standings.reserve(pods.size());
  for (auto& pod : pods) {
    Standing standing;
    standing.priority = pod->spec().has_priority() ? pod->spec().priority() : 0;
    auto usage = usages.find(pod->metadata().uid());
    standing.pod = std::move(pod);
    standing.known = usage != usages.end();
    if (standing.known) Weigh(signal, layout, usage->second, standing);
    standings.push_back(std::move(standing));
  }
  bool by_excess = ResourceOf(signal) != Resource::kPids;
  std::stable_sort(standings.begin(), standings.end(), [by_excess](const auto& a, const auto& b) {
    return GoesBefore(a, b, by_excess);
  });
  for (size_t i = 0; i < pods.size(); ++i) pods[i] = std::move(standings[i].pod);
}

}  // namespace kubelet::eviction
