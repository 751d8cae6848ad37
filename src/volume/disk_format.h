// A filesystem on a block device: is there one, the making of one, the check before it is mounted.
// Words of programs and what their answers mean; pure. Facts: SafeFormatAndMount of
// k8s.io/mount-utils, pkg/volume/local of 1.36.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/os/process.h"

namespace kubelet::volume {

// What upstream's blkid calls a disk with a partition table; never made a filesystem of.
inline constexpr char kPartitions[] = "unknown data, probably partitions";

// One run of a program, as error messages show it.
struct DiskProgram {
  std::string program;
  std::vector<std::string> args;
};

DiskProgram LookForFormat(const std::string& device);
// The type of the filesystem, kPartitions, or empty: there is nothing that blkid knows, which it
// also says of a device that it cannot read (ReadableAlone). FailedPrecondition for every other
// answer.
absl::StatusOr<std::string> FormatFound(const std::string& device, const os::ProcessResult& result);

// Blocking, for as long as the device likes: its begin and its end can be read, and nobody else has
// it (O_EXCL): no filesystem that is mounted, no swap, no other layer of storage. Upstream leaves
// that to mkfs. FailedPrecondition else.
absl::Status ReadableAlone(const std::string& device);

DiskProgram MakeFilesystem(const std::string& device, const std::string& type);
// FailedPrecondition with what the program said.
absl::Status FilesystemMade(const std::string& device, const std::string& type,
                            const std::string& target, const std::string& options,
                            const os::ProcessResult& result);

DiskProgram CheckFilesystem(const std::string& device);
// FailedPrecondition for errors that could not be corrected; what else fsck ends with lets the
// mount be tried.
absl::Status FilesystemChecked(const std::string& device, const os::ProcessResult& result);

}  // namespace kubelet::volume
