#include "kubelet/config/file_reader.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "config/text.h"
#include "kubelet/base/status.h"

namespace kubelet::config {
namespace {

constexpr size_t kMaxFileBytes = 10 << 20;

std::string CurrentDirectory() {
  std::unique_ptr<char, decltype(&std::free)> cwd(getcwd(nullptr, 0), &std::free);
  return cwd ? cwd.get() : "/";
}

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

absl::StatusOr<std::string> ReadAll(int fd, const std::string& path) {
  std::string content;
  char buffer[65536];
  while (true) {
    ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::ErrnoStatus(errno, "read " + path);
    if (n == 0) return content;
    content.append(buffer, static_cast<size_t>(n));
    if (content.size() > kMaxFileBytes) {
      return absl::InvalidArgumentError("read " + path + ": longer than 10 MiB");
    }
  }
}

}  // namespace

FileReader::FileReader() : FileReader("", CurrentDirectory()) {}

FileReader::FileReader(std::string root, std::string working_directory)
    : root_(std::move(root)), working_directory_(std::move(working_directory)) {}

std::string FileReader::Absolute(const std::string& path) const {
  return IsAbsolute(path) ? CleanPath(path) : JoinPath(working_directory_, path);
}

absl::StatusOr<std::string> FileReader::Read(const std::string& path) const {
  std::string name = root_ + Absolute(path);
  // Not blocking: opening a pipe by mistake must not hang the start.
  Fd fd(open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return base::ErrnoStatus(errno, "open " + path);
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return base::ErrnoStatus(errno, "stat " + path);
  if (S_ISDIR(info.st_mode)) return absl::InvalidArgumentError("read " + path + ": is a directory");
  if (!S_ISREG(info.st_mode))
    return absl::InvalidArgumentError("read " + path + ": is no regular file");
  return ReadAll(fd.get(), path);
}

absl::StatusOr<std::vector<std::string>> FileReader::Walk(const std::string& dir) const {
  std::string name = root_ + Absolute(dir);
  struct CloseDir {
    void operator()(DIR* stream) const { closedir(stream); }
  };
  std::unique_ptr<DIR, CloseDir> stream(opendir(name.c_str()));
  if (!stream) return base::ErrnoStatus(errno, "open directory " + dir);
  std::vector<std::string> entries;
  errno = 0;
  while (dirent* entry = readdir(stream.get())) {
    std::string entry_name = entry->d_name;
    if (entry_name != "." && entry_name != "..") entries.push_back(entry_name);
    errno = 0;
  }
  if (errno != 0) return base::ErrnoStatus(errno, "read directory " + dir);
  stream.reset();
  std::sort(entries.begin(), entries.end());
  std::vector<std::string> files;
  for (const std::string& entry : entries) {
    std::string path = JoinPath(dir, entry);
    struct stat info;
    if (lstat((name + "/" + entry).c_str(), &info) != 0)
      return base::ErrnoStatus(errno, "stat " + path);
    if (!S_ISDIR(info.st_mode)) {
      files.push_back(path);
      continue;
    }
    ASSIGN_OR_RETURN(std::vector<std::string> below, Walk(path));
    files.insert(files.end(), below.begin(), below.end());
  }
  return files;
}

}  // namespace kubelet::config
