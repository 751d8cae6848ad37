// Work on a thread of a pool that nobody waits for.
#pragma once

namespace kubelet::os {

// While it lives, its thread takes disk and CPU only when nobody else wants them; then the thread
// has what it had before. The CPU is left out where the process could not take that back
// (CAP_SYS_NICE). Made and ended on that thread; never blocks. setpriority(2), ioprio_set(2).
class LowPriority {
 public:
  LowPriority();
  ~LowPriority();
  LowPriority(const LowPriority&) = delete;
  LowPriority& operator=(const LowPriority&) = delete;

 private:
  int nice_ = 0;
  bool niced_ = false;
  long io_ = -1;  // negative: not changed
};

}  // namespace kubelet::os
