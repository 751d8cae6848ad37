// Tells of processes that the kernel killed because this machine was out of memory: the event
// SystemOOM of the node, as upstream's pkg/kubelet/oom.
#pragma once

#include <functional>
#include <string>

#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"
#include "kubelet/runtime/ports.h"

namespace kubelet::app {

// Runs until it is cancelled, or ends (and says so in the log) where the kernel's log cannot be
// read, such as in a container without /dev/kmsg. What was killed before the start is not told of;
// upstream tells of all that the kernel's log still holds, at every start. Core loop only.
base::Task<void> TellOfOoms(base::Executor executor, base::Clock& clock,
                            std::function<void(const runtime::PodEvent&)> tell,
                            std::string path = "/dev/kmsg");

}  // namespace kubelet::app
