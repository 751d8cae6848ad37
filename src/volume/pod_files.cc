#include "kubelet/volume/pod_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <random>

#include "kubelet/base/hash.h"
#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "volume/remove.h"

namespace kubelet::volume {
namespace {

namespace fs = std::filesystem;

absl::Status WriteFile(const std::string& path, const std::string& content, mode_t mode) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) return base::ErrnoStatus(errno, "open " + path);
  fchmod(fd, mode);
  size_t done = 0;
  while (done < content.size()) {
    ssize_t n = write(fd, content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      int error = errno;
      close(fd);
      return base::ErrnoStatus(error, "write " + path);
    }
    done += static_cast<size_t>(n);
  }
  if (close(fd) != 0) return base::ErrnoStatus(errno, "close " + path);
  return absl::OkStatus();
}

// `12.log`, `12.log.20260101-000000`, … -> 12
std::optional<uint32_t> LogNumber(const std::string& name) {
  size_t dot = name.find(".log");
  if (dot == std::string::npos || dot == 0 || dot > 9) return std::nullopt;
  uint32_t number = 0;
  for (size_t i = 0; i < dot; ++i) {
    if (name[i] < '0' || name[i] > '9') return std::nullopt;
    number = number * 10 + static_cast<uint32_t>(name[i] - '0');
  }
  return number;
}

std::string RandomHex() {
  std::random_device device;
  std::string text = base::Hex(device());
  return std::string(8 - std::min<size_t>(8, text.size()), '0') + text;
}

void KeepNewest(const std::string& dir, size_t keep) {
  std::error_code ec;
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  for (const auto& entry : fs::directory_iterator(dir, ec))
    files.emplace_back(entry.last_write_time(ec), entry.path());
  std::sort(files.rbegin(), files.rend());
  for (size_t i = keep; i < files.size(); ++i) fs::remove(files[i].second, ec);
}

void RemoveLinksInto(const std::string& link_dir, const std::string& target_dir) {
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(link_dir, ec)) {
    std::error_code ignored;
    std::string target = fs::read_symlink(entry.path(), ignored).string();
    if (target.rfind(target_dir + "/", 0) == 0) fs::remove(entry.path(), ignored);
  }
}

}  // namespace

absl::StatusOr<std::map<std::string, uint32_t>> MakePodDirectories(
    const PodDirs& dirs, const std::string& uid, const std::string& log_dir,
    const std::vector<std::string>& containers) {
  if (!os::IsPathComponent(uid))
    return absl::InvalidArgumentError("uid `" + uid + "` is no directory name");
  std::string pod = dirs.root_dir + "/pods/" + uid;
  RETURN_IF_ERROR(os::MakeDirectory(pod + "/volumes", 0750));
  RETURN_IF_ERROR(os::MakeDirectory(log_dir, 0755));
  std::map<std::string, uint32_t> next;
  for (const auto& container : containers) {
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(log_dir + "/" + container, ec)) {
      if (auto number = LogNumber(entry.path().filename().string())) {
        next[container] = std::max(next[container], *number + 1);
      }
    }
  }
  return next;
}

absl::StatusOr<ContainerFiles> MakeContainerFiles(const PodDirs& dirs, const std::string& uid,
                                                  const std::string& log_dir,
                                                  const std::string& container,
                                                  const std::optional<std::string>& etc_hosts,
                                                  bool termination_log) {
  ContainerFiles files;
  std::string pod = dirs.root_dir + "/pods/" + uid;
  RETURN_IF_ERROR(os::MakeDirectory(log_dir + "/" + container, 0755));
  if (etc_hosts) {
    files.etc_hosts = pod + "/etc-hosts";
    RETURN_IF_ERROR(WriteFile(files.etc_hosts, *etc_hosts, 0644));
  }
  if (termination_log) {
    std::string dir = pod + "/containers/" + container;
    RETURN_IF_ERROR(os::MakeDirectory(dir, 0750));
    KeepNewest(dir, 1);
    files.termination_log = dir + "/" + RandomHex();
    RETURN_IF_ERROR(WriteFile(files.termination_log, "", 0666));
  }
  return files;
}

absl::Status LinkContainerLog(const PodDirs& dirs, const std::string& link,
                              const std::string& log_path) {
  RETURN_IF_ERROR(os::MakeDirectory(dirs.legacy_log_dir, 0755));
  std::string path = dirs.legacy_log_dir + "/" + link;
  if (unlink(path.c_str()) != 0 && errno != ENOENT)
    return base::ErrnoStatus(errno, "unlink " + path);
  if (symlink(log_path.c_str(), path.c_str()) != 0)
    return base::ErrnoStatus(errno, "symlink " + path);
  return absl::OkStatus();
}

absl::Status RemovePodFiles(const PodDirs& dirs, const std::string& uid,
                            const std::string& log_dir) {
  if (!os::IsPathComponent(uid))
    return absl::InvalidArgumentError("uid `" + uid + "` is no directory name");
  RemoveLinksInto(dirs.legacy_log_dir, log_dir);
  RETURN_IF_ERROR(os::RemoveTree(log_dir));
  return RemovePodDir(dirs.root_dir + "/pods/" + uid);
}

std::string ReadTerminationMessage(const std::string& path, size_t limit) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return "";
  struct stat info {};
  std::string text;
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
    off_t start =
        info.st_size > static_cast<off_t>(limit) ? info.st_size - static_cast<off_t>(limit) : 0;
    text.resize(limit);
    ssize_t n = pread(fd, text.data(), limit, start);
    text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  }
  close(fd);
  return text;
}

}  // namespace kubelet::volume
