// What a pod sees of the network: hostname, /etc/hosts, resolv.conf.
#include <arpa/inet.h>

#include <algorithm>
#include <sstream>

#include "kubelet/api/types.h"
#include "kubelet/runtime/config.h"
#include "runtime/pod_text.h"

namespace kubelet::runtime {
namespace {

constexpr size_t kMaxNameservers = 3;
constexpr size_t kMaxSearches = 32;
constexpr size_t kMaxSearchCharacters = 2048;
constexpr size_t kMaxDomain = 253;  // longer ones make some resolvers (glibc 2.28) abort
constexpr size_t kMaxHostname = 63;
constexpr size_t kMaxFqdn = 64;  // Linux HOST_NAME_MAX

template <typename List>
void AppendUnique(std::vector<std::string>& to, const List& from) {
  for (const auto& item : from) {
    if (std::find(to.begin(), to.end(), item) == to.end()) to.push_back(item);
  }
}

// `name` or `name:value`; a later option of the same name wins in place.
void MergeOption(std::vector<std::string>& options, const std::string& option) {
  std::string name = option.substr(0, option.find(':'));
  for (auto& existing : options) {
    if (existing.substr(0, existing.find(':')) == name) {
      existing = option;
      return;
    }
  }
  options.push_back(option);
}

std::string Join(const std::vector<std::string>& list) {
  std::string line;
  for (const auto& item : list) line += (line.empty() ? "" : " ") + item;
  return line;
}

class Warnings {
 public:
  explicit Warnings(std::vector<PodEvent>* events) : events_(events) {}
  void Add(const char* reason, std::string message, bool about_node = false) {
    if (events_ == nullptr) return;
    PodEvent event;
    event.warning = true;
    event.reason = reason;
    event.message = std::move(message);
    event.about_node = about_node;
    events_->push_back(std::move(event));
  }

