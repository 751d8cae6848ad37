// Which addresses this node goes by (pkg/kubelet/nodestatus NodeAddress, apimachinery util/net
// ResolveBindAddress).
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::os {

struct NetworkInterface {
  std::string name;
  bool up = false, loopback = false, point_to_point = false;
  std::vector<std::string> addresses;  // v4 and v6, canonical text without scope
};

struct DefaultRoute {
  std::string interface;
  bool v6 = false;
};

// What the choice is made from.
struct HostNetwork {
  std::vector<NetworkInterface> interfaces;
  std::vector<DefaultRoute> routes;         // in the kernel's order, v4 first
  bool has_routing_table = true;            // /proc/net/route is there
  std::vector<std::string> name_addresses;  // what the node's name resolves to
  bool name_unanswered = false;             // no resolver answered: it may resolve all the same
};

// One address, or two when `node_ips` gives two. `node_ips` is --node-ip (at most two, one a
// family; an unspecified one such as :: only picks the family). In turn: --node-ip, a `hostname`
// that is an address, what the node's name resolves to, the interface of a default route; IPv4
// first unless --node-ip is IPv6. While no resolver answers, what was chosen before (`last`) stays
// for as long as an interface has it: a name server that is away must not move the node.
// InvalidArgument for an address that cannot be a node's or is on no interface; Unavailable when
// nothing was found.
absl::StatusOr<std::vector<std::string>> ChooseNodeAddresses(
    const std::vector<std::string>& node_ips, const std::string& hostname,
    const HostNetwork& network, const std::vector<std::string>& last = {});

// The addresses of --node-ip, canonical, without the blanks around them. What is no address is left
// out: the configuration's check has warned of it.
std::vector<std::string> ParseNodeIps(const std::string& flag);

// InvalidArgument unless `ip` is a unicast address of one of the interfaces that others can reach.
absl::Status ValidateNodeIp(const std::string& ip, const std::vector<NetworkInterface>& interfaces);

// Default routes of /proc/net/route and /proc/net/ipv6_route; lines that are no routes are skipped.
std::vector<DefaultRoute> ParseDefaultRoutes(const std::string& route,
                                             const std::string& ipv6_route);

// Blocks, for as long as the resolver takes: not on the core loop. `name` empty skips the look-up;
// a failed one leaves name_addresses empty.
absl::StatusOr<HostNetwork> ObserveHostNetwork(const std::string& name);

}  // namespace kubelet::os
