// Whether anybody has a file open for writing. Blocking, a few microseconds; any thread.
#pragma once

namespace kubelet::server {

enum class Writers { kNone, kSome, kUnknown };

// `fd` is open for reading only. By asking for a read lease, which the kernel gives only while no
// process has the file open for writing (fcntl(2), F_SETLEASE), and giving it back at once.
// kUnknown: the filesystem has no leases (NFS), or the file is not ours.
Writers WritersOf(int fd);

}  // namespace kubelet::server
