// The end of a container's log, for its termination message.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "kubelet/volume/pod_files.h"

namespace kubelet::volume {
namespace {

// More than the longest line a runtime writes, and than 80 short ones.
constexpr size_t kWindow = 128 * 1024;

// What the container wrote of a line `<time> <stream> <tag> <text>`; nothing of one that is none.
std::string Content(std::string_view line) {
  for (int field = 0; field < 2; ++field) {
    size_t space = line.find(' ');
    if (space == std::string_view::npos) return "";
    line.remove_prefix(space + 1);
  }
  size_t end = std::min(line.find(' '), line.size());
  std::string_view tag = line.substr(0, std::min(line.find(':'), end));
  std::string text(line.substr(std::min(end + 1, line.size())));
  if (tag == "F") return text + "\n";
  return tag == "P" ? text : "";
}

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

std::string ReadLogTail(const std::string& path, size_t lines, size_t limit) {
  std::string text = ReadTerminationMessage(path, kWindow);
  auto all = Lines(text);
  // The first one may be a piece of a line.
  size_t first = text.size() == kWindow && !all.empty() ? 1 : 0;
  if (all.size() > first + lines) first = all.size() - lines;
  std::string out;
  for (size_t i = first; i < all.size(); ++i) out += Content(all[i]);
  if (out.size() > limit) out.erase(0, out.size() - limit);
  return out;
}

}  // namespace kubelet::volume
