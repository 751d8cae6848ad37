#include "kubelet/os/node_address.h"

#include "catch.h"

namespace kubelet::os {
namespace {

using Addresses = std::vector<std::string>;

HostNetwork Network() {
  HostNetwork network;
  network.interfaces = {{"lo", true, true, false, {"127.0.0.1", "::1"}},
                        {"eth0", true, false, false, {"10.0.0.5", "fe80::1", "2001:db8::5"}},
                        {"eth1", true, false, false, {"192.168.1.5"}},
                        {"down0", false, false, false, {"172.16.0.5"}}};
  network.routes = {{"eth0", false}, {"eth0", true}};
  return network;
}

TEST_CASE("--node-ip comes first, one or one of each family") {
  CHECK(*ChooseNodeAddresses({"192.168.1.5"}, "n", Network()) == Addresses{"192.168.1.5"});
  CHECK(*ChooseNodeAddresses({"2001:DB8:0::5", "10.0.0.5"}, "n", Network()) ==
        Addresses{"2001:db8::5", "10.0.0.5"});
}

TEST_CASE("an address that cannot be a node's is refused, saying why") {
  const std::pair<const char*, const char*> cases[] = {
      {"127.0.0.1", "loopback"}, {"224.0.0.1", "multicast"}, {"169.254.1.1", "link-local"},
      {"fe80::1", "link-local"}, {"10.9.9.9", "interfaces"}, {"x", "not an IP"}};
  for (const auto& [ip, why] : cases) {
    INFO(ip);
    auto chosen = ChooseNodeAddresses({ip}, "n", Network());
    REQUIRE(absl::IsInvalidArgument(chosen.status()));
    CHECK(std::string(chosen.status().message()).find(why) != std::string::npos);
  }
}

TEST_CASE("then a host name that is an address, then what the name resolves to") {
  auto network = Network();
  CHECK(*ChooseNodeAddresses({}, "10.1.2.3", network) == Addresses{"10.1.2.3"});
  network.name_addresses = {"127.0.1.1", "2001:db8::5", "192.168.1.5"};
  CHECK(*ChooseNodeAddresses({}, "n", network) == Addresses{"192.168.1.5"});
  CHECK(*ChooseNodeAddresses({"::"}, "n", network) == Addresses{"2001:db8::5"});
  network.name_addresses = {"127.0.1.1", "2001:db8::5"};
  CHECK(*ChooseNodeAddresses({}, "n", network) == Addresses{"2001:db8::5"});
}

TEST_CASE("then the interface of a default route") {
  auto network = Network();
  CHECK(*ChooseNodeAddresses({}, "n", network) == Addresses{"10.0.0.5"});
  CHECK(*ChooseNodeAddresses({"0.0.0.0"}, "n", network) == Addresses{"10.0.0.5"});
  CHECK(*ChooseNodeAddresses({"::"}, "n", network) == Addresses{"2001:db8::5"});
  network.routes = {{"down0", false}, {"eth1", false}};
  CHECK(*ChooseNodeAddresses({}, "n", network) == Addresses{"192.168.1.5"});
  // Only link-local addresses on the wire: the node's own is on lo.
  network.interfaces[0].addresses.push_back("10.255.0.1");
  network.routes = {{"down0", false}};
  CHECK(*ChooseNodeAddresses({}, "n", network) == Addresses{"10.255.0.1"});
  network.interfaces[0].addresses.pop_back();
  auto none = ChooseNodeAddresses({}, "n", network);
  CHECK(absl::IsUnavailable(none.status()));
}

TEST_CASE("a resolver that does not answer does not move the node") {
  auto network = Network();
  network.name_unanswered = true;
  CHECK(*ChooseNodeAddresses({}, "n", network, {"192.168.1.5"}) == Addresses{"192.168.1.5"});
  // But for good reason: the address is gone, another is given, or there was none.
  CHECK(*ChooseNodeAddresses({}, "n", network, {"192.168.1.6"}) == Addresses{"10.0.0.5"});
  CHECK(*ChooseNodeAddresses({"10.0.0.5"}, "n", network, {"192.168.1.5"}) == Addresses{"10.0.0.5"});
  CHECK(*ChooseNodeAddresses({}, "n", network) == Addresses{"10.0.0.5"});
  network.name_unanswered = false;
  CHECK(*ChooseNodeAddresses({}, "n", network, {"192.168.1.5"}) == Addresses{"10.0.0.5"});
}

TEST_CASE("without a routing table any interface serves, but not a tunnel") {
  auto network = Network();
  network.has_routing_table = false;
  network.routes.clear();
  network.interfaces.insert(network.interfaces.begin(), {"tun0", true, false, true, {"10.8.0.1"}});
  CHECK(*ChooseNodeAddresses({}, "n", network) == Addresses{"10.0.0.5"});
}

TEST_CASE("--node-ip: blanks do not count, and what is no address is left out") {
  CHECK(ParseNodeIps("10.0.0.5, fd00:0::1") == Addresses{"10.0.0.5", "fd00::1"});
  CHECK(ParseNodeIps("eth0").empty());
  CHECK(ParseNodeIps("eth0,10.0.0.5") == Addresses{"10.0.0.5"});
  CHECK(ParseNodeIps("::") == Addresses{"::"});
  CHECK(ParseNodeIps(" ,").empty());
  CHECK(ParseNodeIps("").empty());
}

TEST_CASE("default routes out of procfs") {
  auto routes = ParseDefaultRoutes(
      "Iface\tDestination\tGateway\n"
      "eth1\t0000FEA9\t00000000\t0001\neth0\t00000000\t0100000A\t0003\nbad\n",
      "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
      "fe800000000000000000000000000001 00000400 1 0 00000003     eth0\n"
      "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
      "00000000000000000000000000000000 ffffffff 1 0 00200200       lo\n"
      "20010db8000000000000000000000000 40 00000000000000000000000000000000 00 "
      "fe800000000000000000000000000001 00000400 1 0 00000003     eth2\n");
  REQUIRE(routes.size() == 2);
  CHECK(routes[0].interface == "eth0");
  CHECK_FALSE(routes[0].v6);
  CHECK(routes[1].interface == "eth0");
  CHECK(routes[1].v6);
}

TEST_CASE("this machine's network can be seen") {
  auto network = ObserveHostNetwork("localhost");
  REQUIRE(network.ok());
  CHECK_FALSE(network->interfaces.empty());
  CHECK_FALSE(network->name_addresses.empty());
}

}  // namespace
}  // namespace kubelet::os
