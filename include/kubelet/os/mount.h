// Mounting, and removing directories without ever touching what is mounted in them. Every call
// blocks, some for as long as a dead server likes: BlockingPool with a deadline. Thread safe.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/os/mountinfo.h"

namespace kubelet::os {

// mount(2) of a new filesystem. InvalidArgument for EINVAL: an option this kernel does not know.
absl::Status MountFilesystem(const std::string& type, const std::string& source,
                             const std::string& target, const std::string& options);

// One umount2(2) that does not follow a symbolic link; with `lazy` the mount disappears now and is
// let go when nobody uses it any more. What is not mounted (or not there) is success. Unavailable
// when busy.
absl::Status Unmount(const std::string& target, bool lazy);

// Unmounts everything at or below `dir` by the mount table, last mounted first; what is busy is
// detached lazily, with `lazy` everything at once (after an attempt that hung). Looks again
// afterwards: OK means that nothing is mounted there. Unavailable names the mount that stayed.
// `tell` hears of each mount that was busy, with who held it.
absl::Status UnmountBelow(const std::string& dir, bool lazy,
                          const std::function<void(const std::string&)>& tell = nullptr);

// Processes with an open file, a working directory or a root on this mount, and one for each other
// mount namespace that has its file system mounted: `1234 (tail) has /x open`. At most eight; empty
// when none is found.
std::string MountHolders(const Mount& mount, const std::string& proc = "/proc");

// The mount that a look at `path` may hang on, since its file system is not one of this machine's
// own (NFS, FUSE, …): of the path itself, of a link on the way, or of what they lie on. Looks only
// at what cannot hang. nullopt: none.
std::optional<Mount> MayHang(const std::vector<Mount>& mounts, const std::string& path);
// Of a file system that is local to this machine.
bool IsLocal(const Mount& mount);

// `path` lies on a mount that is shared with the namespaces of containers (mount_namespaces(7)):
// else it is bound onto itself and made shared, as pkg/volume/util/hostutil does for the root
// directory (1.36). True when that was needed. FailedPrecondition while something is mounted below,
// which would be hidden: what an earlier kubelet mounted without.
absl::StatusOr<bool> MakeShared(const std::string& path);

// Removes `path` and everything in it on its own mount: a mount point inside, also a bind mount of
// the same filesystem, is neither entered nor removed (openat2 RESOLVE_NO_XDEV), symbolic links are
// removed, not followed. Absent is success. FailedPrecondition names the mount point in the way;
// all else that can go is gone by then.
absl::Status RemoveTree(const std::string& path);
// A part of that, for trees of millions of files: false when `until` has passed and something was
// removed, though not all; call again. Each part removes something, or is the last.
absl::StatusOr<bool> RemoveTreeUntil(const std::string& path,
                                     std::chrono::steady_clock::time_point until);

// The same, but for directories only: FailedPrecondition names the first file, which stays with the
// way to it.
absl::Status RemoveDirectories(const std::string& path);

// mkdir -p with this mode for what is made, whatever the umask is; what is there keeps its mode.
// FailedPrecondition when a component is there and is not a directory.
absl::Status MakeDirectory(const std::string& path, unsigned mode);

// True for a single path component: not empty, `.` or `..`, without `/` and NUL.
bool IsPathComponent(const std::string& name);

// Opens `relative` (a file or directory) inside the directory `base`, O_PATH. Symbolic links may
// lead around inside, never out, and an absolute one is taken as leading out (openat2
// RESOLVE_BENEATH). With `make_mode` missing directories are made on the way with that mode.
// InvalidArgument when it leads outside, NotFound when absent. The caller closes the descriptor.
absl::StatusOr<int> OpenInside(const std::string& base, const std::string& relative,
                               unsigned make_mode = 0);

// Bind mounts what the descriptor refers to onto `target`, which is made: a file for a file, else a
// directory (0750). A target that shows the same file already stays.
//
// Options are as mount(8) names them: ro, rw, nosuid, nodev, noexec, nosymfollow and their
// opposites, noatime, nodiratime, relatime, strictatime; user, users, owner, group for the bits
// that they bring along; shared, slave, private, unbindable, also with an `r` before it. Those that
// are not named stay as the source has them. The mount has them from its first moment on:
// mount_setattr(2) before move_mount(2), Linux 5.12. `bind` and `defaults` say nothing; every other
// (sync, discard, _netdev, what a filesystem has of its own) is logged and passed over, as by
// `mount -o bind,remount` of util-linux 2.38.
absl::Status BindDescriptor(int fd, const std::string& target,
                            const std::vector<std::string>& options = {});

}  // namespace kubelet::os
