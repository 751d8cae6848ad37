#include "os/bind_options.h"

#include <cstdint>
#include <map>

#include "kubelet/base/log.h"

namespace kubelet::os {
namespace {

struct Change {
  uint64_t set = 0, clear = 0, propagation = 0;
};

constexpr uint64_t kOwners = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

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
      // What mount(8) takes them to mean besides who may mount.
      {"user", {kOwners | MOUNT_ATTR_NOEXEC, 0}},
      {"users", {kOwners | MOUNT_ATTR_NOEXEC, 0}},
      {"owner", {kOwners, 0}},
      {"group", {kOwners, 0}},
      // A bind of one directory has nothing below it that the recursive ones could reach.
      {"shared", {0, 0, MS_SHARED}},
      {"rshared", {0, 0, MS_SHARED}},
      {"slave", {0, 0, MS_SLAVE}},
      {"rslave", {0, 0, MS_SLAVE}},
      {"private", {0, 0, MS_PRIVATE}},
      {"rprivate", {0, 0, MS_PRIVATE}},
      {"unbindable", {0, 0, MS_UNBINDABLE}},
      {"runbindable", {0, 0, MS_UNBINDABLE}},
  };
  return known;
}

}  // namespace

mount_attr BindAttributes(const std::string& target, const std::vector<std::string>& options) {
  mount_attr attributes{};
  std::string passed_over;
  for (const auto& option : options) {
    auto it = Known().find(option);
    if (it == Known().end()) {
      passed_over += (passed_over.empty() ? "" : ",") + option;
      continue;
    }
    if (it->second.propagation != 0) attributes.propagation = it->second.propagation;
    // The last word on a thing counts.
    attributes.attr_set = (attributes.attr_set & ~it->second.clear) | it->second.set;
    attributes.attr_clr |= it->second.clear;
  }
  constexpr uint64_t kField = MOUNT_ATTR__ATIME;
  attributes.attr_clr &= ~(attributes.attr_set & ~kField);
  if (!passed_over.empty())
    LOG_INFO("A bind mount cannot have these options; they are passed over", "mount", target,
             "options", passed_over);
  return attributes;
}

}  // namespace kubelet::os
