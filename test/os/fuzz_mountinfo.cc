// The mount table of the kernel may hold any file name; what parses is as long as its lines, and
// paths are absolute.
#include <cstdint>
#include <cstdlib>

#include "kubelet/os/cgroup.h"
#include "kubelet/os/mountinfo.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  auto mounts = kubelet::os::ParseMountinfo(text);
  if (!mounts.ok()) return 0;
  for (const auto& mount : *mounts) {
    if (mount.point.empty() || mount.point[0] != '/') abort();
    const auto* of = kubelet::os::MountOf(*mounts, mount.point);
    if (of == nullptr || of->point != mount.point) abort();
  }
  if (kubelet::os::MountsBelow(*mounts, "/").size() != mounts->size()) abort();
  kubelet::os::DetectCgroups(*mounts);
  return 0;
}
