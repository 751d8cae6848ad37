#include "volume/walk_journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstring>

namespace kubelet::volume {
namespace {

// What a kill may cost.
constexpr size_t kPending = 64;
constexpr size_t kMaxBytes = 256 << 20;

std::string ReadAll(int fd) {
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    ssize_t n = read(fd, buffer, sizeof buffer);
    if (n <= 0 || text.size() > kMaxBytes) return text;
    text.append(buffer, static_cast<size_t>(n));
  }
}

}  // namespace

WalkJournal::WalkJournal(std::string path, const std::string& header) : path_(std::move(path)) {
  if (path_.empty()) return;
  fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd_ < 0) return;
  std::string text = ReadAll(fd_), line = header + "\n";
  if (!text.starts_with(line)) {
    if (ftruncate(fd_, 0) != 0 || write(fd_, line.data(), line.size()) < 0) {
      close(fd_);
      fd_ = -1;
    }
    return;
  }
  size_t whole = (text.size() - line.size()) / sizeof(uint64_t);
  for (size_t i = 0; i < whole; ++i) {
    uint64_t value;
    std::memcpy(&value, text.data() + line.size() + i * sizeof value, sizeof value);
    done_.insert(value);
  }
  // Half an entry would shift all that follow.
  if (ftruncate(fd_, static_cast<off_t>(line.size() + whole * sizeof(uint64_t))) != 0) Finish();
}

WalkJournal::~WalkJournal() {
  if (fd_ < 0) return;
  Flush();
  close(fd_);
}

void WalkJournal::Add(uint64_t directory) {
  if (fd_ < 0) return;
  std::lock_guard lock(mutex_);
  pending_.push_back(directory);
  if (pending_.size() >= kPending) Flush();
}

void WalkJournal::Flush() {
  if (!pending_.empty() && write(fd_, pending_.data(), pending_.size() * sizeof(uint64_t)) < 0) {
    // A full disk: the next walk begins further back.
  }
  pending_.clear();
}

void WalkJournal::Finish() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  if (!path_.empty()) unlink(path_.c_str());
}

}  // namespace kubelet::volume
