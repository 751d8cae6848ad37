// Which endpoint a request means. Pure; the table is that of pkg/kubelet/server/server.go of 1.36.
#pragma once

#include <string>

#include "kubelet/server/pod_access.h"

namespace kubelet::server {

enum class Endpoint {
  kDocument,  // answered at once from snapshots: Deps::documents
  kLateDocument,  // measured first: Deps::late
  kLogs,
  kExec,
  kAttach,
  kPortForward,
  kRun,
  kNotFound,
  kWrongMethod,
  kDisabled,  // enableDebuggingHandlers is off
  kNotBuilt,  // upstream has it, this version does not
};

struct Route {
  Endpoint endpoint = Endpoint::kNotFound;
  PodName pod;
  std::string container;
};

// `path` is decoded. Segments that are empty, `.` or `..` lead nowhere.
Route RouteOf(const std::string& method, const std::string& path, bool debugging_handlers);

}  // namespace kubelet::server
