#include "gc/log_compressor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "kubelet/base/status.h"
#include "kubelet/os/low_priority.h"

namespace kubelet::gc {
namespace {

constexpr size_t kBlock = 128 * 1024;

std::string Little(uint64_t value) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

}  // namespace

struct LogCompressor::State {
  int in = -1, out = -1;
  std::string temporary;
  struct stat info {};
  off_t offset = 0;
  z_stream stream{};
  gz_header header{};
  std::string extra;
  bool packing = false;

  ~State() {
    if (packing) deflateEnd(&stream);
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    if (!temporary.empty()) unlink(temporary.c_str());
  }
};

LogCompressor::LogCompressor(std::string path) : path_(std::move(path)) {}
LogCompressor::~LogCompressor() = default;

absl::Status LogCompressor::Begin() {
  auto state = std::make_unique<State>();
  state->in = open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (state->in < 0) return base::ErrnoStatus(errno, "open " + path_);
  if (fstat(state->in, &state->info) != 0) return base::ErrnoStatus(errno, "stat " + path_);
  if (!S_ISREG(state->info.st_mode))
    return absl::FailedPreconditionError(path_ + ": not a regular file");
  std::string temporary = path_ + ".tmp";
  int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
  state->out = open(temporary.c_str(), flags, 0600);
  if (state->out < 0) return base::ErrnoStatus(errno, "create " + temporary);
  state->temporary = temporary;
  // Fast rather than small: it is read seldom, and its number is limited.
  if (deflateInit2(&state->stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK)
    return absl::ResourceExhaustedError("zlib: no memory");
  state->packing = true;
  state->extra =
      std::string("KI") + '\x10' + '\0' + Little(state->info.st_ino) + Little(state->info.st_dev);
  state->header.time = static_cast<uLong>(state->info.st_mtim.tv_sec);
  state->header.os = 3;  // Unix
  state->header.extra = reinterpret_cast<Bytef*>(state->extra.data());
  state->header.extra_len = static_cast<uInt>(state->extra.size());
  deflateSetHeader(&state->stream, &state->header);
  state_ = std::move(state);
  return absl::OkStatus();
}

absl::Status LogCompressor::Pack(const char* data, size_t size, bool last) {
  auto& s = *state_;
  std::vector<char> block(kBlock);
  s.stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data));
  s.stream.avail_in = static_cast<uInt>(size);
  do {
    s.stream.next_out = reinterpret_cast<Bytef*>(block.data());
    s.stream.avail_out = static_cast<uInt>(block.size());
    int result = deflate(&s.stream, last ? Z_FINISH : Z_NO_FLUSH);
    if (result == Z_STREAM_ERROR) return absl::InternalError("zlib: " + path_);
    size_t made = block.size() - s.stream.avail_out;
    for (size_t done = 0; done < made;) {
      ssize_t n = write(s.out, block.data() + done, made - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return base::ErrnoStatus(errno, "write " + s.temporary);
      done += static_cast<size_t>(n);
    }
  } while (s.stream.avail_out == 0);
  return absl::OkStatus();
}

absl::Status LogCompressor::Finish() {
  auto& s = *state_;
  RETURN_IF_ERROR(Pack(nullptr, 0, true));
  struct stat now {};
  if (fstat(s.in, &now) != 0) return base::ErrnoStatus(errno, "stat " + path_);
  if (now.st_nlink == 0) return absl::NotFoundError(path_ + " was removed");
  if (now.st_size != s.offset) return absl::AbortedError(path_ + " is still written to");
  if (fchown(s.out, s.info.st_uid, s.info.st_gid) != 0 && errno != EPERM)
    return base::ErrnoStatus(errno, "chown " + s.temporary);
  if (fchmod(s.out, s.info.st_mode & 07777) != 0)
    return base::ErrnoStatus(errno, "chmod " + s.temporary);
  timespec times[2] = {s.info.st_atim, s.info.st_mtim};
  futimens(s.out, times);
  if (fdatasync(s.out) != 0) return base::ErrnoStatus(errno, "sync " + s.temporary);
  std::string packed = path_ + ".gz";
  if (rename(s.temporary.c_str(), packed.c_str()) != 0)
    return base::ErrnoStatus(errno, "rename " + s.temporary);
  s.temporary.clear();
  if (unlink(path_.c_str()) != 0 && errno != ENOENT)
    return base::ErrnoStatus(errno, "unlink " + path_);
  return absl::OkStatus();
}

absl::StatusOr<bool> LogCompressor::Step() {
  os::LowPriority low;
  if (!state_) RETURN_IF_ERROR(Begin());
  std::vector<char> block(kBlock);
  for (size_t taken = 0; taken < kStep;) {
    ssize_t n = pread(state_->in, block.data(), block.size(), state_->offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::ErrnoStatus(errno, "read " + path_);
    if (n == 0) {
      RETURN_IF_ERROR(Finish());
      state_ = nullptr;
      return true;
    }
    state_->offset += n;
    taken += static_cast<size_t>(n);
    RETURN_IF_ERROR(Pack(block.data(), static_cast<size_t>(n), false));
  }
  return false;
}

}  // namespace kubelet::gc
