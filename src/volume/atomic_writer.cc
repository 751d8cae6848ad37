#include "volume/atomic_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <set>

#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"

namespace kubelet::volume {
namespace {

namespace fs = std::filesystem;

constexpr char kData[] = "..data";
constexpr char kNewData[] = "..data_tmp";

std::string LinkTarget(const std::string& path) {
  std::error_code ec;
  return fs::read_symlink(path, ec).string();
}

std::string TopOf(const std::string& path) { return path.substr(0, path.find('/')); }

bool SameFile(const std::string& path, const PayloadFile& want, uint32_t mode,
              const std::optional<int64_t>& group) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  struct stat info {};
  bool same = fstat(fd, &info) == 0 && (info.st_mode & 07777) == mode &&
              static_cast<size_t>(info.st_size) == want.bytes.size() &&
              info.st_uid == static_cast<uid_t>(want.owner.value_or(0)) &&
              (!group || info.st_gid == static_cast<gid_t>(*group));
  std::string bytes(want.bytes.size(), '\0');
  size_t got = 0;
  while (same && got < bytes.size()) {
    ssize_t n = read(fd, bytes.data() + got, bytes.size() - got);
    if (n <= 0) break;
    got += static_cast<size_t>(n);
  }
  close(fd);
  return same && got == bytes.size() && bytes == want.bytes;
}

absl::Status WriteAll(int fd, const std::string& bytes, const std::string& path) {
  for (size_t done = 0; done < bytes.size();) {
    ssize_t n = write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::ErrnoStatus(errno, "write " + path);
    done += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

class Writer {
 public:
  Writer(const std::string& dir, const Payload& payload, const WriteOptions& options)
      : dir_(dir), payload_(payload), options_(options) {}

  absl::StatusOr<bool> Run() {
    std::string current = LinkTarget(dir_ + "/" + kData);
    RETURN_IF_ERROR(OwnRoot());
    if (!current.empty() && IsCurrent(current)) {
      // An earlier write may have ended before its last steps.
      RETURN_IF_ERROR(LinkNames());
      RETURN_IF_ERROR(RemoveStale(current));
      return false;
    }
    ASSIGN_OR_RETURN(std::string next, WriteFiles());
    RETURN_IF_ERROR(Exchange(next));
    RETURN_IF_ERROR(LinkNames());
    RETURN_IF_ERROR(RemoveStale(next));
    return true;
  }

 private:
  absl::Status Step() const {
    if (options_.before_step && !options_.before_step()) return absl::AbortedError("stopped");
    return absl::OkStatus();
  }
  uint32_t ModeOf(const PayloadFile& file) const {
    return options_.group ? file.mode | 0440 : file.mode;
  }

  bool IsCurrent(const std::string& version) const {
    std::string base = dir_ + "/" + version;
    size_t files = 0;
    std::error_code ec;
    for (auto it = fs::recursive_directory_iterator(base, ec);
         !ec && it != fs::recursive_directory_iterator(); it.increment(ec)) {
      if (it->is_directory(ec)) continue;
      auto entry = payload_.find(it->path().string().substr(base.size() + 1));
      if (entry == payload_.end()) return false;
      if (!SameFile(it->path().string(), entry->second, ModeOf(entry->second), options_.group))
        return false;
      ++files;
    }
    return !ec && files == payload_.size();
  }

  absl::StatusOr<std::string> WriteFiles() const {
    RETURN_IF_ERROR(Step());
    char stamp[32];
    std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::strftime(stamp, sizeof stamp, "..%Y_%m_%d_%H_%M_%S.", &parts);
    std::string path = dir_ + "/" + stamp + "XXXXXX";
    if (mkdtemp(path.data()) == nullptr)
      return base::ErrnoStatus(errno, "make a directory in " + dir_);
    RETURN_IF_ERROR(OwnDirectory(path));
    for (const auto& [name, file] : payload_) RETURN_IF_ERROR(WriteFile(path, name, file));
    return path.substr(dir_.size() + 1);
  }

  // As ApplyFsGroup has it for a volume that is read only.
  absl::Status OwnRoot() const {
    struct stat info {};
    if (!options_.group) return absl::OkStatus();
    if (stat(dir_.c_str(), &info) != 0) return base::ErrnoStatus(errno, "stat " + dir_);
    auto group = static_cast<gid_t>(*options_.group);
    mode_t mode = (info.st_mode & 07777) | 02550;
    if (info.st_gid == group && (info.st_mode & 07777) == mode) return absl::OkStatus();
    if (lchown(dir_.c_str(), static_cast<uid_t>(-1), group) != 0)
      return base::ErrnoStatus(errno, "chown " + dir_);
    if (chmod(dir_.c_str(), mode) != 0) return base::ErrnoStatus(errno, "chmod " + dir_);
    return absl::OkStatus();
  }

  absl::Status OwnDirectory(const std::string& path) const {
    mode_t mode = options_.group ? 02755 : 0755;
    if (options_.group && lchown(path.c_str(), 0, static_cast<gid_t>(*options_.group)) != 0)
      return base::ErrnoStatus(errno, "chown " + path);
    if (chmod(path.c_str(), mode) != 0) return base::ErrnoStatus(errno, "chmod " + path);
    return absl::OkStatus();
  }

  absl::Status WriteFile(const std::string& base, const std::string& name,
                         const PayloadFile& file) const {
    for (size_t slash = name.find('/'); slash != std::string::npos;
         slash = name.find('/', slash + 1)) {
      std::string parent = base + "/" + name.substr(0, slash);
      if (mkdir(parent.c_str(), 0755) == 0) {
        RETURN_IF_ERROR(OwnDirectory(parent));
      } else if (errno != EEXIST) {
        return base::ErrnoStatus(errno, "mkdir " + parent);
      }
    }
    std::string path = base + "/" + name;
    RETURN_IF_ERROR(Step());
    int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return base::ErrnoStatus(errno, "create " + path);
    absl::Status status = WriteAll(fd, file.bytes, path);
    auto owner = static_cast<uid_t>(file.owner.value_or(0));
    auto group = static_cast<gid_t>(options_.group.value_or(0));
    if (status.ok() && (owner != 0 || group != 0) && fchown(fd, owner, group) != 0)
      status = base::ErrnoStatus(errno, "chown " + path);
    // After the owner: a change of owner drops set-id bits.
    if (status.ok() && fchmod(fd, ModeOf(file)) != 0)
      status = base::ErrnoStatus(errno, "chmod " + path);
    close(fd);
    return status;
  }

  absl::Status Exchange(const std::string& next) const {
    std::string link = dir_ + "/" + kNewData;
    RETURN_IF_ERROR(Step());
    unlink(link.c_str());
    if (symlink(next.c_str(), link.c_str()) != 0) return base::ErrnoStatus(errno, "link " + link);
    RETURN_IF_ERROR(Step());
    if (rename(link.c_str(), (dir_ + "/" + kData).c_str()) != 0)
      return base::ErrnoStatus(errno, "rename " + link);
    return absl::OkStatus();
  }

  absl::Status LinkNames() const {
    std::set<std::string> tops;
    for (const auto& [name, file] : payload_) tops.insert(TopOf(name));
    for (const auto& top : tops) {
      std::string path = dir_ + "/" + top, target = std::string(kData) + "/" + top;
      if (LinkTarget(path) == target) continue;
      RETURN_IF_ERROR(Step());
      if (symlink(target.c_str(), path.c_str()) != 0 && errno != EEXIST)
        return base::ErrnoStatus(errno, "link " + path);
    }
    return absl::OkStatus();
  }

  absl::Status RemoveStale(const std::string& current) const {
    std::set<std::string> tops;
    for (const auto& [name, file] : payload_) tops.insert(TopOf(name));
    std::error_code ec;
    std::set<std::string> stale;
    for (const auto& entry : fs::directory_iterator(dir_, ec)) {
      std::string name = entry.path().filename().string();
      if (name == kData || name == current || tops.contains(name)) continue;
      // Ours are links through `..data`, and versions; anything else was put here by somebody else.
      bool link = LinkTarget(dir_ + "/" + name).rfind(std::string(kData) + "/", 0) == 0;
      if (link || name == kNewData || name.rfind("..2", 0) == 0) stale.insert(name);
    }
    for (const auto& name : stale) {
      RETURN_IF_ERROR(Step());
      RETURN_IF_ERROR(os::RemoveTree(dir_ + "/" + name));
    }
    return absl::OkStatus();
  }

  const std::string& dir_;
  const Payload& payload_;
  const WriteOptions& options_;
};

}  // namespace

absl::StatusOr<bool> WritePayload(const std::string& dir, const Payload& payload,
                                  const WriteOptions& options) {
  return Writer(dir, payload, options).Run();
}

}  // namespace kubelet::volume
