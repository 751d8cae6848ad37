#include "kubelet/eviction/signals.h"

#include <array>

namespace kubelet::eviction {
namespace {

struct Entry {
  const char* name;
  Resource resource;
};
// In the order of Signal.
constexpr std::array<Entry, 9> kSignals = {{
    {"memory.available", Resource::kMemory},
    {"allocatableMemory.available", Resource::kMemory},
    {"nodefs.available", Resource::kEphemeralStorage},
    {"nodefs.inodesFree", Resource::kInodes},
    {"imagefs.available", Resource::kEphemeralStorage},
    {"imagefs.inodesFree", Resource::kInodes},
    {"containerfs.available", Resource::kEphemeralStorage},
    {"containerfs.inodesFree", Resource::kInodes},
    {"pid.available", Resource::kPids},
}};

}  // namespace

const char* SignalName(Signal signal) { return kSignals[static_cast<size_t>(signal)].name; }

std::optional<Signal> SignalOf(const std::string& name) {
  for (size_t i = 0; i < kSignals.size(); ++i) {
    if (name == kSignals[i].name) return static_cast<Signal>(i);
  }
  return std::nullopt;
}

const char* ResourceName(Resource resource) {
  constexpr const char* kNames[] = {"memory", "ephemeral-storage", "inodes", "pids"};
  return kNames[static_cast<size_t>(resource)];
}

Resource ResourceOf(Signal signal) { return kSignals[static_cast<size_t>(signal)].resource; }

bool ContainerFsIsImageFs(const FsLayout& layout) {
  return layout.dedicated_image_fs && !layout.split_container_fs;
}

}  // namespace kubelet::eviction
