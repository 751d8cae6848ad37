// The documents by which clients learn what a server serves: /api, /apis, resource lists, /version,
// and as much OpenAPI as kubectl needs to validate on the server.
#pragma once

#include <optional>
#include <string>

namespace kubelet::fakes {

// The JSON body for such a path; nullopt for any other.
std::optional<std::string> DiscoveryBody(const std::string& path, const std::string& address);

}  // namespace kubelet::fakes
