// What all cases of a run share.
#pragma once

#include <string>

#include "conformance/cluster.h"
#include "conformance/hooks.h"
#include "conformance/http.h"
#include "conformance/image.h"
#include "conformance/node.h"
#include "conformance/observer.h"
#include "kubelet/runtime/container_runtime.h"

namespace kubelet::conformance {

struct World {
  HttpClient::Deps deps;
  Cluster& cluster;
  Observer& observer;
  Node* node;        // null: a kubelet that runs already
  HttpClient& port;  // the kubelet's HTTPS port, or the API server's way to it
  runtime::ContainerRuntime& runtime;
  runtime::ImageService& images;
  Registry& registry;
  Hooks& hooks;
  std::string node_name;
  std::string prefix;   // of the run's namespaces
  std::string dir;      // of this machine, for the cases' files
  std::string handler;  // one that the runtime has, for RuntimeClasses; empty: it names none
  double patience = 1;  // all limits are multiplied with it
};

}  // namespace kubelet::conformance
