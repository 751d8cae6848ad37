#include "kubelet/client/url.h"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>

namespace kubelet::client {
namespace {

void AppendEncoded(std::string& out, const std::string& text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (unsigned char c : text) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += kHex[c >> 4];
      out += kHex[c & 15];
    }
  }
}

}  // namespace

std::string LowerCase(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::string JoinHostPort(const std::string& host, const std::string& port) {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
}

bool SplitHostPort(const std::string& text, std::string& host, std::string& port) {
  port.clear();
  size_t colon;
  if (!text.empty() && text[0] == '[') {
    size_t close = text.find(']');
    if (close == std::string::npos) return false;
    host = text.substr(1, close - 1);
    if (close + 1 == text.size()) return true;
    if (text[close + 1] != ':') return false;
    colon = close + 1;
  } else {
    colon = text.find(':');
    // More than one colon and no brackets: an IPv6 address.
    if (colon == std::string::npos || text.find(':', colon + 1) != std::string::npos) {
      host = text;
      return true;
    }
    host = text.substr(0, colon);
  }
  port = text.substr(colon + 1);
  return true;
}

bool ValidPort(const std::string& port) {
  unsigned value = 0;
  const char* end = port.data() + port.size();
  auto result = std::from_chars(port.data(), end, value);
  return result.ec == std::errc() && result.ptr == end && value > 0 && value < 65536;
}

std::string PercentDecode(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    const char* digits = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(digits, digits + 2, code, 16).ptr == digits + 2) {
      out += static_cast<char>(code);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string ServerUrl::Authority() const {
  std::string full = JoinHostPort(host, port);
  if (port != (https ? "443" : "80")) return full;
  return full.substr(0, full.size() - port.size() - 1);
}

std::string ServerUrl::ToString() const {
  return (https ? "https://" : "http://") + JoinHostPort(host, port);
}

absl::StatusOr<ServerUrl> ParseServerUrl(const std::string& text, bool default_https) {
  auto bad = [&text](const std::string& why) {
    return absl::InvalidArgumentError("server \"" + text + "\": " + why);
  };
  for (unsigned char c : text) {
    if (c <= ' ' || c == 0x7f) return bad("blank or control character");
  }
  ServerUrl url;
  url.https = default_https;
  std::string rest = text;
  if (size_t end = text.find("://"); end != std::string::npos) {
    std::string scheme = LowerCase(text.substr(0, end));
    if (scheme != "http" && scheme != "https") return bad("the scheme must be http or https");
    url.https = scheme == "https";
    rest = text.substr(end + 3);
  }
  rest = rest.substr(0, rest.find_first_of("?#"));
  size_t slash = rest.find('/');
  std::string authority = rest.substr(0, slash);
  if (slash != std::string::npos) url.prefix = rest.substr(slash);
  while (!url.prefix.empty() && url.prefix.back() == '/') url.prefix.pop_back();
  if (authority.find('@') != std::string::npos) {
    return absl::InvalidArgumentError("server: user and password belong into the user entry");
  }
  if (!SplitHostPort(authority, url.host, url.port) || url.host.empty()) return bad("no host");
  url.host = LowerCase(url.host);
  if (url.port.empty()) url.port = url.https ? "443" : "80";
  if (!ValidPort(url.port)) return bad("bad port");
  return url;
}

std::string EncodeQuery(const std::vector<std::pair<std::string, std::string>>& query) {
  std::string out;
  for (const auto& [name, value] : query) {
    if (!out.empty()) out += '&';
    AppendEncoded(out, name);
    out += '=';
    AppendEncoded(out, value);
  }
  return out;
}

std::string BasicAuthorization(const std::string& user_info) {
  std::string out(4 * ((user_info.size() + 2) / 3) + 1, '\0');
  int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                          reinterpret_cast<const unsigned char*>(user_info.data()),
                          static_cast<int>(user_info.size()));
  out.resize(static_cast<size_t>(n));
  return "Basic " + out;
}

}  // namespace kubelet::client
