// What garbage collection may remove, and what it would. Pure; thread safe.
// Facts: pkg/kubelet/images/image_gc_manager.go of 1.36.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "kubelet/base/time.h"
#include "kubelet/image/image_gc.h"
#include "kubelet/runtime/model.h"

namespace kubelet::image {

// What is remembered of an image between rounds.
struct ImageRecord {
  base::MonoTime first_seen, last_used;  // last_used: zero when it never was
  uint64_t size_bytes = 0;
  bool pinned = false, in_use = false;
};
using ImageRecords = std::map<std::string, ImageRecord>;  // by id

// Brings the records up to the list: new ones are seen now, gone ones forgotten, used ones used
// now.
void Observe(const std::vector<runtime::Image>& images, const UsedImages& used, base::MonoTime now,
             ImageRecords& records);

struct GcVictim {
  std::string id;
  uint64_t size_bytes = 0;
};
// Those that may go, the longest unused first (never used ones by when they were seen): not pinned,
// not in use. `min_age` since they were first seen.
std::vector<GcVictim> Removable(const ImageRecords& records, base::MonoTime now,
                                base::Nanos min_age);
// Those unused for longer than `max_age`, whatever the disk says.
std::vector<GcVictim> TooOld(const ImageRecords& records, base::MonoTime now, base::Nanos max_age);

// Percent in use, as upstream rounds it: up.
int UsedPercent(const DiskSpace& space);
// Bytes to free to get down to `low_percent` in use; not above 0: none.
int64_t BytesToFree(const DiskSpace& space, int low_percent);

// `12.3 GiB`
std::string SizeText(int64_t bytes);

}  // namespace kubelet::image
