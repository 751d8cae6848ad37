// From the bytes of a log file to what the client gets: lines, streams, times, limits. Pure;
// nothing is held but the start of a line.
#pragma once

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
  // known form). A line that cannot be read further on is left out. At most kMaxLine bytes of a
  // line are held; a longer one is left out.
  absl::Status Feed(std::string_view bytes, std::string& out);
  // The file ends here; the start of a line that is held is a line.
  absl::Status Flush(std::string& out);
  // Another file goes on where the last ended: the start of a line that is held never got its end.
  void NextFile() { pending_.clear(); }
  // Everything that was asked for has been given.
  bool done() const { return done_; }

  static constexpr size_t kMaxLine = 1 << 20;

 private:
  absl::Status Line(std::string_view line, std::string& out);
  void Write(const LogLine& line, std::string& out);

  LogQuery query_;
  LogFormat format_ = LogFormat::kUnknown;
  std::string pending_;
  bool skipping_ = false;   // inside a line that is too long
  bool line_start_ = true;  // the next entry begins a line of the client's
  bool done_ = false;
  int64_t lines_left_ = -1;  // -1: no limit
  int64_t bytes_left_ = -1;
};

}  // namespace kubelet::server
