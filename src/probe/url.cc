#include "probe/url.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <vector>

namespace kubelet::probe {
namespace {

bool IsHex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }

// What Go leaves alone in a path or a query.
bool IsPlain(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         (c != '\0' && std::strchr("-_.~$&+,/:;=@!'()*?[]", c) != nullptr);
}

bool EscapesAreFine(const std::string& text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') continue;
    if (i + 2 >= text.size() || !IsHex(text[i + 1]) || !IsHex(text[i + 2])) return false;
  }
  return true;
}

std::string Encode(const std::string& text, bool keep_escapes, bool keep_query) {
  static const char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    bool keep = c == '%' ? keep_escapes : c == '?' ? keep_query : IsPlain(c);
    if (keep) {
      out += c;
    } else {
      auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

std::string WithoutDots(const std::string& path) {
  std::vector<std::string> parts;
  bool folder = false;
  for (size_t begin = 1; begin <= path.size();) {
    size_t end = std::min(path.find('/', begin), path.size());
    std::string part = path.substr(begin, end - begin);
    folder = part == "." || part == "..";
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (part != ".") {
      parts.push_back(part);
    }
    begin = end + 1;
  }
  std::string out;
  for (const auto& part : parts) out += "/" + part;
  return out.empty() || folder ? out + "/" : out;
}

// host[:port] into `url`, whose scheme is set.
bool SetAuthority(std::string authority, Url& url) {
  if (size_t at = authority.rfind('@'); at != std::string::npos) authority.erase(0, at + 1);
  std::string port;
  if (!authority.empty() && authority[0] == '[') {
    size_t close = authority.find(']');
    if (close == std::string::npos) return false;
    url.host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
  } else {
    size_t colon = authority.find(':');
    url.host = authority.substr(0, colon);
    port = colon == std::string::npos ? "" : authority.substr(colon);
  }
  url.port = url.https ? 443 : 80;
  if (port.size() > 1) {
    auto [rest, error] = std::from_chars(port.data() + 1, port.data() + port.size(), url.port);
    if (port[0] != ':' || error != std::errc() || rest != port.data() + port.size()) return false;
  } else if (!port.empty() && port != ":") {
    return false;
  }
  return !url.host.empty() && url.port != 0;
}

std::optional<Redirect> FollowAbsolute(bool https, const std::string& rest) {
  Redirect out;
  out.absolute = true;
  out.url.https = https;
  size_t end = std::min(rest.find_first_of("/?"), rest.size());
  if (!SetAuthority(rest.substr(0, end), out.url)) return std::nullopt;
  out.url.target = RequestTarget(rest.substr(end));
  return out;
}

}  // namespace

std::string Url::Authority() const {
  bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string Url::Text() const { return (https ? "https://" : "http://") + Authority() + target; }

std::string RequestTarget(const std::string& path) {
  bool fine = EscapesAreFine(path);
  std::string text = fine ? path.substr(0, path.find('#')) : path;
  std::string target = Encode(text, fine, fine);
  return target.empty() || target[0] != '/' ? "/" + target : target;
}

std::optional<Redirect> Follow(const Url& base, const std::string& location) {
  std::string text = location.substr(0, location.find('#'));
  size_t colon = text.find(':');
  if (colon != std::string::npos && colon < text.find_first_of("/?")) {
    std::string scheme = text.substr(0, colon);
    for (char& c : scheme) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if ((scheme != "http" && scheme != "https") || text.compare(colon + 1, 2, "//") != 0) {
      return std::nullopt;
    }
    return FollowAbsolute(scheme == "https", text.substr(colon + 3));
  }
  if (text.compare(0, 2, "//") == 0) return FollowAbsolute(base.https, text.substr(2));
  Redirect out{base, false};
  std::string path = base.target.substr(0, base.target.find('?'));
  if (text.empty()) return out;
  if (text[0] == '?') {
    out.url.target = path + RequestTarget(text).substr(1);
    return out;
  }
  std::string query = text.substr(std::min(text.find('?'), text.size()));
  text.resize(text.size() - query.size());
  if (text[0] != '/') text = path.substr(0, path.rfind('/') + 1) + text;
  out.url.target = RequestTarget(WithoutDots(text) + query);
  return out;
}

}  // namespace kubelet::probe