 private:
  std::vector<PodEvent>* events_;
};

bool LimitSearches(std::vector<std::string>& searches) {
  const size_t before = searches.size();
  if (searches.size() > kMaxSearches) searches.resize(kMaxSearches);
  std::erase_if(searches, [](const auto& search) { return search.size() > kMaxDomain; });
  while (Join(searches).size() > kMaxSearchCharacters) searches.pop_back();
  return searches.size() != before;
}

void Limit(DnsConfig& dns, Warnings& warnings) {
  if (dns.servers.size() > kMaxNameservers) {
    dns.servers.resize(kMaxNameservers);
    warnings.Add("DNSConfigForming",
                 "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: " +
                     Join(dns.servers));
  }
  if (LimitSearches(dns.searches)) {
    warnings.Add("DNSConfigForming",
                 "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: " +
                     Join(dns.searches));
  }
}

bool IsV6(const std::string& ip) { return ip.find(':') != std::string::npos; }

// Runtimes may write addresses in a form of their own.
std::string Canonical(const std::string& ip) {
  unsigned char bytes[sizeof(in6_addr)];
  char text[INET6_ADDRSTRLEN];
  int family = IsV6(ip) ? AF_INET6 : AF_INET;
  if (inet_pton(family, ip.c_str(), bytes) != 1) return ip;
  return inet_ntop(family, bytes, text, sizeof text) != nullptr ? text : ip;
}

// An empty resolvConf turns the runtime's own choice off: the node itself is asked.
DnsConfig HostDns(const NodeContext& node) {
  if (!node.no_resolv_conf) return node.host_dns;
  DnsConfig dns;
  for (const auto& ip : node.host_ips) dns.servers.push_back(IsV6(ip) ? "::1" : "127.0.0.1");
  if (dns.servers.empty()) dns.servers.push_back("127.0.0.1");
  dns.searches = {"."};
  return dns;
}

std::string Truncated(std::string hostname) {
  if (hostname.size() <= kMaxHostname) return hostname;
  hostname.resize(kMaxHostname);
  while (!hostname.empty() && (hostname.back() == '-' || hostname.back() == '.')) hostname.pop_back();
  return hostname;
}

}  // namespace

DnsConfig MakeDnsConfig(const api::core::Pod& pod, const NodeContext& node, std::vector<PodEvent>* events) {
  const auto& spec = pod.spec();
  Warnings warnings(events);
  std::string policy = spec.dns_policy();
  if (policy != "None" && policy != "Default" && policy != "ClusterFirstWithHostNet") policy = "ClusterFirst";
  if (policy == "ClusterFirst" && spec.host_network()) policy = "Default";

  DnsConfig dns;
  if (policy == "None") {
  } else if (policy != "Default" && !node.cluster_dns.empty()) {
    dns.servers = node.cluster_dns;
    if (!node.cluster_domain.empty()) {
      dns.searches = {pod.metadata().namespace_() + ".svc." + node.cluster_domain, "svc." + node.cluster_domain,
                      node.cluster_domain};
    }
    AppendUnique(dns.searches, node.host_dns.searches);
    dns.options = {"ndots:5"};
  } else {
    if (policy != "Default") {
      const std::string text =
          "kubelet does not have ClusterDNS IP configured and cannot create Pod using \"ClusterFirst\" policy. "
          "Falling back to \"Default\" policy.";
      warnings.Add("MissingClusterDNS", text, true);
      warnings.Add("MissingClusterDNS", "pod: \"" + PodText(pod) + "\". " + text);
    }
    dns = HostDns(node);
  }
  if (spec.has_dns_config()) {
    AppendUnique(dns.servers, spec.dns_config().nameservers());
    AppendUnique(dns.searches, spec.dns_config().searches());
    for (const auto& option : spec.dns_config().options()) {
      bool has_value = option.has_value() && !option.value().empty();
      MergeOption(dns.options, has_value ? option.name() + ":" + option.value() : option.name());
    }
  }
  Limit(dns, warnings);
  return dns;
}

std::optional<std::string> CheckResolvConf(const std::string& path, const DnsConfig& dns,
                                           const std::string& cluster_domain) {
  // The cluster's own three come before those of the node.
  size_t most = cluster_domain.empty() ? kMaxSearches : kMaxSearches - 3;
  if (dns.searches.size() > most) {
    return "Resolv.conf file '" + path + "' contains search line consisting of more than " + std::to_string(most) +
           " domains!";
  }
  for (const auto& search : dns.searches) {
    if (search.size() > kMaxDomain) {
      return "Resolv.conf file \"" + path + "\" contains a search path which length is more than allowed " +
             std::to_string(kMaxDomain) + " chars!";
    }
  }
  if (Join(dns.searches).size() > kMaxSearchCharacters) {
    return "Resolv.conf file '" + path + "' contains search line which length is more than allowed " +
           std::to_string(kMaxSearchCharacters) + " chars!";
  }
  return std::nullopt;
}

HostName PodHostName(const api::core::Pod& pod, const NodeContext& node) {
  const auto& spec = pod.spec();
  HostName out;
  if (node.hostname_override && spec.has_hostname_override()) {
    out.name = Truncated(spec.hostname_override());
    return out;
  }
  out.name = Truncated(spec.hostname().empty() ? pod.metadata().name() : spec.hostname());
  if (!spec.subdomain().empty()) {
    out.domain = spec.subdomain() + "." + pod.metadata().namespace_() + ".svc." + node.cluster_domain;
  }
  return out;
}

absl::StatusOr<std::string> KernelHostName(const api::core::Pod& pod, const NodeContext& node) {
  HostName host = PodHostName(pod, node);
  if (!pod.spec().set_hostname_as_fqdn() || host.domain.empty()) return host.name;
  std::string fqdn = host.name + "." + host.domain;
  if (fqdn.size() <= kMaxFqdn) return fqdn;
  return absl::FailedPreconditionError("failed to construct FQDN from pod hostname and cluster domain, FQDN " + fqdn +
                                       " is too long (" + std::to_string(kMaxFqdn) + " characters is the max, " +
                                       std::to_string(fqdn.size()) + " characters requested)");
}

std::vector<std::string> InFamilyOrder(const std::vector<std::string>& ips, const std::vector<std::string>& node_ips) {
  bool v6_first = !node_ips.empty() && IsV6(node_ips.front());
  std::vector<std::string> sorted;
  for (bool v6 : {v6_first, !v6_first}) {
    auto it = std::find_if(ips.begin(), ips.end(), [&](const auto& ip) { return IsV6(ip) == v6; });
    if (it != ips.end()) sorted.push_back(Canonical(*it));
  }
  return sorted;
}

std::string MakeEtcHosts(const api::core::Pod& pod, const std::vector<std::string>& pod_ips,
                         const std::string& host_file, const NodeContext& node) {
  std::ostringstream out;
  if (pod.spec().host_network()) {
    out << "# Kubernetes-managed hosts file (host network).\n" << host_file;
  } else {
    out << "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
        << "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n";
    HostName host = PodHostName(pod, node);
    std::string names = host.name;
    if (!host.domain.empty()) names = host.name + "." + host.domain + "\t" + host.name;
    for (const auto& ip : pod_ips) out << ip << "\t" << names << "\n";
  }
  if (pod.spec().host_aliases_size() > 0) {
    out << "\n# Entries added by HostAliases.\n";
    for (const auto& alias : pod.spec().host_aliases()) {
      out << alias.ip();
      for (const auto& name : alias.hostnames()) out << "\t" << name;
      out << "\n";
    }
  }
  return out.str();
}

}  // namespace kubelet::runtime
