#include "kubelet/os/mount.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

#include "kubelet/base/status.h"
#include "kubelet/os/mountinfo.h"
#include "os/bind_options.h"
#include "os/fd.h"
#include "os/openat2.h"

namespace kubelet::os {
namespace {

// A mount can be in use for a moment (somebody walks through it), or be stacked: a few looks are
// enough.
constexpr int kUnmountRounds = 8;

std::vector<std::string> Components(const std::string& path) {
  std::vector<std::string> out;
  std::istringstream in(path);
  for (std::string part; std::getline(in, part, '/');) {
    if (!part.empty() && part != ".") out.push_back(part);
  }
  return out;
}

absl::Status Inside(int error, const std::string& base, const std::string& relative) {
  std::string what = "open " + relative + " inside " + base;
  if (error == EXDEV || error == ELOOP)
    return absl::InvalidArgumentError(what + ": it leads outside");
  if (error == ENOTDIR)
    return absl::FailedPreconditionError(what + ": a component is not a directory");
  return base::ErrnoStatus(error, what);
}

}  // namespace

absl::Status MountFilesystem(const std::string& type, const std::string& source,
                             const std::string& target, const std::string& options) {
  if (mount(source.c_str(), target.c_str(), type.c_str(), 0, options.c_str()) == 0)
    return absl::OkStatus();
  std::string what = "mount " + type + " on " + target + " with `" + options + "`";
  if (errno == EINVAL)
    return absl::InvalidArgumentError(what + ": the kernel does not take these options");
  return base::ErrnoStatus(errno, what);
}

absl::Status Unmount(const std::string& target, bool lazy) {
  if (umount2(target.c_str(), UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
    return absl::OkStatus();
  if (errno == EINVAL || errno == ENOENT) return absl::OkStatus();
  return base::ErrnoStatus(errno, (lazy ? "detach " : "unmount ") + target);
}

absl::Status UnmountBelow(const std::string& dir, bool lazy,
                          const std::function<void(const std::string&)>& tell) {
  for (int round = 0; round < kUnmountRounds; ++round) {
    auto mounts = ReadMountinfo();
    if (!mounts.ok()) return mounts.status();
    auto below = MountsBelow(*mounts, dir);
    if (below.empty()) return absl::OkStatus();
    for (const auto& mount : below) {
      auto status = lazy ? absl::OkStatus() : Unmount(mount.point, false);
      if (!lazy && status.ok()) continue;
      if (!status.ok() && tell) {
        std::string holders = MountHolders(mount);
        tell(mount.point + " (" + mount.type + " " + mount.source + ") was in use" +
             (holders.empty() ? "" : ": " + holders) + "; detached");
      }
      RETURN_IF_ERROR(Unmount(mount.point, true));
    }
  }
  auto mounts = ReadMountinfo();
  if (!mounts.ok()) return mounts.status();
  auto below = MountsBelow(*mounts, dir);
  if (below.empty()) return absl::OkStatus();
  return absl::UnavailableError("unmount " + below.front().point + ": " + below.front().type +
                                " is still mounted");
}

absl::Status MakeDirectory(const std::string& path, unsigned mode) {
  if (mkdir(path.c_str(), mode) == 0) {
    // A look is cheaper than a change, and as a rule the umask takes nothing.
    struct stat made {};
    if (lstat(path.c_str(), &made) == 0 && (made.st_mode & 07777) == mode) return absl::OkStatus();
    if (chmod(path.c_str(), mode) != 0) return base::ErrnoStatus(errno, "chmod " + path);
    return absl::OkStatus();
  }
  int error = errno;
  if (error == EEXIST) {
    struct stat info {};
    if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return absl::OkStatus();
    return absl::FailedPreconditionError("mkdir " + path + ": something else is there");
  }
  if (error == ENOTDIR)
    return absl::FailedPreconditionError("mkdir " + path + ": a parent is not a directory");
  size_t slash = path.rfind('/');
  if (error != ENOENT || slash == std::string::npos || slash == 0)
    return base::ErrnoStatus(error, "mkdir " + path);
  RETURN_IF_ERROR(MakeDirectory(path.substr(0, slash), mode));
  return MakeDirectory(path, mode);
}

bool IsPathComponent(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

absl::StatusOr<int> OpenInside(const std::string& base, const std::string& relative,
                               unsigned make_mode) {
  Fd root(open(base.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.ok()) return base::ErrnoStatus(errno, "open " + base);
  constexpr uint64_t kBeneath = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  int fd = OpenAt2(root.get(), relative.empty() ? "." : relative, O_PATH | O_CLOEXEC, kBeneath);
  if (fd >= 0) return fd;
  if (errno != ENOENT || make_mode == 0) return Inside(errno, base, relative);
  // Each parent is resolved again from the root, so that nobody can swap it for a way out in
  // between.
  std::string done;
  for (const auto& part : Components(relative)) {
    if (part == "..") return Inside(EXDEV, base, relative);
    std::string next = done.empty() ? part : done + "/" + part;
    Fd here(OpenAt2(root.get(), next, O_PATH | O_CLOEXEC, kBeneath));
    if (!here.ok() && errno == ENOENT) {
      Fd parent(OpenAt2(root.get(), done.empty() ? "." : done, O_PATH | O_DIRECTORY | O_CLOEXEC,
                        kBeneath));
      if (!parent.ok()) return Inside(errno, base, relative);
      if (mkdirat(parent.get(), part.c_str(), make_mode) == 0) {
        if (fchmodat(parent.get(), part.c_str(), make_mode, 0) != 0)
          return Inside(errno, base, relative);
      } else if (errno != EEXIST) {
        return Inside(errno, base, relative);
      }
    } else if (!here.ok()) {
      return Inside(errno, base, relative);
    }
    done = next;
  }
  fd = OpenAt2(root.get(), relative, O_PATH | O_CLOEXEC, kBeneath);
  if (fd < 0) return Inside(errno, base, relative);
  return fd;
}

namespace {

// Whoever is killed on the way leaves no mount without its options.
absl::Status BindWith(int fd, const std::string& target, mount_attr attributes) {
  Fd tree(open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!tree.ok()) return base::ErrnoStatus(errno, "open the source of the mount " + target);
  if (mount_setattr(tree.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0)
    return base::ErrnoStatus(errno, "set the options of the mount " + target);
  if (move_mount(tree.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) == 0)
    return absl::OkStatus();
  return base::ErrnoStatus(errno, "bind mount on " + target);
}

}  // namespace

absl::Status BindDescriptor(int fd, const std::string& target,
                            const std::vector<std::string>& options) {
  struct stat source {
  }, there{};
  if (fstat(fd, &source) != 0) return base::ErrnoStatus(errno, "stat the source of " + target);
  size_t slash = target.rfind('/');
  if (slash != std::string::npos && slash != 0)
    RETURN_IF_ERROR(MakeDirectory(target.substr(0, slash), 0750));
  if (lstat(target.c_str(), &there) == 0) {
    if (there.st_dev == source.st_dev && there.st_ino == source.st_ino) return absl::OkStatus();
    RETURN_IF_ERROR(UnmountBelow(target, false));
    RETURN_IF_ERROR(RemoveTree(target));
  }
  if (S_ISDIR(source.st_mode)) {
    RETURN_IF_ERROR(MakeDirectory(target, 0750));
  } else {
    Fd file(open(target.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640));
    if (!file.ok()) return base::ErrnoStatus(errno, "create " + target);
  }
  const mount_attr attributes = BindAttributes(target, options);
  if (attributes.attr_set != 0 || attributes.attr_clr != 0 || attributes.propagation != 0)
    return BindWith(fd, target, attributes);
  std::string link = "/proc/self/fd/" + std::to_string(fd);
  if (mount(link.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) == 0) return absl::OkStatus();
  return base::ErrnoStatus(errno, "bind mount on " + target);
}

}  // namespace kubelet::os
