#include "source/url.h"

#include <openssl/evp.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <charconv>
#include <cstdlib>
#include <vector>

#include "kubelet/base/status.h"

namespace kubelet::source {
namespace {

namespace ip = boost::asio::ip;

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return text;
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

// "host", "host:port", "[v6]", "[v6]:port". An unbracketed IPv6 address is a host.
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
  auto end = port.data() + port.size();
  auto result = std::from_chars(port.data(), end, value);
  return result.ec == std::errc() && result.ptr == end && value > 0 && value < 65536;
}

std::optional<ip::address> AsAddress(const std::string& host) {
  boost::system::error_code ec;
  auto address = ip::make_address(host.substr(0, host.find('%')), ec);
  if (ec) return std::nullopt;
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  }
  return address;
}

bool InNetwork(const ip::address& address, const std::string& cidr) {
  boost::system::error_code ec;
  if (address.is_v4()) {
    auto network = ip::make_network_v4(cidr, ec);
    if (ec) return false;
    return ip::network_v4(address.to_v4(), network.prefix_length()).canonical() ==
           network.canonical();
  }
  auto network = ip::make_network_v6(cidr, ec);
  if (ec) return false;
  return ip::network_v6(address.to_v6(), network.prefix_length()).canonical() ==
         network.canonical();
}

// One item of NO_PROXY.
bool Excludes(const std::string& item, const Url& url) {
  if (item == "*") return true;
  auto address = AsAddress(url.host);
  if (item.find('/') != std::string::npos) return address && InNetwork(*address, item);
  std::string host, port;
  if (!SplitHostPort(item, host, port)) return false;
  if (!port.empty() && port != url.port) return false;
  if (auto own = AsAddress(host)) return address && *own == *address;
  if (host.rfind("*.", 0) == 0) host.erase(0, 1);
  if (host.empty()) return false;
  if (host[0] == '.') return url.host.ends_with(host);
  return url.host == host || url.host.ends_with("." + host);
}

bool Bypasses(const Url& url, const std::string& no_proxy) {
  if (url.host == "localhost") return true;
  if (auto address = AsAddress(url.host); address && address->is_loopback()) return true;
  std::string item;
  for (char c : no_proxy + ",") {
    if (c == ' ' || c == '\t') continue;
    if (c != ',') {
      item += c;
      continue;
    }
    if (!item.empty() && Excludes(Lower(item), url)) return true;
    item.clear();
  }
  return false;
}

}  // namespace

std::string Url::HostHeader() const {
  std::string out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (https() ? "443" : "80") ? out : out + ":" + port;
}

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
  url.scheme = Lower(text.substr(0, scheme_end));
  if (url.scheme != "http" && url.scheme != "https") return bad("the scheme must be http or https");
  std::string rest = text.substr(scheme_end + 3);
  rest = rest.substr(0, rest.find('#'));
  size_t end = rest.find_first_of("/?");
  std::string authority = rest.substr(0, end);
  url.target = end == std::string::npos ? "/" : rest.substr(end);
  if (url.target[0] == '?') url.target = "/" + url.target;
  if (size_t at = authority.rfind('@'); at != std::string::npos) {
    url.user_info = PercentDecode(authority.substr(0, at));
    if (url.user_info.find(':') == std::string::npos) url.user_info += ":";
    authority = authority.substr(at + 1);
  }
  if (!SplitHostPort(authority, url.host, url.port) || url.host.empty()) return bad("no host");
  url.host = Lower(url.host);
  if (url.port.empty()) url.port = url.https() ? "443" : "80";
  if (!ValidPort(url.port)) return bad("bad port");
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

ProxySettings ProxySettings::FromEnvironment() {
  auto get = [](const char* upper, const char* lower) -> std::string {
    for (const char* name : {upper, lower}) {
      if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
    }
    return "";
  };
  ProxySettings settings;
  settings.http = get("HTTP_PROXY", "http_proxy");
  settings.https = get("HTTPS_PROXY", "https_proxy");
  settings.no_proxy = get("NO_PROXY", "no_proxy");
  return settings;
}

absl::StatusOr<std::optional<Url>> ProxyFor(const Url& url, const ProxySettings& settings) {
  const std::string& text = url.https() ? settings.https : settings.http;
  if (text.empty() || Bypasses(url, settings.no_proxy)) return std::optional<Url>();
  const char* variable = url.https() ? "HTTPS_PROXY" : "HTTP_PROXY";
  auto proxy = ParseUrl(text.find("://") == std::string::npos ? "http://" + text : text);
  if (!proxy.ok()) return base::Annotate(proxy.status(), variable);
  if (proxy->https()) {
    return absl::InvalidArgumentError(std::string(variable) +
                                      ": only http:// proxies are supported");
  }
  return std::optional<Url>(*std::move(proxy));
}

std::string BasicAuthorization(const std::string& user_info) {
  std::string out(4 * ((user_info.size() + 2) / 3) + 1, '\0');
  int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                          reinterpret_cast<const unsigned char*>(user_info.data()),
                          static_cast<int>(user_info.size()));
  out.resize(static_cast<size_t>(n));
  return "Basic " + out;
}

}  // namespace kubelet::source
