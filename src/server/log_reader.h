// Reads a container's log in bounded steps, over the files that rotation makes of it. Every call
// blocks: run it on the blocking pool, one call at a time.
//
// Rotation renames FILE to FILE.YYYYMMDD-HHMMSS, the runtime then makes a new FILE, and later the
// older ones are compressed to *.gz and removed. A follower holds on to the file it reads, and goes
// on with the one that came next, so that no byte is lost or read twice (upstream goes straight to
// the newest, and reads no compressed file).
//
// A file is left for good, for its successor or because its container has ended, only when its
// writer has closed it: runtimes tell of a new file, and of the end of a container, a moment before
// the last output is in the file (containerd: the goroutine that writes the log is not waited for).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/time.h"
#include "server/log_filter.h"

namespace kubelet::server {

struct LogStep {
  std::string out;      // for the client
  bool at_end = false;  // there is nothing more for now
  // The file is to be left, but somebody may still write to it: Read again when there is news, and
  // Advance when there was none for `patience`.
  bool waiting = false;
  base::Nanos patience{0};
  bool done = false;  // there never will be more
};

class LogReader {
 public:
  LogReader(std::string path, LogQuery query);
  ~LogReader();
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;

  // Reads on: at most about kStep bytes. `over`: the container has ended, so the end of the file is
  // the end once nobody writes to it. NotFound, PermissionDenied and so on: the file;
  // InvalidArgument: it is no log.
  absl::StatusOr<LogStep> Read(bool over);
  // After a step that is `waiting`: reads what is left of the file, then goes on with the next.
  absl::StatusOr<LogStep> Advance(bool over);
  // Where the file is, symbolic links resolved; empty before the first Read.
  const std::string& path() const { return path_; }

  static constexpr size_t kStep = 256 * 1024;

 private:
  struct File;
  absl::Status Open();
  absl::Status Tail();
  bool HasSuccessor() const;
  bool MayBeWritten(bool advance, LogStep& step);
  // Goes on with the file that came after this one. False: there is none, for now or for ever.
  absl::StatusOr<bool> NextFile();
  bool DirectoryGone() const;
  absl::StatusOr<LogStep> Step(bool over, bool advance);

  std::string asked_path_, path_;
  LogQuery query_;
  LogFilter filter_;
  std::unique_ptr<File> file_;
};

// Of the rotated files of one log (names after `FILE.`, in any order) the one that follows `ours`;
// empty: the file that is being written. `ours` is a name of the list, or, when the file is no
// longer there under it, the last stamp it can have had: the first younger one counts. Names of
// temporary files are passed over. Pure.
std::string NextRotated(std::vector<std::string> names, const std::string& ours);

}  // namespace kubelet::server
