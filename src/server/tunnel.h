// A client's upgraded connection joined to the runtime's streaming server, byte for byte.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/endpoints.h"

namespace kubelet::server {

// `http://HOST:PORT/PATH?QUERY`; InvalidArgument when it is none.
struct StreamUrl {
  std::string host, port, target;
};
absl::StatusOr<StreamUrl> ParseStreamUrl(const std::string& url);

// The client's request as the runtime gets it: its own target, the client's headers without
// credentials.
std::string TunnelRequest(const HttpRequest& request, const StreamUrl& url);

// Sends the request on, relays the answer, and when that is an upgrade, everything after it until
// one side ends.
base::Task<void> Tunnel(ContextPtr context, ExchangePtr exchange, std::string url);

}  // namespace kubelet::server
