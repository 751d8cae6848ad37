#include "kubelet/os/mountinfo.h"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "kubelet/base/status.h"
#include "os/fd.h"

namespace kubelet::os {
namespace {

std::vector<std::string_view> Fields(std::string_view line) {
  std::vector<std::string_view> fields;
  size_t start = 0;
  while (start <= line.size()) {
    size_t end = std::min(line.find(' ', start), line.size());
    fields.push_back(line.substr(start, end - start));
    start = end + 1;
  }
  return fields;
}

template <typename T>
bool Number(std::string_view text, T& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

bool IsOctal(char c) { return c >= '0' && c <= '7'; }

// The kernel writes space, tab, newline, backslash and # as \ooo.
std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && IsOctal(text[i + 1]) && IsOctal(text[i + 2]) &&
        IsOctal(text[i + 3])) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                               (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool ParseDevice(std::string_view text, Mount& mount) {
  size_t colon = text.find(':');
  return colon != std::string_view::npos && Number(text.substr(0, colon), mount.major) &&
         Number(text.substr(colon + 1), mount.minor);
}

// `36 35 98:0 /root /point rw shared:1 … - ext3 /dev/root rw`: optional fields end at a lone dash.
bool ParseLine(std::string_view line, Mount& mount) {
  auto fields = Fields(line);
  if (fields.size() < 9) return false;
  auto dash = std::find(fields.begin() + 6, fields.end(), "-");
  if (fields.end() - dash < 3) return false;
  if (!Number(fields[0], mount.id) || !Number(fields[1], mount.parent) ||
      !ParseDevice(fields[2], mount))
    return false;
  mount.root = Unescape(fields[3]);
  mount.point = Unescape(fields[4]);
  mount.options = std::string(fields[5]);
  for (auto tag = fields.begin() + 6; tag != dash; ++tag)
    if (tag->substr(0, 7) == "shared:") mount.shared = true;
  mount.type = std::string(dash[1]);
  mount.source = Unescape(dash[2]);
  if (fields.end() - dash > 3) mount.super_options = std::string(dash[3]);
  return !mount.point.empty() && mount.point[0] == '/';
}

}  // namespace

absl::StatusOr<std::vector<Mount>> ParseMountinfo(const std::string& text) {
  std::vector<Mount> mounts;
  std::string_view rest = text;
  while (!rest.empty()) {
    size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty()) continue;
    Mount mount;
    if (!ParseLine(line, mount)) {
      return absl::InvalidArgumentError("mountinfo: cannot understand line `" + std::string(line) +
                                        "`");
    }
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

absl::StatusOr<std::vector<Mount>> ReadMountinfo(const std::string& path) {
  auto text = ReadSmallFile(AT_FDCWD, path, path);
  if (!text.ok()) return absl::UnavailableError(base::Message(text.status()));
  return ParseMountinfo(*text);
}

bool IsBelow(const std::string& path, const std::string& dir) {
  if (dir == "/") return !path.empty() && path[0] == '/';
  return path.compare(0, dir.size(), dir) == 0 &&
         (path.size() == dir.size() || path[dir.size()] == '/');
}

std::vector<Mount> MountsBelow(const std::vector<Mount>& mounts, const std::string& dir) {
  std::vector<Mount> below;
  for (const auto& mount : mounts) {
    if (IsBelow(mount.point, dir)) below.push_back(mount);
  }
  // The table lists a parent before its children, and the lower of two stacked mounts before the
  // upper one.
  std::reverse(below.begin(), below.end());
  return below;
}

const Mount* MountOf(const std::vector<Mount>& mounts, const std::string& path) {
  const Mount* best = nullptr;
  for (const auto& mount : mounts) {
    if (IsBelow(path, mount.point) && (best == nullptr || mount.point.size() >= best->point.size()))
      best = &mount;
  }
  return best;
}

}  // namespace kubelet::os
