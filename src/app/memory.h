// Giving memory back to the machine when the process has become quiet.
#pragma once

#include "kubelet/base/time.h"

namespace kubelet::app {

// Returns free heap pages, and drops the pages of program text and constants that only start-up
// needed: they are clean, so the kernel reads those that are wanted again from the page cache.
// Takes about a millisecond; does nothing unless the process has grown by 4 MB since the last time
// (after a minute: by 1 MB), since a kubelet with many pods always does a little. Core loop only.
void GiveBackMemory(base::MonoTime now);

}  // namespace kubelet::app
