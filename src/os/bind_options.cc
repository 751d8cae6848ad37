#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <map>

#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"

namespace kubelet::os {
namespace {

struct Change {
  uint64_t set = 0, clear = 0;
};

const std::map<std::string, Change>& Known() {
  static const auto& known = *new std::map<std::string, Change>{
      {"bind", {}},
      {"rbind", {}},
      {"defaults", {}},
      {"ro", {MOUNT_ATTR_RDONLY, 0}},
      {"rw", {0, MOUNT_ATTR_RDONLY}},
      {"nosuid", {MOUNT_ATTR_NOSUID, 0}},
      {"suid", {0, MOUNT_ATTR_NOSUID}},
      {"nodev", {MOUNT_ATTR_NODEV, 0}},
      {"dev", {0, MOUNT_ATTR_NODEV}},
      {"noexec", {MOUNT_ATTR_NOEXEC, 0}},
      {"exec", {0, MOUNT_ATTR_NOEXEC}},
      {"nosymfollow", {MOUNT_ATTR_NOSYMFOLLOW, 0}},
      {"symfollow", {0, MOUNT_ATTR_NOSYMFOLLOW}},
      {"nodiratime", {MOUNT_ATTR_NODIRATIME, 0}},
      {"diratime", {0, MOUNT_ATTR_NODIRATIME}},
      // One value of a field, not a bit: the whole field is cleared first.
      {"noatime", {MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME}},
      {"strictatime", {MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME}},
      {"relatime", {MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME}},
  };
  return known;
}

}  // namespace

absl::Status SetBindOptions(const std::string& target, const std::vector<std::string>& options) {
  mount_attr attributes{};
  for (const auto& option : options) {
    auto it = Known().find(option);
    if (it == Known().end())
      return absl::FailedPreconditionError("mount option `" + option +
                                           "` is none that a bind mount can have");
    // The last word on a thing counts.
    attributes.attr_set = (attributes.attr_set & ~it->second.clear) | it->second.set;
    attributes.attr_clr |= it->second.clear;
  }
  constexpr uint64_t kField = MOUNT_ATTR__ATIME;
  attributes.attr_clr &= ~(attributes.attr_set & ~kField);
  if (attributes.attr_set == 0 && attributes.attr_clr == 0) return absl::OkStatus();
  long done = syscall(SYS_mount_setattr, AT_FDCWD, target.c_str(), AT_SYMLINK_NOFOLLOW, &attributes,
                      sizeof attributes);
  if (done == 0) return absl::OkStatus();
  return base::ErrnoStatus(errno, "set the options of the mount " + target);
}

}  // namespace kubelet::os
