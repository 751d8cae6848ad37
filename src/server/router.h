// Which endpoint a request means. Pure; the table is that of pkg/kubelet/server/server.go of 1.36.
#pragma once

#include <string>

#include "kubelet/server/handlers.h"
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
  kCheckpoint,
  kNodeLogs,   // `rest` is the path below /logs/
  kVerbosity,  // /debug/flags/v
  kProfile,    // `rest` is the name below /debug/pprof/
  kNotFound,
  kWrongMethod,
  kDisabled,  // by the configuration; `rest` says so
};

struct Route {
  Endpoint endpoint = Endpoint::kNotFound;
  PodName pod;
  std::string container, rest;
};

// `path` is decoded. Segments that are empty, `.` or `..` lead nowhere.
Route RouteOf(const std::string& method, const std::string& path, const Handlers& on);

}  // namespace kubelet::server
