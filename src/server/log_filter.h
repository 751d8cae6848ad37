// From the bytes of a log file to what the client gets: lines, streams, times, limits. Pure;
// nothing is held but the start of a line, and of a long one not even that.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/log_line.h"
#include "server/log_query.h"

namespace kubelet::server {

class LogFilter {
 public:
  explicit LogFilter(LogQuery query);

  // Appends what `bytes` add to `out`. InvalidArgument: the file is no log (its first line is of no
  // known form). A line that cannot be read further on is left out. About kMaxLine bytes of a line
  // are held: what is longer passes through in pieces in CRI's form; in Docker's, whose JSON has to
  // be read as a whole (Docker itself writes 16 KiB at most), kLeftOut stands for it.
  absl::Status Feed(std::string_view bytes, std::string& out);
  // The file ends here; the start of a line that is held is a line.
  absl::Status Flush(std::string& out);
  // Another file goes on where the last ended: the start of a line that is held never got its end.
  void NextFile() {
    pending_.clear();
    rest_.reset();
  }
  // Everything that was asked for has been given.
  bool done() const { return done_; }

  static constexpr size_t kMaxLine = 1 << 20;
  static constexpr char kLeftOut[] = "[an entry of more than 1 MiB is left out]\n";

 private:
  // A line that is too long to be held, after its start was given out or not.
  struct Rest {
    bool entry = false;   // it is one, to be counted
    bool wanted = false;  // what comes is for the client
    bool partial = false;
  };
  absl::Status Detect(std::string_view line);
  absl::Status Line(std::string_view line, std::string& out);
  absl::Status BeginLong(std::string& out);
  void GoOn(std::string_view piece, std::string& out);
  bool Wanted(const LogLine& line) const;
  void Begin(const LogLine& line, std::string& out);
  void Put(std::string_view text, std::string& out);
  void EndEntry(bool line_ends);

  LogQuery query_;
  LogFormat format_ = LogFormat::kUnknown;
  std::string pending_;
  std::optional<Rest> rest_;
  bool line_start_ = true;  // the next entry begins a line of the client's
  bool done_ = false;
  int64_t lines_left_ = -1;  // -1: no limit
  int64_t bytes_left_ = -1;
};

}  // namespace kubelet::server
