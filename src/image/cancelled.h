// What ends a task of this room that was cancelled while something else was finishing its work.
#pragma once

#include "kubelet/base/async.h"

namespace kubelet::image {

// An await of a call that has to be finished goes on after a cancel, when the task's owner may be
// gone. Awaiting this behind it ends the task then (asio throws operation_aborted), before it
// touches a member.
inline base::Task<void> StopIfCancelled() { co_return; }

}  // namespace kubelet::image
