#include "kubelet/client/proxy.h"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <cstdlib>

#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

namespace ip = boost::asio::ip;

std::optional<ip::address> AsAddress(const std::string& host) {
  boost::system::error_code ec;
  auto address = ip::make_address(host.substr(0, host.find('%')), ec);
  if (ec) return std::nullopt;
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  }
  return address;
}

template <typename Network>
bool Holds(const Network& network, const Network& host) {
  return host.canonical() == network.canonical();
}

bool InNetwork(const ip::address& address, const std::string& cidr) {
  boost::system::error_code ec;
  if (address.is_v4()) {
    auto network = ip::make_network_v4(cidr, ec);
    return !ec && Holds(network, ip::network_v4(address.to_v4(), network.prefix_length()));
  }
  auto network = ip::make_network_v6(cidr, ec);
  return !ec && Holds(network, ip::network_v6(address.to_v6(), network.prefix_length()));
}

// One item of NO_PROXY.
bool Excludes(const std::string& item, const ServerUrl& server) {
  if (item == "*") return true;
  auto address = AsAddress(server.host);
  if (item.find('/') != std::string::npos) return address && InNetwork(*address, item);
  std::string host, port;
  if (!SplitHostPort(item, host, port)) return false;
  if (!port.empty() && port != server.port) return false;
  if (auto own = AsAddress(host)) return address && *own == *address;
  if (host.rfind("*.", 0) == 0) host.erase(0, 1);
  if (host.empty()) return false;
  if (host[0] == '.') return server.host.ends_with(host);
  return server.host == host || server.host.ends_with("." + host);
}

bool Bypasses(const ServerUrl& server, const std::string& no_proxy) {
  if (server.host == "localhost") return true;
  if (auto address = AsAddress(server.host); address && address->is_loopback()) return true;
  std::string item;
  for (char c : no_proxy + ",") {
    if (c == ' ' || c == '\t') continue;
    if (c != ',') {
      item += c;
      continue;
    }
    if (!item.empty() && Excludes(LowerCase(item), server)) return true;
    item.clear();
  }
  return false;
}

absl::StatusOr<Proxy> ParseProxy(const std::string& text) {
  for (unsigned char c : text) {
    if (c <= ' ' || c == 0x7f) return absl::InvalidArgumentError("blank or control character");
  }
  Proxy proxy;
  size_t scheme_end = text.find("://");
  std::string scheme =
      scheme_end == std::string::npos ? "http" : LowerCase(text.substr(0, scheme_end));
  if (scheme == "socks5" || scheme == "socks5h") {
    proxy.kind = Proxy::Kind::kSocks5;
  } else if (scheme == "https") {
    proxy.tls = true;
  } else if (scheme != "http") {
    return absl::InvalidArgumentError("only http://, https:// and socks5:// proxies are supported");
  }
  std::string rest = scheme_end == std::string::npos ? text : text.substr(scheme_end + 3);
  std::string authority = rest.substr(0, rest.find_first_of("/?#"));
  if (size_t at = authority.rfind('@'); at != std::string::npos) {
    proxy.user_info = PercentDecode(authority.substr(0, at));
    if (proxy.user_info.find(':') == std::string::npos) proxy.user_info += ":";
    authority = authority.substr(at + 1);
  }
  if (!SplitHostPort(authority, proxy.host, proxy.port) || proxy.host.empty()) {
    return absl::InvalidArgumentError("no host");
  }
  if (proxy.port.empty()) {
    proxy.port = proxy.kind == Proxy::Kind::kSocks5 ? "1080" : proxy.tls ? "443" : "80";
  }
  if (!ValidPort(proxy.port)) return absl::InvalidArgumentError("bad port");
  return proxy;
}

}  // namespace

ProxyEnvironment ProxyEnvironment::FromProcess() {
  auto get = [](const char* upper, const char* lower) -> std::string {
    for (const char* name : {upper, lower}) {
      const char* value = std::getenv(name);
      if (value != nullptr && *value != '\0') return value;
    }
    return "";
  };
  ProxyEnvironment out;
  out.http = get("HTTP_PROXY", "http_proxy");
  out.https = get("HTTPS_PROXY", "https_proxy");
  out.no_proxy = get("NO_PROXY", "no_proxy");
  return out;
}

absl::StatusOr<std::optional<Proxy>> ChooseProxy(const ServerUrl& server,
                                                 const std::string& proxy_url,
                                                 const ProxyEnvironment& environment) {
  const std::string& variable = server.https ? environment.https : environment.http;
  bool own = !proxy_url.empty();
  if (!own && (variable.empty() || Bypasses(server, environment.no_proxy))) {
    return std::optional<Proxy>();
  }
  auto proxy = ParseProxy(own ? proxy_url : variable);
  if (!proxy.ok()) {
    const char* name = own ? "proxy-url" : server.https ? "HTTPS_PROXY" : "HTTP_PROXY";
    return base::Annotate(proxy.status(), name);
  }
  return std::optional<Proxy>(*std::move(proxy));
}

}  // namespace kubelet::client
