#include "kubelet/volume/child_calls.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "absl/strings/numbers.h"
#include "kubelet/base/status.h"
#include "kubelet/os/file.h"
#include "kubelet/os/mount.h"
#include "volume/disk_format.h"
#include "volume/ownership.h"
#include "volume/persistent.h"
#include "volume/set_up.h"

namespace kubelet::volume {
namespace {

using Args = std::vector<std::string>;

constexpr size_t kMaxFile = 1 << 20;
constexpr unsigned kMaxThreads = 8;

// check-host-path PATH TYPE
absl::StatusOr<std::string> CheckHostPathCall(const Args& args) {
  if (args.size() != 2) return absl::InvalidArgumentError("check-host-path PATH TYPE");
  RETURN_IF_ERROR(CheckHostPath({"", args[0], args[1]}));
  return "";
}

// sub-path POD_DIR VOLUME_PATH PATH TARGET
absl::StatusOr<std::string> SubPathCall(const Args& args) {
  if (args.size() != 4)
    return absl::InvalidArgumentError("sub-path POD_DIR VOLUME_PATH PATH TARGET");
  return SetUpSubPath(args[0], args[1], args[2], args[3]);
}

// read-file ROOT PATH
absl::StatusOr<std::string> ReadFileCall(const Args& args) {
  if (args.size() != 2) return absl::InvalidArgumentError("read-file ROOT PATH");
  return os::ReadFileInside(args[0], args[1], kMaxFile);
}

// fs-group DIR GROUP ro|rw POLICY JOURNAL; tells what was done. Threads of this process cost the
// kubelet none.
absl::StatusOr<std::string> FsGroupCall(const Args& args) {
  if (args.size() != 5)
    return absl::InvalidArgumentError("fs-group DIR GROUP ro|rw POLICY JOURNAL");
  FsGroup wanted;
  if (!absl::SimpleAtoi(args[1], &wanted.group))
    return absl::InvalidArgumentError("fs-group: group " + args[1]);
  wanted.read_only = args[2] == "ro";
  wanted.only_on_root_mismatch = args[3] == "OnRootMismatch";
  // A deep tree holds a descriptor for each level.
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  WalkOptions options;
  options.threads =
      static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 2U, kMaxThreads));
  options.journal = args[4];
  RETURN_IF_ERROR(os::MakeDirectory(os::DirName(options.journal), 0750));
  WalkCounts counts;
  RETURN_IF_ERROR(ApplyFsGroup(args[0], wanted, options, &counts));
  if (counts.skipped) return "the root has the group, nothing was done";
  std::string told =
      std::to_string(counts.seen) + " seen, " + std::to_string(counts.changed) + " changed";
  if (counts.resumed > 0)
    told += ", " + std::to_string(counts.resumed) + " directories done before";
  if (counts.failed > 0)
    told += ", " + std::to_string(counts.failed) + " failed: " + counts.first_failure;
  return told;
}

// group-of DIR
absl::StatusOr<std::string> GroupOfCall(const Args& args) {
  if (args.size() != 1) return absl::InvalidArgumentError("group-of DIR");
  struct stat info {};
  if (stat(args[0].c_str(), &info) != 0) return base::ErrnoStatus(errno, "stat " + args[0]);
  return std::to_string(info.st_gid);
}

// read-alone DEVICE
absl::StatusOr<std::string> ReadAloneCall(const Args& args) {
  if (args.size() != 1) return absl::InvalidArgumentError("read-alone DEVICE");
  RETURN_IF_ERROR(ReadableAlone(args[0]));
  return "";
}

}  // namespace

const os::CallTable& ChildCallTable() {
  static const auto* table = new os::CallTable{{"check-host-path", CheckHostPathCall},
                                               {"sub-path", SubPathCall},
                                               {"read-file", ReadFileCall},
                                               {"fs-group", FsGroupCall},
                                               {"bind-volume", BindVolumeCall},
                                               {"group-of", GroupOfCall},
                                               {"read-alone", ReadAloneCall}};
  return *table;
}

}  // namespace kubelet::volume
