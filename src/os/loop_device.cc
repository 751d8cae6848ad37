#include "kubelet/os/loop_device.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "kubelet/base/status.h"
#include "os/fd.h"

namespace kubelet::os {
namespace {

constexpr int kAttempts = 16;  // another process may take the number that we were given

std::string Resolved(const std::string& path) {
  char* real = realpath(path.c_str(), nullptr);
  std::string out = real == nullptr ? path : real;
  free(real);
  return out;
}

absl::Status Bind(int loop, int backing, const std::string& path) {
  if (ioctl(loop, LOOP_SET_FD, backing) != 0) return base::ErrnoStatus(errno, "LOOP_SET_FD");
  loop_info64 info{};
  std::strncpy(reinterpret_cast<char*>(info.lo_file_name), path.c_str(), LO_NAME_SIZE - 1);
  if (ioctl(loop, LOOP_SET_STATUS64, &info) == 0) return absl::OkStatus();
  int error = errno;
  ioctl(loop, LOOP_CLR_FD, 0);
  return base::ErrnoStatus(error, "LOOP_SET_STATUS64");
}

}  // namespace

absl::StatusOr<std::string> FindLoop(const std::string& path, const std::string& sys) {
  std::string real = Resolved(path);
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(sys + "/block", ec)) {
    std::string name = entry.path().filename().string();
    if (name.rfind("loop", 0) != 0) continue;
    std::ifstream file(entry.path() / "loop/backing_file");
    std::string backing;
    if (std::getline(file, backing) && (backing == path || backing == real)) return "/dev/" + name;
  }
  return absl::NotFoundError("no loop device has " + path);
}

absl::StatusOr<std::string> AttachLoop(const std::string& path) {
  if (auto there = FindLoop(path); there.ok()) return there;
  Fd backing(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!backing.ok() && (errno == EROFS || errno == EACCES || errno == EPERM))
    backing = Fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!backing.ok()) return base::ErrnoStatus(errno, "open " + path);
  Fd control(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control.ok()) return absl::UnavailableError("no loop devices: open /dev/loop-control");
  absl::Status last = absl::UnavailableError("no loop device is free");
  for (int i = 0; i < kAttempts; ++i) {
    int number = ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) return absl::UnavailableError("no loop device is free");
    std::string device = "/dev/loop" + std::to_string(number);
    Fd loop(open(device.c_str(), O_RDWR | O_CLOEXEC));
    if (!loop.ok()) return absl::UnavailableError("open " + device);
    last = Bind(loop.get(), backing.get(), Resolved(path));
    if (last.ok()) return device;
  }
  return base::Annotate(last, "loop device for " + path);
}

absl::Status DetachLoop(const std::string& path) {
  auto device = FindLoop(path);
  if (absl::IsNotFound(device.status())) return absl::OkStatus();
  if (!device.ok()) return device.status();
  Fd loop(open(device->c_str(), O_RDWR | O_CLOEXEC));
  if (!loop.ok()) return base::ErrnoStatus(errno, "open " + *device);
  if (ioctl(loop.get(), LOOP_CLR_FD, 0) == 0 || errno == ENXIO) return absl::OkStatus();
  return base::ErrnoStatus(errno, "LOOP_CLR_FD " + *device);
}

}  // namespace kubelet::os
