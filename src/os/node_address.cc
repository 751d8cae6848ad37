#include "kubelet/os/node_address.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "kubelet/base/status.h"
#include "os/fd.h"
#include "os/ip.h"

namespace kubelet::os {
namespace {

std::optional<std::string> GlobalAddress(const NetworkInterface& interface, bool v6) {
  for (const auto& text : interface.addresses) {
    auto ip = Ip::Parse(text);
    if (ip && ip->v6 == v6 && ip->IsGlobalUnicast()) return ip->Text();
  }
  return std::nullopt;
}

std::optional<std::string> AddressOfRoute(const DefaultRoute& route, const HostNetwork& network) {
  for (const auto& interface : network.interfaces) {
    if (interface.name != route.interface || !interface.up) continue;
    if (auto address = GlobalAddress(interface, route.v6)) return address;
  }
  // Links with link-local addresses only (RFC 5549): the node's address is on the loopback
  // interface.
  for (const auto& interface : network.interfaces) {
    if (!interface.up || !interface.loopback) continue;
    if (auto address = GlobalAddress(interface, route.v6)) return address;
  }
  return std::nullopt;
}

std::optional<std::string> AddressOfFamily(bool v6, const HostNetwork& network) {
  if (network.has_routing_table) {
    for (const auto& route : network.routes) {
      if (route.v6 != v6) continue;
      if (auto address = AddressOfRoute(route, network)) return address;
    }
    return std::nullopt;
  }
  for (const auto& interface : network.interfaces) {
    if (!interface.up || interface.loopback || interface.point_to_point) continue;
    if (auto address = GlobalAddress(interface, v6)) return address;
  }
  return std::nullopt;
}

std::optional<std::string> AddressOfName(bool prefer_v6, const HostNetwork& network) {
  std::optional<std::string> other;
  for (const auto& text : network.name_addresses) {
    auto ip = Ip::Parse(text);
    if (!ip || !ValidateNodeIp(text, network.interfaces).ok()) continue;
    if (ip->v6 == prefer_v6) return ip->Text();
    if (!other) other = ip->Text();
  }
  return other;
}

std::string TextOf(const sockaddr* address) {
  Ip ip;
  if (address->sa_family == AF_INET) {
    std::memcpy(ip.bytes.data(), &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, 4);
  } else {
    ip.v6 = true;
    std::memcpy(ip.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, 16);
  }
  return ip.Text();
}

absl::StatusOr<std::vector<NetworkInterface>> Interfaces() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return base::ErrnoStatus(errno, "getifaddrs");
  std::vector<NetworkInterface> out;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    auto same = [&](const NetworkInterface& other) { return other.name == entry->ifa_name; };
    auto it = std::find_if(out.begin(), out.end(), same);
    if (it == out.end())
      it = out.insert(out.end(), NetworkInterface{entry->ifa_name, false, false, false, {}});
    it->up = (entry->ifa_flags & IFF_UP) != 0;
    it->loopback = (entry->ifa_flags & IFF_LOOPBACK) != 0;
    it->point_to_point = (entry->ifa_flags & IFF_POINTOPOINT) != 0;
    if (entry->ifa_addr == nullptr) continue;
    int family = entry->ifa_addr->sa_family;
    if (family == AF_INET || family == AF_INET6) it->addresses.push_back(TextOf(entry->ifa_addr));
  }
  freeifaddrs(list);
  return out;
}

// False: nobody could say.
bool LookUp(const std::string& name, std::vector<std::string>& out) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (name.empty()) return true;
  int error = getaddrinfo(name.c_str(), nullptr, &hints, &list);
  if (error != 0) return error == EAI_NONAME || error == EAI_NODATA;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family == AF_INET || entry->ai_family == AF_INET6)
      out.push_back(TextOf(entry->ai_addr));
  }
  freeaddrinfo(list);
  return true;
}

bool IsZero(const std::string& hex, size_t digits) {
  return hex.size() == digits && hex.find_first_not_of('0') == std::string::npos;
}

}  // namespace

std::vector<std::string> ParseNodeIps(const std::string& flag) {
  std::vector<std::string> out;
  std::istringstream list(flag);
  for (std::string item; std::getline(list, item, ',');) {
    size_t begin = item.find_first_not_of(" \t");
    if (begin == std::string::npos) continue;
    auto ip = Ip::Parse(item.substr(begin, item.find_last_not_of(" \t") + 1 - begin));
    if (ip) out.push_back(ip->Text());
  }
  return out;
}

