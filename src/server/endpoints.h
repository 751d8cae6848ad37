// What the handlers of single endpoints share. Server loop only.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>

#include "kubelet/server/secure_server.h"
#include "server/exchange.h"
#include "server/log_watch.h"
#include "server/loop_call.h"
#include "server/router.h"

namespace kubelet::server {

struct Context {
  Context(SecureServer::Deps d, SecureServer::Options o, SecureServer::Place p)
      : deps(std::move(d)),
        options(std::move(o)),
        place(std::move(p)),
        core(deps.core, place.executor),
        logs(place.executor, place.clock, place.files),
        scope(place.executor) {}
  SecureServer::Deps deps;  // core loop only
  SecureServer::Options options;
  SecureServer::Place place;
  CoreCalls core;
  LogWatch logs;
  std::atomic<int> followers{0};           // of logs; read on the core loop
  std::list<std::function<void()>> stops;  // of streams: what is to be done when the kubelet ends
  base::TaskScope scope;
};
using ContextPtr = std::shared_ptr<Context>;
using ExchangePtr = std::shared_ptr<Exchange>;

// Gives other connections their turn: what is ready at once does not wait by itself.
base::Task<void> Yield(base::Executor executor);

// Each answers the request, whatever happens.
base::Task<void> ServeLogs(ContextPtr context, ExchangePtr exchange, Route route);
base::Task<void> ServeStream(ContextPtr context, ExchangePtr exchange,
                             Route route);  // exec, attach, portForward
base::Task<void> ServeRun(ContextPtr context, ExchangePtr exchange, Route route);

}  // namespace kubelet::server
