#include <arpa/inet.h>

#include <algorithm>

#include "kubelet/node/node_status.h"

namespace kubelet::node {
namespace {

bool IsV6(const std::string& ip) { return ip.find(':') != std::string::npos; }

// Canonical; empty for what is no address.
std::string Canonical(const std::string& text) {
  unsigned char bytes[16];
  char out[INET6_ADDRSTRLEN];
  for (int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, text.c_str(), bytes) == 1)
      return inet_ntop(family, bytes, out, sizeof out);
  }
  return "";
}

}  // namespace

std::vector<std::string> HostIps(const core::Node& node) {
  std::vector<std::string> all;
  for (const char* type : {"InternalIP", "ExternalIP"}) {
    for (const auto& address : node.status().addresses()) {
      std::string ip = address.type() == type ? Canonical(address.address()) : "";
      if (!ip.empty()) all.push_back(ip);
    }
  }
  if (all.empty()) return all;
  auto other = std::find_if(all.begin(), all.end(),
                            [&](const auto& ip) { return IsV6(ip) != IsV6(all.front()); });
  std::vector<std::string> out = {all.front()};
  if (other != all.end()) out.push_back(*other);
  return out;
}

}  // namespace kubelet::node
