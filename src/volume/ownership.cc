#include "volume/ownership.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "kubelet/base/status.h"
#include "volume/walk_journal.h"

namespace kubelet::volume {
namespace {

constexpr int kMaxDepth = 2000;
constexpr size_t kBatch = 512;  // files of one directory that are handed to another thread
constexpr size_t kSample = 64;

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

mode_t Needed(const FsGroup& wanted, bool directory) {
  mode_t mode = wanted.read_only ? 0440 : 0660;
  return directory ? mode | S_ISGID | 0110 : mode;
}

bool Right(const struct stat& info, const FsGroup& wanted) {
  if (info.st_gid != static_cast<gid_t>(wanted.group)) return false;
  // The mode of a link means nothing, and changing it would change what it points at.
  mode_t needed = Needed(wanted, S_ISDIR(info.st_mode));
  return S_ISLNK(info.st_mode) || (info.st_mode & needed) == needed;
}

// By descriptor, also one with O_PATH. fchmodat2(2) is there since Linux 6.6, and has no wrapper in
// glibc 2.36.
int ChangeMode(int fd, mode_t mode) {
#ifndef SYS_fchmodat2
  constexpr long SYS_fchmodat2 = 452;
#endif
  static std::atomic<bool> known{true};
  if (known) {
    if (syscall(SYS_fchmodat2, fd, "", mode, AT_EMPTY_PATH) == 0) return 0;
    if (errno != ENOSYS && errno != EINVAL) return -1;
    known = false;
  }
  std::string self = "/proc/self/fd/" + std::to_string(fd);
  return chmod(self.c_str(), mode);
}

struct Directory {
  std::shared_ptr<Directory> parent;  // null: the root
  std::string name;
  uint64_t id = 0;  // of its path below the root
  int depth = 0;
  int fd = -1;
  std::atomic<int> open{1};  // its own listing, and what is in it and not through yet
  ~Directory() {
    if (fd >= 0) close(fd);
  }
  std::string Path(const std::string& root) const {
    return parent ? parent->Path(root) + "/" + name : root;
  }
};
using DirectoryPtr = std::shared_ptr<Directory>;

struct Job {
  DirectoryPtr directory;
  std::vector<std::string> names;  // empty: the directory is to be listed, else files in it
};

uint64_t IdOf(uint64_t parent, const std::string& name) {
  uint64_t hash = parent ^ 0x9e3779b97f4a7c15ULL;
  for (unsigned char c : name) hash = (hash ^ c) * 1099511628211ULL;
  return hash * 0xff51afd7ed558ccdULL + 1;
}

class Walker {
 public:
  Walker(std::string root, const FsGroup& wanted, WalkJournal& journal, int threads)
      : root_(std::move(root)),
        wanted_(wanted),
        journal_(journal),
        threads_(std::max(threads, 1)) {}

  absl::Status Run() {
    auto top = std::make_shared<Directory>();
    top->name = root_;
    Push({top, {}});
    top.reset();
    std::vector<std::thread> helpers;
    for (int i = 1; i < threads_; ++i) helpers.emplace_back([this] { Work(); });
    Work();
    for (auto& helper : helpers) helper.join();
    return status_;
  }
  void Count(WalkCounts& counts) const {
    counts.seen = seen_;
    counts.changed = changed_;
    counts.resumed = resumed_;
    counts.failed = failed_;
    counts.first_failure = first_failure_;
  }

 private:
  void Push(Job job) {
    std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    ++unfinished_;
    if (waiting_ > 0) ready_.notify_one();
  }

  // The youngest first: what is begun comes to its end, and few descriptors are open.
  void Work() {
    std::unique_lock lock(mutex_);
    while (unfinished_ > 0 && status_.ok()) {
      if (jobs_.empty()) {
        ++waiting_;
        ready_.wait(lock);
        --waiting_;
        continue;
      }
      Job job = std::move(jobs_.back());
      jobs_.pop_back();
      lock.unlock();
      absl::Status status;
      if (job.names.empty()) {
        status = List(job.directory);
      } else {
        for (const auto& name : job.names) LookAt(*job.directory, name);
        Through(job.directory);
      }
      job = Job();
      lock.lock();
      if (status_.ok()) status_ = status;
      if (--unfinished_ == 0 || !status_.ok()) ready_.notify_all();
    }
    ready_.notify_all();
  }

  bool Hungry() {
    std::lock_guard lock(mutex_);
    return waiting_ > 0 && jobs_.empty();
  }

