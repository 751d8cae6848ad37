#include "volume/atomic_writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <random>
#include <set>

#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"

namespace kubelet::volume {
namespace {

constexpr char kData[] = "..data";
constexpr char kNewData[] = "..data_tmp";
constexpr int kNames = 100;  // that are tried for a version

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;

std::string LinkTarget(int dir, const std::string& name) {
  char target[4096];
  ssize_t size = readlinkat(dir, name.c_str(), target, sizeof target);
  return size <= 0 ? "" : std::string(target, static_cast<size_t>(size));
}

std::string TopOf(const std::string& path) { return path.substr(0, path.find('/')); }

// Calls `visit(name, type)` for each entry, with the type as readdir(3) has it; false: it cannot be
// listed.
template <typename Visit>
bool List(int parent, const std::string& name, const Visit& visit) {
  int fd = openat(parent, name.c_str(), kDirectory);
  DIR* dir = fd < 0 ? nullptr : fdopendir(fd);
  if (dir == nullptr) {
    if (fd >= 0) close(fd);
    return false;
  }
  while (const dirent* entry = readdir(dir)) {
    std::string found = entry->d_name;
    if (found != "." && found != "..") visit(found, entry->d_type);
  }
  closedir(dir);
  return true;
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

bool Holds(int fd, const std::string& want) {
  std::string bytes(want.size(), '\0');
  size_t got = 0;
  while (got < bytes.size()) {
    ssize_t n = read(fd, bytes.data() + got, bytes.size() - got);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    got += static_cast<size_t>(n);
  }
  return bytes == want;
}

std::string NewName(std::mt19937_64& random) {
  char stamp[32];
  std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::strftime(stamp, sizeof stamp, "..%Y_%m_%d_%H_%M_%S.", &parts);
  return stamp + std::to_string(random() % 10'000'000'000);
}

class Writer {
 public:
  Writer(const std::string& dir, const Payload& payload, const WriteOptions& options)
      : dir_(dir), payload_(payload), options_(options), fd_(open(dir.c_str(), kDirectory)) {
    for (const auto& [name, file] : payload_) tops_.insert(TopOf(name));
  }

  absl::StatusOr<bool> Run() {
    if (fd_.get() < 0) return base::ErrnoStatus(errno, "open " + dir_);
    RETURN_IF_ERROR(OwnRoot());
    current_ = LinkTarget(fd_.get(), kData);
    Fd version(current_.empty() ? -1 : openat(fd_.get(), current_.c_str(), kDirectory));
    bool is_current = version.get() >= 0 && Compare(version.get());
    if (is_current) {
      // An earlier write may have ended before its last steps.
      RETURN_IF_ERROR(LinkNames());
      RETURN_IF_ERROR(RemoveStale(current_));
      return false;
    }
    ASSIGN_OR_RETURN(std::string next, WriteFiles(version.get()));
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
  uid_t OwnerOf(const PayloadFile& file) const {
    return static_cast<uid_t>(file.owner.value_or(0));
  }

  bool Same(int version, const std::string& name, const PayloadFile& want) const {
    Fd file(openat(version, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat info {};
    return file.get() >= 0 && fstat(file.get(), &info) == 0 && S_ISREG(info.st_mode) &&
           (info.st_mode & 07777) == ModeOf(want) && info.st_uid == OwnerOf(want) &&
           (!options_.group || info.st_gid == static_cast<gid_t>(*options_.group)) &&
           static_cast<size_t>(info.st_size) == want.bytes.size() && Holds(file.get(), want.bytes);
  }

  // Everything in the version, counted.
  size_t FilesIn(int version, const std::string& name) const {
    size_t files = 0;
    std::vector<std::string> directories;
    List(version, name, [&](const std::string& found, unsigned char type) {
      struct stat info {};
      bool is_dir = type == DT_DIR;
      std::string path = name == "." ? found : name + "/" + found;
      if (type == DT_UNKNOWN)
        is_dir = fstatat(version, path.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
                 S_ISDIR(info.st_mode);
      if (is_dir) directories.push_back(path);
      if (!is_dir) ++files;
    });
    for (const auto& one : directories) files += FilesIn(version, one);
    return files;
  }

  // Is it what is wanted? Notes which of its files are.
  bool Compare(int version) {
    for (const auto& [name, file] : payload_)
      if (Same(version, name, file)) kept_.insert(name);
    return kept_.size() == payload_.size() && FilesIn(version, ".") == payload_.size();
  }

  absl::StatusOr<std::string> WriteFiles(int old) {
    RETURN_IF_ERROR(Step());
    std::mt19937_64 random{std::random_device{}()};
    std::string name;
    bool made = false;
    for (int i = 0; i < kNames && !made; ++i) {
      name = NewName(random);
      made = mkdirat(fd_.get(), name.c_str(), 0755) == 0;
      if (!made && errno != EEXIST) return base::ErrnoStatus(errno, "make a directory in " + dir_);
    }
    Fd version(openat(fd_.get(), name.c_str(), kDirectory));
    if (version.get() < 0) return base::ErrnoStatus(errno, "open " + dir_ + "/" + name);
    RETURN_IF_ERROR(OwnDirectory(version.get(), dir_ + "/" + name));
    for (const auto& [path, file] : payload_) {
      RETURN_IF_ERROR(MakeParents(version.get(), path));
      RETURN_IF_ERROR(Step());
      // The same file under another name: no new one for what has not changed.
      bool linked =
          kept_.contains(path) && linkat(old, path.c_str(), version.get(), path.c_str(), 0) == 0;
      if (!linked) RETURN_IF_ERROR(WriteFile(version.get(), path, file));
    }
    return name;
  }

  // As ApplyFsGroup has it for a volume that is read only.
  absl::Status OwnRoot() const {
    struct stat info {};
    if (!options_.group) return absl::OkStatus();
    if (fstat(fd_.get(), &info) != 0) return base::ErrnoStatus(errno, "stat " + dir_);
    return SetOwner(fd_.get(), info, info.st_uid, static_cast<gid_t>(*options_.group),
                    (info.st_mode & 07777) | 02550, dir_);
  }

  absl::Status OwnDirectory(int fd, const std::string& path) const {
    struct stat info {};
    if (fstat(fd, &info) != 0) return base::ErrnoStatus(errno, "stat " + path);
    auto group = options_.group ? static_cast<gid_t>(*options_.group) : info.st_gid;
    return SetOwner(fd, info, info.st_uid, group, options_.group ? 02755 : 0755, path);
  }

  // Only what is not so yet: as a rule the umask takes nothing, and a directory gives its group.
  static absl::Status SetOwner(int fd, const struct stat& info, uid_t owner, gid_t group,
                               mode_t mode, const std::string& path) {
    bool other = info.st_uid != owner || info.st_gid != group;
    if (other && fchown(fd, owner, group) != 0) return base::ErrnoStatus(errno, "chown " + path);
    // After the owner: a change of owner drops set-id bits.
    if ((other || (info.st_mode & 07777) != mode) && fchmod(fd, mode) != 0)
      return base::ErrnoStatus(errno, "chmod " + path);
    return absl::OkStatus();
  }

  absl::Status MakeParents(int version, const std::string& name) {
    for (size_t slash = name.find('/'); slash != std::string::npos;
         slash = name.find('/', slash + 1)) {
      std::string parent = name.substr(0, slash);
      if (!parents_.insert(parent).second) continue;
      std::string path = dir_ + "/" + parent;
      if (mkdirat(version, parent.c_str(), 0755) != 0)
        return base::ErrnoStatus(errno, "mkdir " + path);
      Fd fd(openat(version, parent.c_str(), kDirectory));
      if (fd.get() < 0) return base::ErrnoStatus(errno, "open " + path);
      RETURN_IF_ERROR(OwnDirectory(fd.get(), path));
    }
    return absl::OkStatus();
  }

  // Nobody else may read it before it has its owner.
  absl::Status WriteFile(int version, const std::string& name, const PayloadFile& want) const {
    std::string path = dir_ + "/" + name;
    auto owner = OwnerOf(want);
    auto group = static_cast<gid_t>(options_.group.value_or(0));
    mode_t mode = ModeOf(want), first = owner == 0 ? mode & 0777 : 0600;
    Fd file(
        openat(version, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, first));
    if (file.get() < 0) return base::ErrnoStatus(errno, "create " + path);
    RETURN_IF_ERROR(WriteAll(file.get(), want.bytes, path));
    struct stat info {};
    if (fstat(file.get(), &info) != 0) return base::ErrnoStatus(errno, "stat " + path);
    return SetOwner(file.get(), info, owner, group, mode, path);
  }

  absl::Status Exchange(const std::string& next) const {
    RETURN_IF_ERROR(Step());
    unlinkat(fd_.get(), kNewData, 0);
    if (symlinkat(next.c_str(), fd_.get(), kNewData) != 0)
      return base::ErrnoStatus(errno, "link " + dir_ + "/" + kNewData);
    RETURN_IF_ERROR(Step());
    if (renameat(fd_.get(), kNewData, fd_.get(), kData) != 0)
      return base::ErrnoStatus(errno, "rename " + dir_ + "/" + kNewData);
    return absl::OkStatus();
  }

  // What is there stays: a link of ours, or what somebody else put there.
  absl::Status LinkNames() {
    std::set<std::string> there;
    if (!current_.empty())
      List(fd_.get(), ".", [&](const std::string& name, unsigned char) { there.insert(name); });
    for (const auto& top : tops_) {
      if (there.contains(top)) continue;
      RETURN_IF_ERROR(Step());
      std::string target = std::string(kData) + "/" + top;
      if (symlinkat(target.c_str(), fd_.get(), top.c_str()) != 0 && errno != EEXIST)
        return base::ErrnoStatus(errno, "link " + dir_ + "/" + top);
    }
    return absl::OkStatus();
  }

  absl::Status RemoveStale(const std::string& version) const {
    std::set<std::string> stale;
    List(fd_.get(), ".", [&](const std::string& name, unsigned char) {
      if (name == kData || name == version || tops_.contains(name)) return;
      // Ours are links through `..data`, and versions; anything else was put here by somebody else.
      bool link = LinkTarget(fd_.get(), name).rfind(std::string(kData) + "/", 0) == 0;
      if (link || name == kNewData || name.rfind("..2", 0) == 0) stale.insert(name);
    });
    for (const auto& name : stale) {
      RETURN_IF_ERROR(Step());
      RETURN_IF_ERROR(os::RemoveTree(dir_ + "/" + name));
    }
    return absl::OkStatus();
  }

  const std::string& dir_;
  const Payload& payload_;
  const WriteOptions& options_;
  Fd fd_;
  std::string current_;         // the version that is shown; empty: none
  std::set<std::string> tops_;  // first components of all paths
  std::set<std::string> kept_;  // paths that are in the current version as they are wanted
  std::set<std::string> parents_;
};

}  // namespace

absl::StatusOr<bool> WritePayload(const std::string& dir, const Payload& payload,
                                  const WriteOptions& options) {
  return Writer(dir, payload, options).Run();
}

}  // namespace kubelet::volume
