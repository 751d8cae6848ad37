#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <string_view>

#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"

namespace kubelet::os {
namespace {

// Answered by this kernel or its own disks. What is not named here may ask somebody else.
constexpr std::array<std::string_view, 44> kLocal = {
    "bcachefs", "binfmt_misc", "bpf",      "btrfs",    "cgroup",  "cgroup2",    "configfs",
    "debugfs",  "devpts",      "devtmpfs", "efivarfs", "erofs",   "exfat",      "ext2",
    "ext3",     "ext4",        "f2fs",     "fusectl",  "hfsplus", "hugetlbfs",  "iso9660",
    "jfs",      "mqueue",      "msdos",    "nsfs",     "ntfs3",   "overlay",    "proc",
    "pstore",   "ramfs",       "reiserfs", "resctrl",  "rootfs",  "securityfs", "selinuxfs",
    "smackfs",  "squashfs",    "sysfs",    "tmpfs",    "tracefs", "udf",        "vfat",
    "xfs",      "zfs"};

constexpr int kMaxLinks = 40;

void Split(const std::string& path, std::deque<std::string>& front) {
  std::vector<std::string> parts;
  for (size_t start = 0; start <= path.size();) {
    size_t end = std::min(path.find('/', start), path.size());
    if (end > start) parts.push_back(path.substr(start, end - start));
    start = end + 1;
  }
  front.insert(front.begin(), parts.begin(), parts.end());
}

// The uppermost mount at exactly this point.
const Mount* MountAt(const std::vector<Mount>& mounts, const std::string& point) {
  const Mount* found = nullptr;
  for (const auto& mount : mounts)
    if (mount.point == point) found = &mount;
  return found;
}

std::string Parent(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos || slash == 0 ? "" : path.substr(0, slash);
}

}  // namespace

bool IsLocal(const Mount& mount) {
  return std::find(kLocal.begin(), kLocal.end(), mount.type) != kLocal.end();
}

std::optional<Mount> MayHang(const std::vector<Mount>& mounts, const std::string& path) {
  if (const Mount* root = MountAt(mounts, "/"); root != nullptr && !IsLocal(*root)) return *root;
  std::deque<std::string> rest;
  Split(path, rest);
  std::string done;  // without a final slash; the root is empty
  for (int links = 0; !rest.empty();) {
    std::string part = std::move(rest.front());
    rest.pop_front();
    if (part == ".") continue;
    if (part == "..") {
      done = Parent(done);
      continue;
    }
    std::string next = done + "/" + part;
    // What is mounted there is entered before anything of it is looked at.
    if (const Mount* mount = MountAt(mounts, next)) {
      if (!IsLocal(*mount)) return *mount;
      done = next;
      continue;
    }
    char buffer[PATH_MAX];
    ssize_t size = readlink(next.c_str(), buffer, sizeof buffer);
    if (size < 0 && errno != EINVAL)
      return std::nullopt;  // it ends here, and so does every look at it
    if (size < 0) {
      done = next;
      continue;
    }
    if (++links > kMaxLinks) return std::nullopt;
    std::string target(buffer, static_cast<size_t>(size));
    if (target.starts_with("/")) done.clear();
    Split(target, rest);
  }
  return std::nullopt;
}

}  // namespace kubelet::os
