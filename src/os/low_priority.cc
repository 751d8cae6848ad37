#include "kubelet/os/low_priority.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace kubelet::os {
namespace {

constexpr int kNice = 19;
// ioprio_set(2). libc has no header of these, and the kernel's (linux/ioprio.h) is not C++ in every
// release: Linux 6.1.192 names a parameter `class`.
constexpr int kOfProcess = 1, kIdleClass = 3 << 13;

bool MayRaisePriority() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  return (data[0].effective & (1u << CAP_SYS_NICE)) != 0;
}

}  // namespace

LowPriority::LowPriority() {
  static const bool may = MayRaisePriority();
  if (may) {
    auto thread = static_cast<id_t>(gettid());
    nice_ = getpriority(PRIO_PROCESS, thread);
    niced_ = setpriority(PRIO_PROCESS, thread, kNice) == 0;
  }
  io_ = syscall(SYS_ioprio_get, kOfProcess, 0);
  if (io_ >= 0) syscall(SYS_ioprio_set, kOfProcess, 0, kIdleClass);
}

LowPriority::~LowPriority() {
  if (niced_) setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), nice_);
  if (io_ >= 0) syscall(SYS_ioprio_set, kOfProcess, 0, io_);
}

}  // namespace kubelet::os
