#include "source/url.h"

namespace kubelet::source {

client::ServerUrl Url::Server() const {
  client::ServerUrl server;
  server.https = https();
  server.host = host;
  server.port = port;
  return server;
}

std::string Url::HostHeader() const { return Server().Authority(); }

std::string Url::ToString() const { return scheme + "://" + HostHeader() + target; }

absl::StatusOr<Url> ParseUrl(const std::string& text) {
  auto bad = [&text](const char* why) {
    // Not the text itself: it may hold a password.
    return absl::InvalidArgumentError("bad URL: " + std::string(why));
  };
  for (unsigned char c : text) {
    if (c <= ' ' || c == 0x7f) return bad("blank or control character");
  }
  size_t scheme_end = text.find("://");
  if (scheme_end == std::string::npos) return bad("no scheme");
  Url url;
  url.scheme = client::LowerCase(text.substr(0, scheme_end));
  if (url.scheme != "http" && url.scheme != "https") return bad("the scheme must be http or https");
  std::string rest = text.substr(scheme_end + 3);
  rest = rest.substr(0, rest.find('#'));
  size_t end = rest.find_first_of("/?");
  std::string authority = rest.substr(0, end);
  url.target = end == std::string::npos ? "/" : rest.substr(end);
  if (url.target[0] == '?') url.target = "/" + url.target;
  if (size_t at = authority.rfind('@'); at != std::string::npos) {
    url.user_info = client::PercentDecode(authority.substr(0, at));
    if (url.user_info.find(':') == std::string::npos) url.user_info += ":";
    authority = authority.substr(at + 1);
  }
  if (!client::SplitHostPort(authority, url.host, url.port) || url.host.empty())
    return bad("no host");
  url.host = client::LowerCase(url.host);
  if (url.port.empty()) url.port = url.https() ? "443" : "80";
  if (!client::ValidPort(url.port)) return bad("bad port");
  return url;
}

absl::StatusOr<Url> ResolveUrl(const Url& base, const std::string& location) {
  if (location.empty()) return absl::InvalidArgumentError("redirect without location");
  if (location.find("://") < location.find_first_of("/?#")) return ParseUrl(location);
  if (location.rfind("//", 0) == 0) return ParseUrl(base.scheme + ":" + location);
  std::string path = base.target.substr(0, base.target.find('?'));
  std::string target = location;
  if (location[0] == '?') {
    target = path + location;
  } else if (location[0] != '/') {
    target = path.substr(0, path.rfind('/') + 1) + location;
  }
  Url plain = base;
  plain.target = target;
  auto url = ParseUrl(plain.ToString());
  if (url.ok()) url->user_info = base.user_info;
  return url;
}

}  // namespace kubelet::source
