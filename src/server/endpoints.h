// What the handlers of single endpoints share. Server loop only.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>

#include "kubelet/server/http_metrics.h"
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
        metrics(deps.metrics, "readwrite"),
        scope(place.executor) {}
  SecureServer::Deps deps;  // core loop only
  SecureServer::Options options;
  SecureServer::Place place;
  CoreCalls core;
  LogWatch logs;
  HttpMetrics metrics;
  std::atomic<int> followers{0};           // of logs; read on the core loop
  std::list<std::function<void()>> stops;  // of streams: what is to be done when the kubelet ends
  std::atomic<int> untold{0};              // streams whose client has not heard of their end
  base::TaskScope scope;
};
using ContextPtr = std::shared_ptr<Context>;
using ExchangePtr = std::shared_ptr<Exchange>;

// A stream that the client has to be told about when it is cut off by us.
class OpenStream {
 public:
  OpenStream(ContextPtr context, std::function<void()> stop)
      : context_(std::move(context)),
        stop_(context_->stops.insert(context_->stops.end(), std::move(stop))) {
    ++context_->untold;
  }
  ~OpenStream() {
    Told();
    context_->stops.erase(stop_);
  }
  void Told() {
    if (!told_) --context_->untold;
    told_ = true;
  }
  OpenStream(const OpenStream&) = delete;
  OpenStream& operator=(const OpenStream&) = delete;

 private:
  ContextPtr context_;
  std::list<std::function<void()>>::iterator stop_;
  bool told_ = false;
};

// Gives other connections their turn: what is ready at once does not wait by itself.
base::Task<void> Yield(base::Executor executor);

// Each answers the request, whatever happens.
base::Task<void> ServeLogs(ContextPtr context, ExchangePtr exchange, Route route);
base::Task<void> ServeStream(ContextPtr context, ExchangePtr exchange,
                             Route route);  // exec, attach, portForward
// The command ends with its client, as upstream (server.go getRun passes the request's context on).
base::Task<void> ServeRun(ContextPtr context, ExchangePtr exchange, Route route);
base::Task<void> ServeCheckpoint(ContextPtr context, ExchangePtr exchange, Route route);
base::Task<void> ServeNodeLogs(ContextPtr context, ExchangePtr exchange, Route route);
base::Task<void> ServeVerbosity(ContextPtr context, ExchangePtr exchange, Route route);
base::Task<void> ServeProfile(ContextPtr context, ExchangePtr exchange, Route route);

}  // namespace kubelet::server
