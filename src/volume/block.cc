#include "volume/block.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/loop_device.h"
#include "kubelet/os/mount.h"
#include "volume/set_up.h"

namespace kubelet::volume {
namespace {

constexpr char kPlugin[] = "kubernetes.io~local-volume";

std::string Links(const std::string& pod_dir) { return pod_dir + "/volumeDevices/" + kPlugin; }

absl::Status Link(const std::string& device, const std::string& link) {
  std::error_code ec;
  if (std::filesystem::read_symlink(link, ec).string() == device) return absl::OkStatus();
  if (unlink(link.c_str()) != 0 && errno != ENOENT)
    return base::ErrnoStatus(errno, "remove " + link);
  if (symlink(device.c_str(), link.c_str()) != 0) return base::ErrnoStatus(errno, "link " + link);
  return absl::OkStatus();
}

absl::Status Hold(const std::string& device, const std::string& place) {
  int fd = open(device.c_str(), O_PATH | O_CLOEXEC);
  if (fd < 0) return base::ErrnoStatus(errno, "open " + device);
  struct stat info {};
  absl::Status status;
  if (fstat(fd, &info) != 0 || !S_ISBLK(info.st_mode))
    status = absl::FailedPreconditionError("local path " + device + " is not a block device");
  if (status.ok()) status = os::BindDescriptor(fd, place);
  close(fd);
  return status;
}

absl::Status Unmap(const std::string& root_dir, const std::string& uid, const std::string& volume) {
  std::string place = DevicePlaces(root_dir, volume) + "/" + uid;
  RETURN_IF_ERROR(os::DetachLoop(place));
  RETURN_IF_ERROR(os::Unmount(place, true));  // the loop device may let go a moment later
  if (unlink(place.c_str()) != 0 && errno != ENOENT)
    return base::ErrnoStatus(errno, "remove " + place);
  rmdir(DevicePlaces(root_dir, volume).c_str());  // stays while another pod has it
  std::string link = DeviceLink(PodDir(root_dir, uid), volume);
  if (unlink(link.c_str()) != 0 && errno != ENOENT)
    return base::ErrnoStatus(errno, "remove " + link);
  return absl::OkStatus();
}

}  // namespace

std::string DevicePlaces(const std::string& root_dir, const std::string& volume) {
  return root_dir + "/plugins/" + kPlugin + "/volumeDevices/" + volume;
}

std::string DeviceLink(const std::string& pod_dir, const std::string& volume) {
  return Links(pod_dir) + "/" + volume;
}

absl::Status MapBlock(const std::string& root_dir, const std::string& uid,
                      const PersistentPlan& plan) {
  std::string pod_dir = PodDir(root_dir, uid),
              place = DevicePlaces(root_dir, plan.name) + "/" + uid;
  struct stat info {};
  if (stat(plan.path.c_str(), &info) != 0) return base::ErrnoStatus(errno, "stat " + plan.path);
  if (!S_ISBLK(info.st_mode))
    return absl::FailedPreconditionError("local path " + plan.path + " is not a block device");
  RETURN_IF_ERROR(os::MakeDirectory(Links(pod_dir), 0750));
  RETURN_IF_ERROR(Link(plan.path, DeviceLink(pod_dir, plan.name)));
  RETURN_IF_ERROR(Hold(plan.path, place));
  auto loop = os::AttachLoop(place);
  if (!loop.ok())
    LOG_WARNING("A block volume is not held: another device may take its name", "device", plan.path,
                "err", loop.status());
  return absl::OkStatus();
}

absl::Status UnmapBlocks(const std::string& root_dir, const std::string& uid) {
  for (const auto& volume : DevicesOf(PodDir(root_dir, uid)))
    RETURN_IF_ERROR(base::Annotate(Unmap(root_dir, uid, volume), "block volume " + volume));
  return absl::OkStatus();
}

std::vector<std::string> DevicesOf(const std::string& pod_dir) {
  std::vector<std::string> names;
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(Links(pod_dir), ec)) {
    std::error_code ignored;
    if (entry.is_symlink(ignored)) names.push_back(entry.path().filename().string());
  }
  return names;
}

}  // namespace kubelet::volume
