// The documents by which clients learn what a server serves: /api, /apis, resource lists, /version,
// and as much OpenAPI as kubectl needs to validate on the server.
#pragma once

#include <map>
#include <optional>
#include <string>

namespace kubelet::fakes {

// A group that another server has, as an APIService tells.
struct AggregatedGroup {
  std::string version;
  uint16_t port = 0;  // on loopback, with TLS
};
using AggregatedGroups = std::map<std::string, AggregatedGroup>;  // by name

// The JSON body for such a path; nullopt for any other, and for what another server answers.
std::optional<std::string> DiscoveryBody(const std::string& path, const std::string& address,
                                         const AggregatedGroups& aggregated = {});

}  // namespace kubelet::fakes
