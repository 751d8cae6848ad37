// Log, exec, attach and port-forward of pods, and what is below `proxy` of a node, passed on to the
// kubelet of that node as kube-apiserver does: with the client certificate of a cluster
// administrator, to the node's address and daemon port; and requests for API groups that somebody
// else serves, as its aggregator does. Upgraded connections are copied byte for byte in both
// directions. Single thread (the executor's).
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "fakes/api_registry.h"
#include "fakes/api_request.h"
#include "fakes/certificates.h"
#include "fakes/http2_server.h"

namespace kubelet::fakes {

class ApiStreams {
 public:
  ApiStreams(base::Executor executor, ApiRegistry& registry, KeyPair client);
  ~ApiStreams();  // cuts what still flows
  // NotFound and others are answered as kube-apiserver answers them; a kubelet that is not there:
  // 500.
  void Serve(const ApiRequest& request, const HttpRequest& http, const ResponderPtr& responder);
  // To whoever listens on this port of loopback, with TLS: the path as it came.
  void Forward(uint16_t port, const HttpRequest& http, const ResponderPtr& responder);

 private:
  class Flow;
  void Pass(const std::string& address, uint16_t port, const std::string& target,
            const HttpRequest& http, const ResponderPtr& responder);
  base::Executor executor_;
  ApiRegistry& registry_;
  KeyPair client_;
  std::set<std::weak_ptr<Flow>, std::owner_less<std::weak_ptr<Flow>>> flows_;
};

// `/containerLogs/NAMESPACE/POD/CONTAINER?...` and the like: what the kubelet is asked.
// InvalidArgument: the container has to be named. (registry/core/pod/strategy.go,
// rest/subresources.go of 1.36)
absl::StatusOr<std::string> KubeletTarget(const ApiRequest& request, const api::core::Pod& pod);
// What comes behind `/api/v1/nodes/NAME/proxy`, with its query.
std::string NodeProxyTarget(const HttpRequest& http);

}  // namespace kubelet::fakes
