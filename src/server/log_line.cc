#include "server/log_line.h"

#include <algorithm>

#include "server/docker_json.h"

namespace kubelet::server {
namespace {

// `2016-10-06T00:17:09.669794202+02:00` with the fraction filled up, and Z for an offset of
// nothing.
std::string Stamp(std::string_view time, const api::UnixTime& parsed) {
  std::string out(time.substr(0, 19));
  std::string digits = std::to_string(parsed.nanos);
  out += "." + std::string(9 - digits.size(), '0') + digits;
  size_t zone = time.find_first_of("Z+-", 19);
  std::string_view offset = time.substr(std::min(zone, time.size()));
  if (offset == "+00:00" || offset == "-00:00") offset = "Z";
  out += offset;
  return out;
}

bool TakeTime(std::string_view text, bool with_stamp, LogLine& result) {
  auto time = api::ParseRfc3339(text);
  if (!time.ok() || text.size() < 20) return false;
  result.time = *time;
  if (with_stamp) result.stamp = Stamp(text, *time);
  return true;
}

bool TakeStream(std::string_view text, LogLine& result) {
  result.out = text == "stdout";
  return result.out || text == "stderr";
}

// `TIME STREAM TAGS TEXT`: tags are separated by colons, the first says whether the line goes on in
// the next entry.
bool ParseCri(std::string_view line, bool with_stamp, LogLine& result) {
  size_t a = line.find(' ');
  if (a == std::string_view::npos || !TakeTime(line.substr(0, a), with_stamp, result)) return false;
  size_t b = line.find(' ', a + 1);
  if (b == std::string_view::npos || !TakeStream(line.substr(a + 1, b - a - 1), result))
    return false;
  size_t c = line.find(' ', b + 1);
  if (c == std::string_view::npos) return false;
  std::string_view tags = line.substr(b + 1, c - b - 1);
  bool partial = result.partial = tags.substr(0, tags.find(':')) == "P";
  result.text = line.substr(c + 1);
  if (partial && !result.text.empty() && result.text.back() == '\n') result.text.remove_suffix(1);
  return true;
}

bool ParseDocker(std::string_view line, bool with_stamp, LogLine& result) {
  DockerEntry entry;
  if (!ParseDockerJson(line, entry)) return false;
  if (!TakeTime(entry.time, with_stamp, result) || !TakeStream(entry.stream, result)) return false;
  result.owned = std::move(entry.log);
  result.text = result.owned;
  return true;
}

}  // namespace

bool ParseLogLine(LogFormat format, std::string_view line, bool with_stamp, LogLine& result) {
  if (format == LogFormat::kCri) return ParseCri(line, with_stamp, result);
  return format == LogFormat::kDockerJson && ParseDocker(line, with_stamp, result);
}

LogFormat DetectLogFormat(std::string_view line) {
  LogLine ignored;
  if (ParseCri(line, false, ignored)) return LogFormat::kCri;
  return ParseDocker(line, false, ignored) ? LogFormat::kDockerJson : LogFormat::kUnknown;
}

}  // namespace kubelet::server
