#include "server/node_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "kubelet/base/status.h"

namespace kubelet::server {
namespace {

constexpr size_t kMostEntries = 100'000;

std::string Html(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&#34;";
    } else if (c == '\'') {
      out += "&#39;";
    } else {
      out += c;
    }
  }
  return out;
}

std::string UrlPath(const std::string& text) {
  static const std::string plain = "-_.~$&+,/:;=@!()'*";
  std::string out;
  for (char c : text) {
    bool keep = isalnum(static_cast<unsigned char>(c)) != 0 || plain.find(c) != plain.npos;
    char escaped[4];
    snprintf(escaped, sizeof escaped, "%%%02X", static_cast<unsigned char>(c));
    out += keep ? std::string(1, c) : escaped;
  }
  // A first part with a colon would be read as a scheme.
  size_t colon = out.find(':'), slash = out.find('/');
  return colon < slash ? "./" + out : out;
}

absl::StatusOr<std::string> Listing(int fd) {
  int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  DIR* dir = own < 0 ? nullptr : fdopendir(own);
  if (dir == nullptr) {
    int error = errno;
    if (own >= 0) close(own);
    return base::ErrnoStatus(error, "list directory");
  }
  std::vector<std::string> names;
  while (const dirent* entry = readdir(dir)) {
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat info {};
    bool directory =
        entry->d_type == DT_DIR ||
        (entry->d_type == DT_UNKNOWN &&
         fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode));
    names.push_back(directory ? name + "/" : name);
    if (names.size() >= kMostEntries) break;
  }
  closedir(dir);
  std::sort(names.begin(), names.end());
  std::string out =
      "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n";
  for (const auto& name : names)
    out += "<a href=\"" + Html(UrlPath(name)) + "\">" + Html(name) + "</a>\n";
  return out + "</pre>\n";
}

std::string TypeOf(const std::string& name, int fd) {
  if (name.ends_with(".gz")) return "application/gzip";
  char block[512];
  ssize_t n = pread(fd, block, sizeof block, 0);
  bool binary =
      n > 0 && std::any_of(block, block + n, [](char c) {
        auto u = static_cast<unsigned char>(c);
        return u < 0x20 && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != '\x1b';
      });
  return binary ? "application/octet-stream" : "text/plain; charset=utf-8";
}

}  // namespace

absl::StatusOr<NodeFile> OpenNodeFile(const std::string& root, const std::string& relative) {
  ASSIGN_OR_RETURN(os::OpenFile opened, os::OpenBeneath(root, relative));
  struct stat info {};
  if (fstat(opened.fd(), &info) != 0) return base::ErrnoStatus(errno, "stat " + relative);
  NodeFile out;
  if (S_ISDIR(info.st_mode)) {
    ASSIGN_OR_RETURN(out.listing, Listing(opened.fd()));
    out.type = "text/html; charset=utf-8";
    return out;
  }
  if (!S_ISREG(info.st_mode)) return absl::PermissionDeniedError(relative + " is no file");
  out.size = info.st_size;
  out.type = TypeOf(relative, opened.fd());
  out.file = std::make_shared<os::OpenFile>(std::move(opened));
  return out;
}

absl::StatusOr<std::string> ReadNodeFile(const NodeFile& file, int64_t offset, size_t most) {
  auto left = static_cast<size_t>(std::max<int64_t>(0, file.size - offset));
  std::string out(std::min(left, most), '\0');
  ssize_t n = out.empty() ? 0 : pread(file.file->fd(), out.data(), out.size(), offset);
  if (n < 0) return base::ErrnoStatus(errno, "read");
  out.resize(static_cast<size_t>(n));
  return out;
}

}  // namespace kubelet::server