  absl::Status List(const DirectoryPtr& self) {
    if (self->depth > kMaxDepth)
      return absl::ResourceExhaustedError(self->Path(root_) + ": nested too deep");
    if (self->parent && journal_.Has(self->id)) {
      ++resumed_;
      Through(self->parent);
      return absl::OkStatus();
    }
    int at = self->parent ? self->parent->fd : AT_FDCWD;
    self->fd = openat(at, self->name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (self->fd < 0) {
      int error = errno;
      bool other = error == ENOTDIR || error == ELOOP;
      if (!self->parent && other) return LookAtRoot();
      if (!self->parent || (error != ENOENT && !other))
        return base::ErrnoStatus(error, "open " + self->Path(root_));
      if (other) LookAt(*self->parent, self->name);
      Through(self->parent);
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(Entries(self));
    Through(self);
    return absl::OkStatus();
  }

  absl::Status Entries(const DirectoryPtr& self) {
    int list = openat(self->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    std::unique_ptr<DIR, int (*)(DIR*)> entries(list < 0 ? nullptr : fdopendir(list), closedir);
    if (!entries) {
      int error = errno;
      if (list >= 0) close(list);
      return base::ErrnoStatus(error, "list " + self->Path(root_));
    }
    std::vector<std::string> files;
    auto pass = [&] {
      if (files.empty()) return;
      if (threads_ > 1 && files.size() >= kBatch && Hungry()) {
        ++self->open;
        Push({self, std::exchange(files, {})});
        return;
      }
      for (const auto& name : files) LookAt(*self, name);
      files.clear();
    };
    while (const dirent* entry = readdir(entries.get())) {
      if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
      if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) {
        auto child = std::make_shared<Directory>();
        child->parent = self;
        child->name = entry->d_name;
        child->id = IdOf(self->id, child->name);
        child->depth = self->depth + 1;
        ++self->open;
        Push({std::move(child), {}});
        continue;
      }
      files.emplace_back(entry->d_name);
      if (files.size() >= kBatch) pass();
    }
    pass();
    return absl::OkStatus();
  }

  // One less to wait for in `self`; the last one ends it, and its parents perhaps.
  void Through(DirectoryPtr self) {
    while (self && --self->open == 0) {
      struct stat info {};
      ++seen_;
      if (fstat(self->fd, &info) != 0) {
        Failed("stat ", *self, "");
      } else if (!Right(info, wanted_)) {
        Change(self->fd, info, *self, "");
      }
      if (self->parent) journal_.Add(self->id);
      close(std::exchange(self->fd, -1));
      self = self->parent;
    }
  }

  void LookAt(const Directory& parent, const std::string& name) {
    struct stat info {};
    ++seen_;
    if (fstatat(parent.fd, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno != ENOENT) Failed("stat ", parent, name);
      return;
    }
    if (Right(info, wanted_)) return;
    Fd self(openat(parent.fd, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (self.get() < 0 || fstat(self.get(), &info) != 0) {
      if (errno != ENOENT) Failed("open ", parent, name);
      return;
    }
    Change(self.get(), info, parent, name);
  }

  absl::Status LookAtRoot() {
    Directory here;
    here.fd = AT_FDCWD;
    LookAt(here, root_);
    here.fd = -1;
    return absl::OkStatus();
  }

  void Change(int fd, const struct stat& info, const Directory& parent, const std::string& name) {
    ++changed_;
    auto group = static_cast<gid_t>(wanted_.group);
    if (info.st_gid != group &&
        fchownat(fd, "", static_cast<uid_t>(-1), group, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0) {
      Failed("chown ", parent, name);
      return;
    }
    if (S_ISLNK(info.st_mode)) return;
    // Also when it looks the same: the change of owner has dropped set-id bits.
    mode_t mode = (info.st_mode & 07777) | Needed(wanted_, S_ISDIR(info.st_mode));
    if (ChangeMode(fd, mode) != 0) Failed("chmod ", parent, name);
  }

  void Failed(const char* what, const Directory& parent, const std::string& name) {
    int error = errno;
    std::lock_guard lock(mutex_);
    ++failed_;
    if (!first_failure_.empty()) return;
    first_failure_ =
        what + parent.Path(root_) + (name.empty() ? "" : "/" + name) + ": " + strerror(error);
  }

  const std::string root_;
  const FsGroup wanted_;
  WalkJournal& journal_;
  const int threads_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<Job> jobs_;
  size_t unfinished_ = 0;  // jobs in the list or at work
  int waiting_ = 0;
  absl::Status status_;
  uint64_t failed_ = 0;
  std::string first_failure_;
  std::atomic<uint64_t> seen_{0}, changed_{0}, resumed_{0};
};

// What a group never got: root's, and nobody else may read it.
bool NobodysYet(const struct stat& info) {
  return info.st_uid == 0 && info.st_gid == 0 && (info.st_mode & 0004) == 0;
}

bool SampleAgrees(const std::string& dir, const FsGroup& wanted) {
  if (wanted.group == 0) return true;
  std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(dir.c_str()), closedir);
  if (!entries) return false;
  size_t looked = 0, untouched = 0;
  while (const dirent* entry = readdir(entries.get())) {
    std::string name = entry->d_name;
    struct stat info {};
    if (name == "." || name == ".." || name == "lost+found" ||
        fstatat(dirfd(entries.get()), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        S_ISLNK(info.st_mode))
      continue;
    untouched += NobodysYet(info) ? 1 : 0;
    if (++looked == kSample) break;
  }
  return looked == 0 || untouched < looked;
}

}  // namespace

absl::Status ApplyFsGroup(const std::string& dir, const FsGroup& wanted, const WalkOptions& options,
                          WalkCounts* counts) {
  struct stat root {};
  if (stat(dir.c_str(), &root) != 0) return base::ErrnoStatus(errno, "stat " + dir);
  if (wanted.only_on_root_mismatch && S_ISDIR(root.st_mode) && Right(root, wanted) &&
      SampleAgrees(dir, wanted)) {
    if (counts != nullptr) counts->skipped = true;
    if (!options.journal.empty()) unlink(options.journal.c_str());
    return absl::OkStatus();
  }
  std::string header = "fsGroup walk 1 " + std::to_string(wanted.group) + " " +
                       std::to_string(wanted.read_only) + " " + std::to_string(root.st_dev) + " " +
                       std::to_string(root.st_ino);
  WalkJournal journal(options.journal, header);
  Walker walker(dir, wanted, journal, options.threads);
  auto status = walker.Run();
  if (counts != nullptr) walker.Count(*counts);
  if (status.ok()) journal.Finish();
  return status;
}

}  // namespace kubelet::volume
