#include "volume/set_up.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <optional>

#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"
#include "volume/ownership.h"

namespace kubelet::volume {
namespace {

constexpr char kEmptyDir[] = "kubernetes.io~empty-dir";

// tmpfs learnt `noswap` in Linux 6.4; older kernels refuse the mount.
std::atomic<bool> noswap_known{true};

std::optional<mode_t> ModeOf(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return std::nullopt;
  return info.st_mode;
}

// A mount of its own, with a filesystem of this kind.
bool IsMounted(const std::string& dir, const std::string& parent, unsigned long magic) {
  struct stat own {
  }, above{};
  struct statfs fs {};
  return stat(dir.c_str(), &own) == 0 && stat(parent.c_str(), &above) == 0 &&
         own.st_dev != above.st_dev && statfs(dir.c_str(), &fs) == 0 &&
         static_cast<unsigned long>(fs.f_type) == magic;
}

absl::Status MountTmpfs(const std::string& dir, int64_t size_bytes) {
  std::string options = size_bytes > 0 ? "size=" + std::to_string(size_bytes) : "";
  if (noswap_known) {
    std::string noswap = options + (options.empty() ? "" : ",") + "noswap";
    auto status = os::MountFilesystem("tmpfs", "tmpfs", dir, noswap);
    if (!absl::IsInvalidArgument(status)) return status;
    noswap_known = false;
  }
  return os::MountFilesystem("tmpfs", "tmpfs", dir, options);
}

// A mount of an earlier kubelet has the pages that it was made with.
absl::Status CheckPages(const std::string& dir, int64_t page_bytes) {
  struct statfs fs {};
  if (statfs(dir.c_str(), &fs) != 0) return base::ErrnoStatus(errno, "statfs " + dir);
  if (fs.f_bsize == page_bytes) return absl::OkStatus();
  return absl::FailedPreconditionError("mounted dir " + dir + " has pages of " +
                                       std::to_string(fs.f_bsize) + " bytes, and " +
                                       std::to_string(page_bytes) + " are asked for");
}

// The mark of a volume that is complete; upstream's kubelet goes by it too.
std::string ReadyDir(const std::string& pod_dir, const std::string& name) {
  return pod_dir + "/plugins/" + kEmptyDir + "/" + name;
}

absl::Status MarkReady(const std::string& pod_dir, const std::string& name) {
  std::string dir = ReadyDir(pod_dir, name), path = dir + "/ready";
  RETURN_IF_ERROR(os::MakeDirectory(dir, 0750));
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (fd < 0) return base::ErrnoStatus(errno, "open " + path);
  close(fd);
  return absl::OkStatus();
}

// Before a part of the volume is made anew, for whoever goes on when this attempt is cut short.
absl::Status Unmark(const std::string& pod_dir, const std::string& name) {
  std::string path = ReadyDir(pod_dir, name) + "/ready";
  if (unlink(path.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR)
    return base::ErrnoStatus(errno, "unlink " + path);
  return absl::OkStatus();
}

// Also of a directory whose maker was stopped before it had set the mode.
absl::Status MakeOpenDirectory(const std::string& dir) {
  RETURN_IF_ERROR(os::MakeDirectory(dir, 0777));
  auto mode = ModeOf(dir);
  if (mode && (*mode & 0777) != 0777 && chmod(dir.c_str(), 0777) != 0)
    return base::ErrnoStatus(errno, "chmod " + dir);
  return absl::OkStatus();
}

absl::Status MakeFile(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
  if (fd < 0) return base::ErrnoStatus(errno, "open " + path);
  close(fd);
  return absl::OkStatus();
}

}  // namespace

std::string PodDir(const std::string& root_dir, const std::string& uid) {
  return root_dir + "/pods/" + uid;
}

std::string RealPodDir(const std::string& pod_dir) {
  std::string parent = pod_dir.substr(0, pod_dir.rfind('/'));
  char* real = realpath(parent.c_str(), nullptr);
  std::string out = real == nullptr ? pod_dir : real + pod_dir.substr(parent.size());
  free(real);
  return out;
}

std::string EmptyDirPath(const std::string& pod_dir, const std::string& name) {
  return pod_dir + "/volumes/" + kEmptyDir + "/" + name;
}

absl::Status SetUpEmptyDir(const std::string& pod_dir, const EmptyDirPlan& plan) {
  using Medium = EmptyDirPlan::Medium;
  std::string dir = EmptyDirPath(pod_dir, plan.name), parent = EmptyDirPath(pod_dir, "");
  parent.pop_back();
  const bool memory = plan.medium == Medium::kMemory;
  const bool huge_pages = plan.medium == Medium::kHugePages;
  const bool mounted =
      (!memory && !huge_pages) || IsMounted(dir, parent, memory ? TMPFS_MAGIC : HUGETLBFS_MAGIC);
  if (huge_pages && mounted) RETURN_IF_ERROR(CheckPages(dir, plan.page_bytes));
  // An attempt that was cut short left no mark: all is done again. So it is when a reboot took the
  // mount away.
  if (mounted && ModeOf(ReadyDir(pod_dir, plan.name) + "/ready") && ModeOf(dir))
    return absl::OkStatus();
  RETURN_IF_ERROR(Unmark(pod_dir, plan.name));
  RETURN_IF_ERROR(os::MakeDirectory(parent, 0750));
  RETURN_IF_ERROR(MakeOpenDirectory(dir));
  if (!mounted && memory) RETURN_IF_ERROR(MountTmpfs(dir, plan.size_bytes));
  if (!mounted && huge_pages)
    RETURN_IF_ERROR(os::MountFilesystem("hugetlbfs", "nodev", dir,
                                        "pagesize=" + std::to_string(plan.page_bytes)));
  // Only at the making: later what is inside belongs to the pod.
  if (plan.group) RETURN_IF_ERROR(ApplyFsGroup(dir, FsGroup{*plan.group, false, false}));
  return MarkReady(pod_dir, plan.name);
}

std::string ApiVolumePath(const std::string& pod_dir, const std::string& plugin,
                          const std::string& name) {
  return pod_dir + "/volumes/" + plugin + "/" + name;
}

absl::StatusOr<std::string> SetUpApiVolume(const std::string& pod_dir, const std::string& plugin,
                                           const std::string& name, bool in_memory) {
  std::string dir = ApiVolumePath(pod_dir, plugin, name), parent = dir.substr(0, dir.rfind('/'));
  RETURN_IF_ERROR(os::MakeDirectory(parent, 0750));
  RETURN_IF_ERROR(os::MakeDirectory(dir, 0777));
  if (in_memory && !IsMounted(dir, parent, TMPFS_MAGIC)) RETURN_IF_ERROR(MountTmpfs(dir, 0));
  return dir;
}

absl::Status CheckHostPath(const HostPathPlan& plan) {
  const std::string& type = plan.type;
  if (type.empty()) return absl::OkStatus();
  auto mode = ModeOf(plan.path);
  auto check = [&](bool fits, const char* what) {
    if (fits) return absl::OkStatus();
    return absl::FailedPreconditionError("hostPath type check failed: " + plan.path + " is not a " +
                                         what);
  };
  auto is = [&](mode_t kind) { return mode && (*mode & S_IFMT) == kind; };
  if (type == "DirectoryOrCreate" && !mode) return os::MakeDirectory(plan.path, 0755);
  if (type == "DirectoryOrCreate" || type == "Directory") return check(is(S_IFDIR), "directory");
  if (type == "FileOrCreate" && !mode) return MakeFile(plan.path);
  if (type == "FileOrCreate" || type == "File") return check(is(S_IFREG), "file");
  if (type == "Socket") return check(is(S_IFSOCK), "socket file");
  if (type == "CharDevice") return check(is(S_IFCHR), "character device");
  if (type == "BlockDevice") return check(is(S_IFBLK), "block device");
  return absl::FailedPreconditionError(type + " is an invalid volume type");
}

absl::StatusOr<std::string> SetUpSubPath(const std::string& pod_dir, const std::string& volume_path,
                                         const std::string& path, const std::string& target) {
  auto mode = ModeOf(volume_path);
  if (!mode) return base::ErrnoStatus(errno, "stat " + volume_path);
  // Searchable for the owner at least, or the next component could not be made in it.
  ASSIGN_OR_RETURN(int fd, os::OpenInside(volume_path, path, (*mode & 07777) | 0100));
  std::string place = pod_dir + "/volume-subpaths/" + target;
  auto bound = os::BindDescriptor(fd, place);
  close(fd);
  if (!bound.ok()) return bound;
  return place;
}

}  // namespace kubelet::volume
