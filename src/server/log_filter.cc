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
    bool whole = end != std::string_view::npos;
    std::string_view part = bytes.substr(0, whole ? end + 1 : bytes.size());
    bytes.remove_prefix(part.size());
    absl::Status status;
    if (rest_) {
      GoOn(part, out);
    } else if (whole && pending_.empty()) {
      status = Line(part, out);
    } else {
      pending_ += part;
      if (whole) {
        std::string line;
        line.swap(pending_);
        status = Line(line, out);
      } else if (pending_.size() > kMaxLine) {
        status = BeginLong(out);
      }
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status LogFilter::Flush(std::string& out) {
  std::string line;
  line.swap(pending_);
  if (rest_ && rest_->entry) EndEntry(false);
  rest_.reset();
  if (line.empty() || done_) return absl::OkStatus();
  return Line(line, out);
}

absl::Status LogFilter::Detect(std::string_view text) {
  if (format_ == LogFormat::kUnknown) format_ = DetectLogFormat(text);
  if (format_ != LogFormat::kUnknown) return absl::OkStatus();
  return absl::InvalidArgumentError("failed to get parse function: unsupported log format: \"" +
                                    std::string(text.substr(0, 256)) + "\"");
}

absl::Status LogFilter::Line(std::string_view text, std::string& out) {
  if (auto status = Detect(text); !status.ok()) return status;
  LogLine line;
  if (!ParseLogLine(format_, text, query_.timestamps, line)) return absl::OkStatus();
  if (Wanted(line)) Begin(line, out);
  EndEntry(line.text.empty() || line.text.back() == '\n');
  return absl::OkStatus();
}

absl::Status LogFilter::BeginLong(std::string& out) {
  std::string start;
  start.swap(pending_);
  bool json = format_ != LogFormat::kCri && start[0] == '{';
  // The form of Docker's is told by a whole line: by the next.
  if (auto status = json ? absl::OkStatus() : Detect(start); !status.ok()) return status;
  LogLine line;
  rest_ = Rest{};
  if (json) {
    rest_->entry = true;
    Put(kLeftOut, out);
  } else if (ParseLogLine(format_, start, query_.timestamps, line)) {
    *rest_ = Rest{true, Wanted(line), line.partial};
    if (rest_->wanted) Begin(line, out);
  }
  return absl::OkStatus();
}

void LogFilter::GoOn(std::string_view piece, std::string& out) {
  bool last = piece.back() == '\n';
  Rest rest = *rest_;
  if (last && rest.partial) piece.remove_suffix(1);
  if (rest.wanted) Put(piece, out);
  if (!last) return;
  rest_.reset();
  if (rest.entry) EndEntry(!rest.partial);
}

bool LogFilter::Wanted(const LogLine& line) const {
  return (line.out ? query_.out : query_.err) &&
         (!query_.since || !Before(line.time, *query_.since));
}

void LogFilter::Begin(const LogLine& line, std::string& out) {
  if (query_.timestamps && line_start_) Put(line.stamp + " ", out);
  Put(line.text, out);
}

void LogFilter::Put(std::string_view text, std::string& out) {
  if (bytes_left_ < 0) {
    out += text;
    return;
  }
  text = text.substr(0, static_cast<size_t>(bytes_left_));
  out += text;
  bytes_left_ -= static_cast<int64_t>(text.size());
  if (bytes_left_ == 0) done_ = true;
}

void LogFilter::EndEntry(bool line_ends) {
  if (lines_left_ > 0 && --lines_left_ == 0) done_ = true;
  line_start_ = line_ends;
}

}  // namespace kubelet::server
