// A client's upgraded connection joined to the runtime's streaming server. Server loop only.
#pragma once

#include <string>

#include "server/backend.h"
#include "server/endpoints.h"

namespace kubelet::server {

// Each answers the request, whatever happens, and ends with the stream.

// Byte for byte: SPDY, and WebSocket in the versions that runtimes speak themselves. The runtime's
// own answer to the upgrade is the client's.
base::Task<void> Tunnel(ContextPtr context, ExchangePtr exchange, Route route, std::string url);

// exec and attach over WebSocket v5, which runtimes do not speak: translated to SPDY
// (gate ExtendWebSocketsToKubelet).
base::Task<void> TranslateExec(ContextPtr context, ExchangePtr exchange,
                               PodAccess::StreamOptions options, std::string url);
bool AsksForTranslation(const HttpRequest& request);

// A port-forward's SPDY inside of WebSocket messages (the same gate).
base::Task<void> TunnelInWebSocket(ContextPtr context, ExchangePtr exchange, std::string url);
bool AsksForTunnel(const HttpRequest& request);

// What went wrong before there was a stream, to the client.
base::Task<void> AnswerFailure(ExchangePtr exchange, absl::Status failed);
base::Task<void> AnswerError(ContextPtr context, ExchangePtr exchange, Backend backend);

}  // namespace kubelet::server
