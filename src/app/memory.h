// Giving memory back to the machine when the process has become quiet.
#pragma once

#include <cstddef>

#include "kubelet/base/time.h"

namespace kubelet::app {

// When giving back is worth its price: what is needed all the time comes in again at once, page by
// page. So it is due again when the process has grown to 4 MB more than it had before the last
// time; or has 1 MB more than was left then, after a minute, and after up to sixteen where nothing
// was won by it.
class GivingBack {
 public:
  // Asked with the resident bytes of now, some seconds after work. What has come back by the first
  // time after Done tells whether something was won.
  bool Due(base::MonoTime now, size_t resident);
  // It was done: so much is left.
  void Done(base::MonoTime now, size_t left);

 private:
  bool any_ = false, judged_ = false;
  size_t before_ = 0, left_ = 0;
  base::MonoTime last_{};
  base::Nanos pause_{};
};

// Returns free heap pages, and drops the pages of program text and constants that only start-up
// needed: they are clean, so the kernel reads those that are wanted again from the page cache.
// Takes some milliseconds, all in all, when it is due; else nothing. Core loop only.
void GiveBackMemory(GivingBack& when, base::MonoTime now);

}  // namespace kubelet::app
