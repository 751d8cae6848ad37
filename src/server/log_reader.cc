#include "server/log_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <utility>

#include "kubelet/base/status.h"
#include "server/file_writers.h"

namespace kubelet::server {
namespace {

constexpr size_t kBlock = 64 * 1024;
// How long a writer has to come to its end, which is a matter of milliseconds; and where it cannot
// be told whether there is one.
constexpr base::Nanos kWriterTime = std::chrono::seconds(2);
constexpr base::Nanos kBlindTime = std::chrono::milliseconds(100);

std::string Stem(const std::string& name) {
  return name.ends_with(".gz") ? name.substr(0, name.size() - 3) : name;
}

// Names in the directory of `path` that rotation made of it, without `FILE.`.
std::vector<std::string> RotatedNames(const std::string& path) {
  size_t slash = path.rfind('/');
  std::string prefix = path.substr(slash + 1) + ".";
  std::vector<std::string> out;
  DIR* dir = opendir(path.substr(0, slash + 1).c_str());
  if (dir == nullptr) return out;
  while (const dirent* entry = readdir(dir)) {
    std::string name = entry->d_name;
    if (name.rfind(prefix, 0) == 0) out.push_back(name.substr(prefix.size()));
  }
  closedir(dir);
  return out;
}

std::string StampOf(const timespec& time) {
  tm parts{};
  localtime_r(&time.tv_sec, &parts);
  char text[32];
  return std::string(text, strftime(text, sizeof text, "%Y%m%d-%H%M%S", &parts));
}

// Bytes that a gzip file unpacks to, modulo 2^32; -1: it cannot be read.
int64_t UnpackedSize(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  unsigned char tail[4];
  off_t end = lseek(fd, -4, SEEK_END);
  bool read = end >= 0 && ::read(fd, tail, 4) == 4;
  close(fd);
  if (!read) return -1;
  return int64_t{tail[0]} | int64_t{tail[1]} << 8 | int64_t{tail[2]} << 16 | int64_t{tail[3]} << 24;
}

// The file that a compressed one was made of, as gc/log_compressor.h notes it; nothing: by somebody
// else.
std::optional<std::pair<ino_t, dev_t>> PackedFrom(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  unsigned char head[32] = {};
  bool read = pread(fd, head, sizeof head, 0) == sizeof head;
  close(fd);
  constexpr unsigned char kField[] = {20, 0, 'K', 'I', 16, 0};  // length of all, name, length
  if (!read || head[0] != 0x1f || head[1] != 0x8b || (head[3] & 4) == 0 ||
      std::memcmp(head + 10, kField, sizeof kField) != 0)
    return std::nullopt;
  uint64_t inode = 0, device = 0;
  for (int i = 7; i >= 0; --i) {
    inode = inode << 8 | head[16 + i];
    device = device << 8 | head[24 + i];
  }
  return std::make_pair(static_cast<ino_t>(inode), static_cast<dev_t>(device));
}

}  // namespace

struct LogReader::File {
  int fd = -1;
  gzFile packed = nullptr;  // owns fd
  off_t offset = 0;         // of a plain file
  ino_t inode = 0;
  dev_t device = 0;
  bool closed = false;  // nobody writes to it any more, or that was waited for long enough

  ~File() {
    if (packed != nullptr) {
      gzclose(packed);
    } else if (fd >= 0) {
      close(fd);
    }
  }
  static absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path) {
    auto file = std::make_unique<File>();
    file->fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->fd < 0) return base::ErrnoStatus(errno, "failed to open log file \"" + path + "\"");
    struct stat info {};
    if (fstat(file->fd, &info) != 0 || !S_ISREG(info.st_mode))
      return absl::FailedPreconditionError("failed to open log file \"" + path +
                                           "\": not a regular file");
    file->inode = info.st_ino;
    file->device = info.st_dev;
    if (path.ends_with(".gz")) file->packed = gzdopen(file->fd, "rb");
    return file;
  }
  // 0: the end.
  absl::StatusOr<size_t> Read(char* data, size_t size) {
    if (packed != nullptr) {
      int n = gzread(packed, data, static_cast<unsigned>(size));
      if (n < 0) return absl::DataLossError("a compressed log file is broken");
      return static_cast<size_t>(n);
    }
    ssize_t n = pread(fd, data, size, offset);
    if (n < 0) return base::ErrnoStatus(errno, "failed to read log file");
    offset += n;
    return static_cast<size_t>(n);
  }
  bool Same(const struct stat& info) const { return info.st_ino == inode && info.st_dev == device; }
};

LogReader::LogReader(std::string path, LogQuery query)
    : asked_path_(std::move(path)), query_(query), filter_(std::move(query)) {}
LogReader::~LogReader() = default;

absl::Status LogReader::Open() {
  char resolved[PATH_MAX];
  if (realpath(asked_path_.c_str(), resolved) == nullptr) {
    return base::ErrnoStatus(errno,
                             "failed to try resolving symlinks in path \"" + asked_path_ + "\"");
  }
  path_ = resolved;
  ASSIGN_OR_RETURN(file_, File::Open(path_));
  return Tail();
}

// The start of the last lines. As upstream an entry counts as a line, and one without an end does
// not.
absl::Status LogReader::Tail() {
  if (!query_.tail_lines) return absl::OkStatus();
  struct stat info {};
  if (fstat(file_->fd, &info) != 0) return base::ErrnoStatus(errno, "stat of log file");
  int64_t left = *query_.tail_lines;
  std::string block(kBlock, '\0');
  for (off_t right = info.st_size; right > 0;) {
    off_t from = std::max<off_t>(0, right - static_cast<off_t>(kBlock));
    ssize_t n = pread(file_->fd, block.data(), static_cast<size_t>(right - from), from);
    if (n <= 0)
      return base::ErrnoStatus(n < 0 ? errno : EIO, "failed to tail log file \"" + path_ + "\"");
    for (ssize_t i = n - 1; i >= 0; --i) {
      if (block[static_cast<size_t>(i)] != '\n' || left-- > 0) continue;
      file_->offset = from + i + 1;
      return absl::OkStatus();
    }
    right = from;
  }
  return absl::OkStatus();
}

