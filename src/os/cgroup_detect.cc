#include <algorithm>
#include <array>
#include <sstream>

#include "kubelet/os/cgroup.h"

namespace kubelet::os {
namespace {

constexpr std::array kV1Controllers = {"cpu",     "cpuacct",    "cpuset", "memory",  "devices",
                                       "freezer", "blkio",      "pids",   "net_cls", "net_prio",
                                       "hugetlb", "perf_event", "rdma",   "misc"};

// The super options of a v1 mount hold its controllers among other words.
std::vector<std::string> V1Controllers(const std::string& options) {
  std::vector<std::string> out;
  std::istringstream words(options);
  for (std::string word; std::getline(words, word, ',');) {
    bool known =
        std::find(kV1Controllers.begin(), kV1Controllers.end(), word) != kV1Controllers.end();
    if (known || word.rfind("name=", 0) == 0) out.push_back(word);
  }
  return out;
}

}  // namespace

const char* CgroupModeName(CgroupMode mode) {
  switch (mode) {
    case CgroupMode::kNone:
      return "none";
    case CgroupMode::kV1:
      return "v1";
    case CgroupMode::kHybrid:
      return "hybrid";
    case CgroupMode::kV2:
      return "v2";
  }
  return "";
}

CgroupMounts DetectCgroups(const std::vector<Mount>& mounts, const std::string& root) {
  CgroupMounts out;
  bool controllers = false;
  std::string on_root;
  for (const auto& mount : mounts) {
    if (!IsBelow(mount.point, root)) continue;
    if (mount.point == root) on_root = mount.type;
    if (mount.type == "cgroup2") out.unified = mount.point;
    if (mount.type != "cgroup") continue;
    for (const auto& controller : V1Controllers(mount.super_options)) {
      auto& point = out.v1[controller];
      if (point.empty() || mount.point.size() < point.size()) point = mount.point;
      controllers |= controller.rfind("name=", 0) != 0;
    }
  }
  if (on_root == "cgroup2") {
    out = CgroupMounts{CgroupMode::kV2, {}, root};
  } else if (controllers) {
    out.mode = out.unified.empty() ? CgroupMode::kV1 : CgroupMode::kHybrid;
  }
  return out;
}

}  // namespace kubelet::os
