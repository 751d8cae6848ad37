#include "volume/disk_format.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "kubelet/base/log.h"

namespace kubelet::volume {
namespace {

constexpr int kProbe = 64 << 10;
constexpr int kNothingFound = 2;                 // of blkid
constexpr int kCorrected = 1, kUncorrected = 4;  // of fsck

std::string Exit(const os::ProcessResult& result) {
  return "exit status " + std::to_string(result.exit_code);
}

absl::Status NoFormat(const std::string& device, const std::string& why) {
  return absl::FailedPreconditionError("failed to get disk format of disk " + device + ": " + why);
}

}  // namespace

DiskProgram LookForFormat(const std::string& device) {
  return {"blkid", {"-p", "-s", "TYPE", "-s", "PTTYPE", "-o", "export", device}};
}

absl::StatusOr<std::string> FormatFound(const std::string& device,
                                        const os::ProcessResult& result) {
  std::string said = result.out + result.err;
  if (result.exit_code == kNothingFound && said.empty()) return "";
  if (result.exit_code != 0)
    return NoFormat(device, Exit(result) + (said.empty() ? "" : ": " + said));
  std::istringstream lines(said);
  std::string type;
  bool partitions = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) continue;
    size_t equals = line.find('=');
    if (equals == std::string::npos || line.find('=', equals + 1) != std::string::npos)
      return NoFormat(device, "blkid returns invalid output: " + said);
    std::string name = line.substr(0, equals);
    if (name == "TYPE") type = line.substr(equals + 1);
    partitions |= name == "PTTYPE" && equals + 1 < line.size();
  }
  return partitions ? kPartitions : type;
}

absl::Status ReadableAlone(const std::string& device) {
  const std::string about = "disk " + device + " seems to be empty, but ";
  int fd = open(device.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC);
  if (fd < 0)
    return absl::FailedPreconditionError(about + "it cannot be opened alone: " + strerror(errno));
  bool readable = true;
  std::vector<char> block(kProbe);
  off_t size = lseek(fd, 0, SEEK_END);
  for (off_t at : {off_t{0}, std::max(off_t{0}, size - off_t{kProbe})})
    readable &= pread(fd, block.data(), block.size(), at) > 0;
  close(fd);
  if (readable) return absl::OkStatus();
  return absl::FailedPreconditionError(about + "it cannot be read");
}

DiskProgram MakeFilesystem(const std::string& device, const std::string& type) {
  DiskProgram out{"mkfs." + type, {}};
  if (type == "ext4" || type == "ext3") out.args = {"-F", "-m0"};
  if (type == "xfs") out.args = {"-f"};
  out.args.push_back(device);
  return out;
}

absl::Status FilesystemMade(const std::string& device, const std::string& type,
                            const std::string& target, const std::string& options,
                            const os::ProcessResult& result) {
  if (result.exit_code == 0) return absl::OkStatus();
  return absl::FailedPreconditionError("format of disk \"" + device + "\" failed: type:(\"" + type +
                                       "\") target:(\"" + target + "\") options:(\"" + options +
                                       "\") errcode:(" + Exit(result) + ") output:(" + result.out +
                                       result.err + ") ");
}

DiskProgram CheckFilesystem(const std::string& device) { return {"fsck", {"-a", device}}; }

absl::Status FilesystemChecked(const std::string& device, const os::ProcessResult& result) {
  if (result.exit_code == kUncorrected)
    return absl::FailedPreconditionError("'fsck' found errors on device " + device +
                                         " but could not correct them: " + result.out + result.err);
  if (result.exit_code == kCorrected)
    LOG_INFO("Errors of a filesystem were corrected by fsck", "device", device);
  else if (result.exit_code != 0)
    LOG_WARNING("fsck ended with an error; the filesystem is mounted all the same", "device",
                device, "exitCode", result.exit_code, "output", result.out + result.err);
  return absl::OkStatus();
}

}  // namespace kubelet::volume
