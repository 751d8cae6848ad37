// openat2(2), which glibc 2.36 does not wrap. Internal to the room.
#pragma once

#include <cstdint>
#include <string>

namespace kubelet::os {

// A descriptor, or -1 and errno; EXDEV when `resolve` forbids the way. Retries what a concurrent
// rename disturbed.
int OpenAt2(int dir_fd, const std::string& path, int flags, uint64_t resolve);

}  // namespace kubelet::os
