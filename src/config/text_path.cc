// Paths and addresses of text.h.
#include <arpa/inet.h>

#include <cctype>

#include "config/text.h"

namespace kubelet::config {
namespace {

bool IsIpv4(const std::string& text) {
  std::vector<std::string> parts = Split(text, '.');
  if (parts.size() != 4) return false;
  for (const std::string& part : parts) {
    if (part.empty()) return false;
    int value = 0;
    for (char c : part) {
      if (!std::isdigit(static_cast<unsigned char>(c))) return false;
      value = value * 10 + (c - '0');
      if (value > 255) return false;
    }
  }
  return true;
}

}  // namespace

IpFamily ParseIp(const std::string& text) {
  if (text.find(':') == std::string::npos) return IsIpv4(text) ? IpFamily::kV4 : IpFamily::kNone;
  in6_addr address;
  if (text.find('\0') != std::string::npos) return IpFamily::kNone;
  if (inet_pton(AF_INET6, text.c_str(), &address) != 1) return IpFamily::kNone;
  return IN6_IS_ADDR_V4MAPPED(&address) ? IpFamily::kV4 : IpFamily::kV6;
}

bool IsUnspecifiedIp(const std::string& text) {
  if (ParseIp(text) == IpFamily::kV4) return text.find_first_not_of("0.") == std::string::npos;
  return ParseIp(text) == IpFamily::kV6 && text.find_first_not_of("0:") == std::string::npos;
}

std::string CleanPath(const std::string& path) {
  bool absolute = IsAbsolute(path);
  std::vector<std::string> kept;
  for (const std::string& part : Split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      kept.push_back(part);
    } else if (!kept.empty() && kept.back() != "..") {
      kept.pop_back();
    } else if (!absolute) {
      kept.push_back(part);
    }
  }
  std::string joined = (absolute ? "/" : "") + Join(kept, "/");
  return joined.empty() ? "." : joined;
}

bool IsAbsolute(const std::string& path) { return !path.empty() && path[0] == '/'; }

std::string DirName(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : CleanPath(path.substr(0, slash + 1));
}

std::string JoinPath(const std::string& dir, const std::string& path) {
  return CleanPath(dir + "/" + path);
}

}  // namespace kubelet::config