bool LogReader::HasSuccessor() const {
  if (file_->packed != nullptr) return true;
  struct stat info {};
  return stat(path_.c_str(), &info) == 0 && !file_->Same(info);
}

std::string NextRotated(std::vector<std::string> names, const std::string& ours) {
  // With a compressed file beside its original, the original is being removed: either will do.
  std::sort(names.begin(), names.end());
  for (const auto& name : names) {
    if (name.ends_with(".tmp") || Stem(name) <= Stem(ours)) continue;
    return name;
  }
  return "";
}

bool LogReader::DirectoryGone() const {
  struct stat info {};
  std::string directory = path_.substr(0, path_.rfind('/') + 1);
  return stat(directory.c_str(), &info) != 0 && errno == ENOENT;
}

absl::StatusOr<bool> LogReader::NextFile() {
  auto names = RotatedNames(path_);
  std::string ours;
  struct stat mine {};
  fstat(file_->fd, &mine);
  for (const auto& name : names) {
    struct stat info {};
    if (stat((path_ + "." + name).c_str(), &info) == 0 && file_->Same(info)) ours = name;
  }
  for (size_t i = 0; ours.empty() && i < names.size(); ++i) {
    auto from = names[i].ends_with(".gz") ? PackedFrom(path_ + "." + names[i]) : std::nullopt;
    if (from && from->first == file_->inode && from->second == file_->device) ours = names[i];
  }
  if (ours.empty()) {
    // It was compressed, or removed. Compressed, it is the first that was rotated after its last
    // write.
    std::string stamp = StampOf(mine.st_mtim);
    std::string first;
    for (const auto& name : names)
      if (!name.ends_with(".tmp") && Stem(name) >= stamp && (first.empty() || name < first))
        first = name;
    bool compressed =
        first.ends_with(".gz") && UnpackedSize(path_ + "." + first) == (mine.st_size & 0xffffffff);
    if (compressed) {
      ours = first;
    } else if (!first.empty()) {
      ours = stamp.substr(0, stamp.size() - 1);  // so that `first` is the next
    } else {
      ours = stamp;
    }
  }
  for (;;) {
    std::string next = NextRotated(names, ours);
    auto opened = File::Open(next.empty() ? path_ : path_ + "." + next);
    if (opened.ok() && next.empty()) {
      // Rotated just now: then this is not the next but the one after it.
      names = RotatedNames(path_);
      if (!NextRotated(names, ours).empty()) continue;
    }
    if (opened.ok()) {
      file_ = *std::move(opened);
      filter_.NextFile();
      return true;
    }
    if (opened.status().code() != absl::StatusCode::kNotFound) return opened.status();
    // Compressed or removed just now: look again, and past it when it is gone.
    if (next.empty()) return false;
    names = RotatedNames(path_);
    auto same = std::find_if(names.begin(), names.end(),
                             [&](const auto& n) { return Stem(n) == Stem(next); });
    // A name that is there and leads nowhere is passed over too.
    if (same == names.end() || *same == next) ours = Stem(next);
  }
}

// Once it is false the file has to be read to its end again: that is what was written until then.
bool LogReader::MayBeWritten(bool advance, LogStep& step) {
  Writers writers = advance ? Writers::kNone : WritersOf(file_->fd);
  if (writers == Writers::kNone) return false;
  step.at_end = step.waiting = true;
  step.patience = writers == Writers::kSome ? kWriterTime : kBlindTime;
  return true;
}

absl::StatusOr<LogStep> LogReader::Step(bool over, bool advance) {
  LogStep step;
  if (!file_) RETURN_IF_ERROR(Open());
  std::string block(kBlock, '\0');
  for (size_t used = 0; used < kStep && step.out.size() < kStep && !filter_.done();) {
    ASSIGN_OR_RETURN(size_t n, file_->Read(block.data(), block.size()));
    used += n;
    if (n > 0) {
      RETURN_IF_ERROR(filter_.Feed(std::string_view(block).substr(0, n), step.out));
      continue;
    }
    bool successor = query_.follow && HasSuccessor();
    bool leave = successor || (query_.follow && over);
    if (leave && file_->packed == nullptr && !file_->closed) {
      if (MayBeWritten(advance, step)) return step;
      file_->closed = true;
      continue;
    }
    if (successor) {
      ASSIGN_OR_RETURN(bool moved, NextFile());
      if (moved) {
        advance = false;
        continue;
      }
      // The pod's logs were removed, or the runtime is about to make the next file.
      over = over || DirectoryGone();
    }
    if (!query_.follow || over) {
      // A line of a container that has ended will not get its end any more.
      RETURN_IF_ERROR(filter_.Flush(step.out));
      step.done = true;
    } else if (struct stat info{}; fstat(file_->fd, &info) == 0 && info.st_size < file_->offset) {
      file_->offset = 0;  // cut in place: what comes now is new
      continue;
    }
    step.at_end = true;
    return step;
  }
  step.done = filter_.done();
  return step;
}

absl::StatusOr<LogStep> LogReader::Read(bool over) { return Step(over, false); }
absl::StatusOr<LogStep> LogReader::Advance(bool over) { return Step(over, true); }

}  // namespace kubelet::server
