// Makes FILE.gz of a rotated log, in steps. Blocking; one thread at a time.
//
// Written as FILE.tmp and renamed when it is whole and on the disk; then FILE goes. Mode, owner and
// time are those of FILE. The gzip header carries an extra field `KI` with FILE's inode and device
// (8 bytes each, little endian), by which a reader that still holds FILE finds the place of it in
// the row. A process that dies leaves a FILE.tmp, or FILE beside FILE.gz: TidyLog mends both.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace kubelet::gc {

class LogCompressor {
 public:
  explicit LogCompressor(std::string path);
  ~LogCompressor();
  LogCompressor(const LogCompressor&) = delete;
  LogCompressor& operator=(const LogCompressor&) = delete;

  // Takes about kStep bytes of FILE, at low priority. True: all is done. Aborted: somebody wrote to
  // FILE meanwhile, which stays as it is; NotFound: it is gone.
  absl::StatusOr<bool> Step();

  static constexpr size_t kStep = 2 << 20;

 private:
  struct State;
  absl::Status Begin();
  absl::Status Pack(const char* data, size_t size, bool last);
  absl::Status Finish();
  std::string path_;
  std::unique_ptr<State> state_;
};

}  // namespace kubelet::gc
