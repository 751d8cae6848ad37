#include "server/log_filter.h"

#include <tuple>

namespace kubelet::server {
namespace {

bool Before(const api::UnixTime& a, const api::UnixTime& b) {
  return std::tie(a.seconds, a.nanos) < std::tie(b.seconds, b.nanos);
}

}  // namespace

LogFilter::LogFilter(LogQuery query) : query_(std::move(query)) {
  if (query_.tail_lines && !query_.follow) lines_left_ = *query_.tail_lines;
  if (query_.limit_bytes) bytes_left_ = *query_.limit_bytes;
  done_ = lines_left_ == 0;
}

absl::Status LogFilter::Feed(std::string_view bytes, std::string& out) {
  while (!bytes.empty() && !done_) {
    size_t end = bytes.find('\n');
    std::string_view part = bytes.substr(0, end == std::string_view::npos ? bytes.size() : end + 1);
    bytes.remove_prefix(part.size());
    if (end == std::string_view::npos || !pending_.empty() || skipping_) {
      if (skipping_ || pending_.size() + part.size() > kMaxLine) {
        pending_.clear();
        skipping_ = end == std::string_view::npos;
        continue;
      }
      pending_ += part;
      if (end == std::string_view::npos) return absl::OkStatus();
      std::string line;
      line.swap(pending_);
      if (auto status = Line(line, out); !status.ok()) return status;
    } else if (auto status = Line(part, out); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status LogFilter::Flush(std::string& out) {
  std::string line;
  line.swap(pending_);
  skipping_ = false;
  if (line.empty() || done_) return absl::OkStatus();
  return Line(line, out);
}

absl::Status LogFilter::Line(std::string_view text, std::string& out) {
  if (format_ == LogFormat::kUnknown) {
    format_ = DetectLogFormat(text);
    if (format_ == LogFormat::kUnknown) {
      return absl::InvalidArgumentError("failed to get parse function: unsupported log format: \"" +
                                        std::string(text.substr(0, 256)) + "\"");
    }
  }
  LogLine line;
  if (ParseLogLine(format_, text, query_.timestamps, line)) Write(line, out);
  return absl::OkStatus();
}

void LogFilter::Write(const LogLine& line, std::string& out) {
  bool wanted =
      (line.out ? query_.out : query_.err) && (!query_.since || !Before(line.time, *query_.since));
  if (wanted) {
    size_t before = out.size();
    if (query_.timestamps && line_start_) out += line.stamp + " ";
    out += line.text;
    auto added = static_cast<int64_t>(out.size() - before);
    if (bytes_left_ >= 0) {
      if (added > bytes_left_) out.resize(before + static_cast<size_t>(bytes_left_));
      bytes_left_ -= std::min(added, bytes_left_);
      if (bytes_left_ == 0) done_ = true;
    }
  }
  if (lines_left_ > 0 && --lines_left_ == 0) done_ = true;
  line_start_ = line.text.empty() || line.text.back() == '\n';
}

}  // namespace kubelet::server
