// What a pod sees of the network: hostname, /etc/hosts, resolv.conf.
#include <algorithm>
#include <sstream>

#include "kubelet/api/types.h"
#include "kubelet/runtime/config.h"

namespace kubelet::runtime {
namespace {

constexpr size_t kMaxNameservers = 3;
constexpr size_t kMaxSearches = 32;
constexpr size_t kMaxSearchCharacters = 2048;
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

void Limit(DnsConfig& dns, std::vector<std::string>* warnings) {
  auto warn = [&](const std::string& text) {
    if (warnings != nullptr) warnings->push_back(text);
  };
  if (dns.servers.size() > kMaxNameservers) {
    dns.servers.resize(kMaxNameservers);
    std::string line;
    for (const auto& s : dns.servers) line += (line.empty() ? "" : " ") + s;
    warn("Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: " +
         line);
  }
  size_t characters = 0, kept = 0;
  for (const auto& search : dns.searches) {
    characters += search.size() + (kept > 0 ? 1 : 0);
    if (kept == kMaxSearches || characters > kMaxSearchCharacters) break;
    ++kept;
  }
  if (kept < dns.searches.size()) {
    dns.searches.resize(kept);
    warn("Search Line limits were exceeded, some search paths have been omitted");
  }
}

}  // namespace

DnsConfig MakeDnsConfig(const api::core::Pod& pod, const NodeContext& node, std::vector<std::string>* warnings) {
  const auto& spec = pod.spec();
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
    if (policy != "Default" && warnings != nullptr) {
      warnings->push_back("kubelet does not have ClusterDNS IP configured and cannot create Pod using \"" + policy +
                          "\" policy. Falling back to \"Default\" policy.");
    }
    dns = node.host_dns;
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

absl::StatusOr<std::string> PodHostname(const api::core::Pod& pod) {
  const auto& spec = pod.spec();
  if (spec.has_hostname_override()) return spec.hostname_override();
  std::string hostname = spec.hostname().empty() ? pod.metadata().name() : spec.hostname();
  if (hostname.size() > kMaxHostname) {
    hostname.resize(kMaxHostname);
    while (!hostname.empty() && (hostname.back() == '-' || hostname.back() == '.')) hostname.pop_back();
  }
  return hostname;
}

std::string MakeEtcHosts(const api::core::Pod& pod, const std::vector<std::string>& pod_ips,
                         const std::string& host_file, const std::string& cluster_domain) {
  std::ostringstream out;
  if (pod.spec().host_network()) {
    out << "# Kubernetes-managed hosts file (host network).\n" << host_file;
  } else {
    out << "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
        << "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n";
    auto hostname = PodHostname(pod);
    std::string name = hostname.ok() ? *hostname : pod.metadata().name();
    if (!pod.spec().subdomain().empty()) {
      name = name + "." + pod.spec().subdomain() + "." + pod.metadata().namespace_() + ".svc." + cluster_domain + "\t" + name;
    }
    for (const auto& ip : pod_ips) out << ip << "\t" << name << "\n";
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