absl::Status ValidateNodeIp(const std::string& text,
                            const std::vector<NetworkInterface>& interfaces) {
  auto bad = [&](const char* why) {
    return absl::InvalidArgumentError("node IP `" + text + "` " + why);
  };
  auto ip = Ip::Parse(text);
  if (!ip) return bad("is not an IP address");
  if (ip->IsLoopback()) return bad("is a loopback address");
  if (ip->IsMulticast()) return bad("is a multicast address");
  if (ip->IsLinkLocal()) return bad("is a link-local address");
  if (ip->IsUnspecified()) return bad("is an all zeros address");
  for (const auto& interface : interfaces) {
    for (const auto& address : interface.addresses) {
      if (Ip::Parse(address) == ip) return absl::OkStatus();
    }
  }
  return bad("is not on any of the host's network interfaces");
}

absl::StatusOr<std::vector<std::string>> ChooseNodeAddresses(
    const std::vector<std::string>& node_ips, const std::string& hostname,
    const HostNetwork& network, const std::vector<std::string>& last) {
  std::vector<Ip> given;
  for (const auto& text : node_ips) {
    auto ip = Ip::Parse(text);
    if (!ip) return absl::InvalidArgumentError("node IP `" + text + "` is not an IP address");
    if (!ip->IsUnspecified()) RETURN_IF_ERROR(ValidateNodeIp(text, network.interfaces));
    given.push_back(*ip);
  }
  bool first_given = !given.empty() && !given[0].IsUnspecified();
  if (given.size() > 1 && first_given && !given[1].IsUnspecified()) {
    return std::vector<std::string>{given[0].Text(), given[1].Text()};
  }
  if (first_given) return std::vector<std::string>{given[0].Text()};
  if (auto ip = Ip::Parse(hostname)) return std::vector<std::string>{ip->Text()};
  auto there = [&](const auto& ip) { return ValidateNodeIp(ip, network.interfaces).ok(); };
  bool stays = network.name_unanswered && !last.empty();
  if (stays && std::all_of(last.begin(), last.end(), there)) return last;
  bool prefer_v6 = !given.empty() && given[0].v6;
  if (auto address = AddressOfName(prefer_v6, network)) return std::vector<std::string>{*address};
  for (bool v6 : {prefer_v6, !prefer_v6}) {
    if (auto address = AddressOfFamily(v6, network)) return std::vector<std::string>{*address};
  }
  return absl::UnavailableError(
      "cannot find the node's IP address: no --node-ip, `" + hostname +
      "` does not resolve to one of its interfaces, and no default route has an address");
}

std::vector<DefaultRoute> ParseDefaultRoutes(const std::string& route,
                                             const std::string& ipv6_route) {
  std::vector<DefaultRoute> out;
  std::istringstream v4(route);
  std::string line;
  std::getline(v4, line);  // heading
  while (std::getline(v4, line)) {
    std::istringstream words(line);
    std::string interface, destination;
    if (words >> interface >> destination && IsZero(destination, 8))
      out.push_back({interface, false});
  }
  std::istringstream v6(ipv6_route);
  while (std::getline(v6, line)) {
    std::istringstream words(line);
    std::vector<std::string> fields;
    for (std::string word; words >> word;) fields.push_back(word);
    // Without a gateway it is the loopback's unreachable route.
    if (fields.size() < 10 || !IsZero(fields[0], 32) || IsZero(fields[4], 32)) continue;
    out.push_back({fields[9], true});
  }
  return out;
}

absl::StatusOr<HostNetwork> ObserveHostNetwork(const std::string& name) {
  HostNetwork network;
  ASSIGN_OR_RETURN(network.interfaces, Interfaces());
  auto v4 = ReadSmallFile(AT_FDCWD, "/proc/net/route", "/proc/net/route");
  auto v6 = ReadSmallFile(AT_FDCWD, "/proc/net/ipv6_route", "/proc/net/ipv6_route");
  network.has_routing_table = v4.ok();
  network.routes = ParseDefaultRoutes(v4.ok() ? *v4 : "", v6.ok() ? *v6 : "");
  network.name_unanswered = !LookUp(name, network.name_addresses);
  return network;
}

}  // namespace kubelet::os
