// The node's CPUs, shared by cases that run at once: a kubelet refuses a pod that asks for more than
// the pods before it have left (OutOfcpu), which on a small node says nothing about the kubelet.
// Core loop only.
#pragma once

#include <cstdint>

#include "conformance/case.h"
#include "kubelet/base/async.h"

namespace kubelet::conformance {

// What the pods of a case ask for, all of them at once, after every resize; in thousandths of a CPU.
// Pods that cannot be read before the case runs ask for nothing.
int64_t MilliCpusOf(const Case& test);

class Room {
 public:
  // `milli`: of the node, for pods.
  Room(base::Executor executor, base::Clock& clock, int64_t milli);

  // Waits its turn, and then until there is so much. One that asks for more than there will ever be
  // does not wait: such a pod is meant to be refused.
  base::Task<void> Take(int64_t milli);
  // What was taken.
  void Return(int64_t milli);

 private:
  bool Fits(int64_t milli) const { return milli <= left_ || milli > all_; }

  base::Semaphore first_;  // who stands first in the queue
  base::WakeEvent returned_;
  int64_t all_, left_;
};

}  // namespace kubelet::conformance
