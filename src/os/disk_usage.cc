#include "kubelet/os/disk_usage.h"

#include <fcntl.h>
#include <fts.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <set>

#include "kubelet/base/status.h"

namespace kubelet::os {
namespace {

struct Closer {
  void operator()(FTS* tree) const { fts_close(tree); }
};

bool IsDisk(const std::string& type) {
  for (const char* known : {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "vfat", "f2fs",
                            "squashfs", "ubifs", "bcachefs"})
    if (type == known) return true;
  return false;
}

}  // namespace

absl::StatusOr<TreeUsage> UsageOfTree(const std::string& path, const std::atomic<bool>* stop) {
  std::string top = path;
  char* const paths[] = {top.data(), nullptr};
  std::unique_ptr<FTS, Closer> tree(
      fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, nullptr));
  if (!tree) return base::ErrnoStatus(errno, "walk " + path);
  TreeUsage usage;
  std::set<std::pair<dev_t, ino_t>> linked;
  while (FTSENT* entry = fts_read(tree.get())) {
    if (stop != nullptr && *stop) return absl::AbortedError("walk " + path + ": stopped");
    if (entry->fts_info == FTS_NS || entry->fts_info == FTS_ERR) {
      if (entry->fts_level == 0) return base::ErrnoStatus(entry->fts_errno, "walk " + path);
      continue;
    }
    if (entry->fts_info == FTS_DP || entry->fts_statp == nullptr) continue;
    const struct stat& info = *entry->fts_statp;
    if (!S_ISDIR(info.st_mode) && info.st_nlink > 1 &&
        !linked.emplace(info.st_dev, info.st_ino).second)
      continue;
    usage.bytes += static_cast<uint64_t>(info.st_blocks) * 512;
    ++usage.inodes;
  }
  return usage;
}

absl::StatusOr<Filesystem> ReadFilesystem(const std::string& path) {
  struct statvfs room {};
  struct stat info {};
  if (statvfs(path.c_str(), &room) != 0 || stat(path.c_str(), &info) != 0)
    return base::ErrnoStatus(errno, "statvfs " + path);
  Filesystem out;
  out.capacity = static_cast<uint64_t>(room.f_blocks) * room.f_frsize;
  out.free = static_cast<uint64_t>(room.f_bfree) * room.f_frsize;
  out.available = static_cast<uint64_t>(room.f_bavail) * room.f_frsize;
  out.inodes = room.f_files;
  out.inodes_free = room.f_ffree;
  out.major = major(info.st_dev);
  out.minor = minor(info.st_dev);
  return out;
}

absl::StatusOr<uint64_t> ReadDeviceBytes(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return base::ErrnoStatus(errno, "open " + path);
  struct stat info {};
  off_t end = -1;
  if (fstat(fd, &info) == 0 && S_ISBLK(info.st_mode)) end = lseek(fd, 0, SEEK_END);
  close(fd);
  if (end < 0) return absl::FailedPreconditionError(path + " is no block device");
  return static_cast<uint64_t>(end);
}

std::vector<Partition> Partitions(const std::vector<Mount>& mounts,
                                  const std::vector<std::string>& without) {
  std::vector<Partition> out;
  std::set<std::string> seen;
  for (const auto& mount : mounts) {
    bool left_out = std::any_of(without.begin(), without.end(),
                                [&](const std::string& dir) { return IsBelow(mount.point, dir); });
    Partition part{mount.source, mount.point, mount.type, mount.major, mount.minor};
    if (mount.type == "tmpfs") {
      part.device = mount.point;
    } else if (mount.type == "overlay") {
      part.device += "_" + std::to_string(mount.major) + "-" + std::to_string(mount.minor);
    } else if (!IsDisk(mount.type)) {
      continue;
    }
    if (left_out || !seen.insert(part.device).second) continue;
    out.push_back(std::move(part));
  }
  return out;
}

}  // namespace kubelet::os
