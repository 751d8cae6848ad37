#include "catch.h"
#include "kubelet/api/pod.h"
#include "kubelet/runtime/config.h"

namespace kubelet::runtime {
namespace {

using Strings = std::vector<std::string>;

api::core::Pod MakePod(const std::string& policy = "ClusterFirst") {
  api::core::Pod pod;
  pod.mutable_metadata()->set_name("web");
  pod.mutable_metadata()->set_namespace_("shop");
  pod.mutable_spec()->set_dns_policy(policy);
  return pod;
}

NodeContext Node() {
  NodeContext node;
  node.cluster_dns = {"10.96.0.10"};
  node.cluster_domain = "cluster.local";
  node.host_dns = {{"192.0.2.1", "192.0.2.2"}, {"corp.example", "cluster.local"}, {"timeout:2"}};
  return node;
}

const Strings kClusterSearches = {"shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example"};

TEST_CASE("DNS by policy and network") {
  struct Row {
    const char* policy;
    bool host_network;
    bool cluster_dns;
    Strings servers, searches, options;
    size_t warnings;
  };
  const Strings host = {"192.0.2.1", "192.0.2.2"}, host_searches = {"corp.example", "cluster.local"};
  auto row = GENERATE_COPY(
      Row{"ClusterFirst", false, true, {"10.96.0.10"}, kClusterSearches, {"ndots:5"}, 0},
      Row{"ClusterFirst", true, true, host, host_searches, {"timeout:2"}, 0},
      Row{"ClusterFirstWithHostNet", true, true, {"10.96.0.10"}, kClusterSearches, {"ndots:5"}, 0},
      Row{"ClusterFirstWithHostNet", false, true, {"10.96.0.10"}, kClusterSearches, {"ndots:5"}, 0},
      Row{"ClusterFirst", false, false, host, host_searches, {"timeout:2"}, 2},
      Row{"Default", false, true, host, host_searches, {"timeout:2"}, 0},
      Row{"None", false, true, {}, {}, {}, 0}, Row{"", false, true, {"10.96.0.10"}, kClusterSearches, {"ndots:5"}, 0});
  INFO(row.policy << " host network " << row.host_network << " cluster DNS " << row.cluster_dns);
  auto pod = MakePod(row.policy);
  pod.mutable_spec()->set_host_network(row.host_network);
  NodeContext node = Node();
  if (!row.cluster_dns) node.cluster_dns.clear();
  std::vector<PodEvent> warnings;
  DnsConfig dns = MakeDnsConfig(pod, node, &warnings);
  CHECK(dns.servers == row.servers);
  CHECK(dns.searches == row.searches);
  CHECK(dns.options == row.options);
  CHECK(warnings.size() == row.warnings);
}

TEST_CASE("a pod's dnsConfig adds to its policy, and its options win") {
  auto pod = MakePod();
  auto* dns_config = pod.mutable_spec()->mutable_dns_config();
  dns_config->add_nameservers("10.96.0.10");
  dns_config->add_nameservers("1.1.1.1");
  dns_config->add_searches("svc.cluster.local");
  dns_config->add_searches("more.example");
  auto* ndots = dns_config->add_options();
  ndots->set_name("ndots");
  ndots->set_value("2");
  dns_config->add_options()->set_name("edns0");
  DnsConfig dns = MakeDnsConfig(pod, Node(), nullptr);
  CHECK(dns.servers == Strings{"10.96.0.10", "1.1.1.1"});
  CHECK(dns.searches == Strings{"shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example",
                                "more.example"});
  CHECK(dns.options == Strings{"ndots:2", "edns0"});
}

TEST_CASE("at most three name servers, 32 searches and 2048 characters of them") {
  auto pod = MakePod("None");
  auto* dns_config = pod.mutable_spec()->mutable_dns_config();
  std::vector<PodEvent> warnings;
  SECTION("exactly the limits") {
    for (int i = 0; i < 3; ++i) dns_config->add_nameservers("10.0.0." + std::to_string(i));
    for (int i = 0; i < 32; ++i) dns_config->add_searches(std::string(61, 'a') + std::to_string(10 + i));
    DnsConfig dns = MakeDnsConfig(pod, Node(), &warnings);
    CHECK(dns.servers.size() == 3);
    CHECK(dns.searches.size() == 32);  // 32 * 63 + 31 = 2047
    CHECK(warnings.empty());
  }
  SECTION("one more of each") {
    for (int i = 0; i < 4; ++i) dns_config->add_nameservers("10.0.0." + std::to_string(i));
    for (int i = 0; i < 33; ++i) dns_config->add_searches("s" + std::to_string(i));
    DnsConfig dns = MakeDnsConfig(pod, Node(), &warnings);
    CHECK(dns.servers == Strings{"10.0.0.0", "10.0.0.1", "10.0.0.2"});
    CHECK(dns.searches.size() == 32);
    CHECK(dns.searches.back() == "s31");
    CHECK(warnings.size() == 2);
  }
  SECTION("too long") {
    for (int i = 0; i < 9; ++i) dns_config->add_searches(std::string(250, 'a') + std::to_string(i));
    DnsConfig dns = MakeDnsConfig(pod, Node(), &warnings);
    CHECK(dns.searches.size() == 8);  // 8 * 251 + 7 = 2015
    CHECK(warnings.size() == 1);
  }
  SECTION("a single one too long") {
    dns_config->add_searches(std::string(254, 'a'));
    dns_config->add_searches("good.example");
    DnsConfig dns = MakeDnsConfig(pod, Node(), &warnings);
    CHECK(dns.searches == Strings{"good.example"});
    REQUIRE(warnings.size() == 1);
    CHECK(warnings[0].reason == "DNSConfigForming");
    CHECK(warnings[0].message ==
          "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: "
          "good.example");
  }
}

TEST_CASE("the host name of a pod") {
  auto pod = MakePod();
  CHECK(PodHostName(pod, Node()).name == "web");
  pod.mutable_spec()->set_hostname("shown");
  CHECK(PodHostName(pod, Node()).name == "shown");
  CHECK(PodHostName(pod, Node()).domain.empty());
  pod.mutable_spec()->clear_hostname();
  pod.mutable_metadata()->set_name(std::string(60, 'a') + "-.-bcd");
  CHECK(PodHostName(pod, Node()).name == std::string(60, 'a'));
  pod.mutable_metadata()->set_name(std::string(64, 'a'));
  CHECK(PodHostName(pod, Node()).name == std::string(63, 'a'));
}

TEST_CASE("hostnameOverride is the whole name, unless its gate is off") {
  auto pod = MakePod();
  auto& spec = *pod.mutable_spec();
  spec.set_hostname("shown");
  spec.set_subdomain("sub");
  spec.set_set_hostname_as_fqdn(true);
  spec.set_hostname_override("over.example");
  CHECK(*KernelHostName(pod, Node()) == "over.example");
  CHECK(MakeEtcHosts(pod, {"10.1.0.2"}, "", Node()).find("\n10.1.0.2\tover.example\n") != std::string::npos);
  spec.set_hostname_override(std::string(62, 'o') + ".tail");
  CHECK(*KernelHostName(pod, Node()) == std::string(62, 'o'));
  NodeContext node = Node();
  node.hostname_override = false;
  CHECK(*KernelHostName(pod, node) == "shown.sub.shop.svc.cluster.local");
}

TEST_CASE("cluster DNS that is asked for and not there is told of pod and node") {
  auto pod = MakePod("ClusterFirstWithHostNet");
  pod.mutable_metadata()->set_uid("u1");
  NodeContext node = Node();
  node.cluster_dns.clear();
  std::vector<PodEvent> events;
  MakeDnsConfig(pod, node, &events);
  REQUIRE(events.size() == 2);
  const std::string text =
      "kubelet does not have ClusterDNS IP configured and cannot create Pod using \"ClusterFirst\" policy. Falling back "
      "to \"Default\" policy.";
  CHECK(events[0].about_node);
  CHECK(events[0].message == text);
  CHECK_FALSE(events[1].about_node);
  CHECK(events[1].message == "pod: \"web_shop(u1)\". " + text);
  for (const auto& event : events) {
    CHECK(event.warning);
    CHECK(event.reason == "MissingClusterDNS");
  }
}

TEST_CASE("without a resolvConf pods of policy Default ask the node itself") {
  NodeContext node;
  node.no_resolv_conf = true;
  auto pod = MakePod("Default");
  CHECK(MakeDnsConfig(pod, node, nullptr).servers == Strings{"127.0.0.1"});
  node.host_ips = {"fd00::1", "10.0.0.1"};
  DnsConfig dns = MakeDnsConfig(pod, node, nullptr);
  CHECK(dns.servers == Strings{"::1", "127.0.0.1"});
  CHECK(dns.searches == Strings{"."});
  node.cluster_dns = {"10.96.0.10"};
  CHECK(MakeDnsConfig(MakePod(), node, nullptr).searches.empty());
}

TEST_CASE("limits of the node's own resolver configuration") {
  auto check = [](int searches, size_t length, const std::string& domain) {
    DnsConfig dns;
    for (int i = 0; i < searches; ++i) dns.searches.push_back(std::string(length, 'a'));
    return CheckResolvConf("/r", dns, domain).value_or("");
  };
  CHECK(check(29, 10, "cluster.local").empty());
  CHECK(check(30, 10, "cluster.local") ==
        "Resolv.conf file '/r' contains search line consisting of more than 29 domains!");
  CHECK(check(32, 10, "").empty());
  CHECK(check(33, 10, "") == "Resolv.conf file '/r' contains search line consisting of more than 32 domains!");
  CHECK(check(1, 254, "") ==
        "Resolv.conf file \"/r\" contains a search path which length is more than allowed 253 chars!");
  CHECK(check(8, 253, "").empty());  // 8 * 253 + 7 = 2031
  CHECK(check(9, 253, "") ==
        "Resolv.conf file '/r' contains search line which length is more than allowed 2048 chars!");
}

TEST_CASE("setHostnameAsFQDN names the pod by its full name, up to 64 characters") {
  auto pod = MakePod();
  pod.mutable_spec()->set_subdomain("sub");
  pod.mutable_spec()->set_set_hostname_as_fqdn(true);
  auto config = MakeSandboxConfig(pod, 0, "", Node());
  REQUIRE(config.ok());
  CHECK(config->hostname == "web.sub.shop.svc.cluster.local");
  pod.mutable_metadata()->set_name(std::string(40, 'a'));
  config = MakeSandboxConfig(pod, 0, "", Node());
  REQUIRE_FALSE(config.ok());
  CHECK(std::string(config.status().message()) ==
        "failed to construct FQDN from pod hostname and cluster domain, FQDN " + std::string(40, 'a') +
            ".sub.shop.svc.cluster.local is too long (64 characters is the max, 67 characters requested)");
  pod.mutable_metadata()->set_name(std::string(37, 'a'));
  CHECK(MakeSandboxConfig(pod, 0, "", Node())->hostname.size() == 64);
}

TEST_CASE("the hosts file has the pod's addresses, its full name with a subdomain, and its aliases") {
  auto pod = MakePod();
  const std::string head =
      "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
      "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n";
  CHECK(MakeEtcHosts(pod, {"10.1.0.2", "fd00::2"}, "", Node()) == head + "10.1.0.2\tweb\nfd00::2\tweb\n");
  pod.mutable_spec()->set_subdomain("sub");
  CHECK(MakeEtcHosts(pod, {"10.1.0.2"}, "", Node()) ==
        head + "10.1.0.2\tweb.sub.shop.svc.cluster.local\tweb\n");
  auto* alias = pod.mutable_spec()->add_host_aliases();
  alias->set_ip("192.0.2.7");
  alias->add_hostnames("db");
  alias->add_hostnames("db.example");
  pod.mutable_spec()->set_host_network(true);
  CHECK(MakeEtcHosts(pod, {}, "192.0.2.1 node\n", Node()) ==
        "# Kubernetes-managed hosts file (host network).\n192.0.2.1 node\n\n# Entries added by HostAliases.\n"
        "192.0.2.7\tdb\tdb.example\n");
}

TEST_CASE("references to variables") {
  struct Row {
    const char *text, *out;
  };
  auto row = GENERATE(Row{"$(A)", "1"}, Row{"x$(A)y$(B)z", "x1y2z"}, Row{"$$(A)", "$(A)"}, Row{"$$$(A)", "$1"},
                      Row{"$(NO)", "$(NO)"}, Row{"$(A", "$(A"}, Row{"$", "$"}, Row{"a$", "a$"}, Row{"$A", "$A"},
                      Row{"$()", "$()"}, Row{"", ""}, Row{"$$$$", "$$"}, Row{"$(A)$", "1$"}, Row{"$(B$(A))", "$(B$(A))"});
  INFO(row.text);
  CHECK(Expand(row.text, {{"A", "1"}, {"B", "2"}}) == row.out);
}

TEST_CASE("CPU shares and quota") {
  CHECK(MilliCpuToShares(0) == 2);
  CHECK(MilliCpuToShares(1) == 2);
  CHECK(MilliCpuToShares(1000) == 1024);
  CHECK(MilliCpuToShares(100'000'000) == 262'144);
  CHECK(MilliCpuToQuota(0, 100'000) == 0);
  CHECK(MilliCpuToQuota(1, 100'000) == 1000);
  CHECK(MilliCpuToQuota(500, 100'000) == 50'000);
}

TEST_CASE("a link to a log keeps its container id, however long the names") {
  auto pod = MakePod();
  std::string id(64, 'f');
  CHECK(LegacyLogLink(pod, "c", id) == "web_shop_c-" + id + ".log");
  pod.mutable_metadata()->set_name(std::string(253, 'n'));
  std::string link = LegacyLogLink(pod, "c", id);
  CHECK(link.size() == 255);
  CHECK(link == std::string(255 - 69, 'n') + "-" + id + ".log");
}

}  // namespace
}  // namespace kubelet::runtime
