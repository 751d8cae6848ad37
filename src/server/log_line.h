// One entry of a container's log file, in CRI's form or in Docker's JSON. Pure, and safe with any
// bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kubelet/api/time.h"

namespace kubelet::server {

enum class LogFormat { kUnknown, kCri, kDockerJson };

struct LogLine {
  api::UnixTime time;
  // As `--timestamps` shows it: nine digits of fraction, the offset as written.
  std::string stamp;
  bool out = true;       // stdout, else stderr
  bool partial = false;  // CRI: the line goes on in the next entry
  // Ends with a newline unless the entry is partial (CRI) or its text does not (Docker).
  std::string_view text;
  std::string owned;  // what `text` points into for Docker's form
};

// `line` with its newline, if it has one. In CRI's form the start of a line will do: `text` is then
// what there is of it. False: it is none of that form; `result` is unspecified then. The stamp is
// filled only `with_stamp`.
bool ParseLogLine(LogFormat format, std::string_view line, bool with_stamp, LogLine& result);
// By the first line; kUnknown: neither.
LogFormat DetectLogFormat(std::string_view line);

}  // namespace kubelet::server
