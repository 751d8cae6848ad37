// Tells that the mount table of this process has changed: poll(2) on /proc/self/mountinfo
// (proc(5)), so nothing runs while nothing changes.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "kubelet/base/async.h"

namespace kubelet::os {

// Core loop only.
class MountWatch {
 public:
  // `on_change` may come once for several changes, and now and then for none.
  MountWatch(base::Executor executor, std::function<void()> on_change);
  ~MountWatch();

  // Changes after this are told. Again when it runs: nothing. Unavailable: the table cannot be
  // opened.
  absl::Status Start();
  void Stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace kubelet::os
