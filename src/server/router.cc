#include "server/router.h"

#include <algorithm>
#include <vector>

namespace kubelet::server {
namespace {

// Empty when the path is not clean; trailing slashes do not count.
std::vector<std::string> Segments(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  std::vector<std::string> out;
  for (size_t begin = 1; begin <= path.size();) {
    size_t end = std::min(path.find('/', begin), path.size());
    std::string segment = path.substr(begin, end - begin);
    if (segment.empty() || segment == "." || segment == "..") return {};
    out.push_back(std::move(segment));
    begin = end + 1;
  }
  return out;
}

bool OneOf(const std::string& text, std::initializer_list<const char*> list) {
  return std::any_of(list.begin(), list.end(), [&](const char* item) { return text == item; });
}

Route PodRoute(const std::string& method, const std::vector<std::string>& s) {
  Route route;
  const std::string& what = s[0];
  bool forward = what == "portForward";
  size_t least = forward ? 3 : 4;
  bool no_uid = what == "containerLogs" || what == "checkpoint";
  if (s.size() < least || s.size() > least + 1 || (no_uid && s.size() != least)) return route;
  route.pod.namespace_ = s[1];
  route.pod.name = s[2];
  if (s.size() > least) route.pod.uid = s[3];
  if (!forward) route.container = s.back();
  bool get = method == "GET", post = method == "POST";
  bool only_post = what == "run" || what == "checkpoint";
  bool allowed = what == "containerLogs" ? get : only_post ? post : get || post;
  if (!allowed) {
    route.endpoint = Endpoint::kWrongMethod;
  } else if (what == "containerLogs") {
    route.endpoint = Endpoint::kLogs;
  } else if (what == "run") {
    route.endpoint = Endpoint::kRun;
  } else if (what == "checkpoint") {
    route.endpoint = Endpoint::kCheckpoint;
  } else if (forward) {
    route.endpoint = Endpoint::kPortForward;
  } else {
    route.endpoint = what == "exec" ? Endpoint::kExec : Endpoint::kAttach;
  }
  return route;
}

std::string Rest(const std::vector<std::string>& s, size_t from) {
  std::string out;
  for (size_t i = from; i < s.size(); ++i) out += (out.empty() ? "" : "/") + s[i];
  return out;
}

// /logs/, /debug/... and the pages about the process: those behind switches of their own.
Route SwitchedRoute(const std::string& method, const std::vector<std::string>& s,
                    const Handlers& on) {
  Route route;
  auto set = [&](bool enabled, Endpoint endpoint, const char* off, bool right_method) {
    route.endpoint = !enabled        ? Endpoint::kDisabled
                     : right_method ? endpoint
                                    : Endpoint::kWrongMethod;
    if (!enabled) route.rest = off;
  };
  bool get = method == "GET";
  if (s[0] == "logs") {
    route.rest = Rest(s, 1);
    set(on.system_logs, Endpoint::kNodeLogs, "logs endpoint is disabled.\n", get);
  } else if (s[0] == "debug" && s.size() > 1 && s[1] == "pprof") {
    route.rest = Rest(s, 2);
    set(on.profiling, Endpoint::kProfile, "profiling endpoint is disabled.\n", get);
  } else if (s.size() == 3 && s[0] == "debug" && s[1] == "flags" && s[2] == "v") {
    set(on.debug_flags, Endpoint::kVerbosity, "flags endpoint is disabled.\n", true);
  } else if (s.size() == 1 && ((s[0] == "flagz" && on.flagz) || (s[0] == "statusz" && on.statusz))) {
    route.endpoint = Endpoint::kDocument;
  }
  return route;
}

}  // namespace

Route RouteOf(const std::string& method, const std::string& path, const Handlers& on) {
  Route route;
  auto s = Segments(path);
  if (s.empty()) return route;
  bool debugging = OneOf(s[0], {"run", "exec", "attach", "portForward", "containerLogs",
                                "runningpods", "logs"}) ||
                   (s[0] == "debug" && s.size() > 1 && s[1] == "pprof");
  if (debugging && !on.debugging) {
    route.endpoint = Endpoint::kDisabled;
    route.rest = "Debug endpoints are disabled.\n";
    return route;
  }
  if (OneOf(s[0], {"run", "exec", "attach", "portForward", "containerLogs"}))
    return PodRoute(method, s);
  if (!on.debugging && OneOf(s[0], {"configz", "checkpoint", "debug", "flagz", "statusz"}))
    return route;
  if (s[0] == "checkpoint" && on.checkpoint) return PodRoute(method, s);
  if (OneOf(s[0], {"logs", "debug", "flagz", "statusz"})) return SwitchedRoute(method, s, on);
  bool document = s[0] == "healthz" ||
                  (s.size() == 1 && OneOf(s[0], {"pods", "runningpods", "configz"}));
  bool summary = s[0] == "stats" && s.size() == 2 && s[1] == "summary";
  bool metrics =
      s[0] == "metrics" &&
      (s.size() == 1 || (s.size() == 2 && OneOf(s[1], {"cadvisor", "resource", "probes", "slis"})));
  if (metrics || summary) {
    bool allowed = metrics || method == "GET" || method == "POST";
    route.endpoint = allowed ? Endpoint::kLateDocument : Endpoint::kWrongMethod;
  } else if (document) {
    bool any = s[0] == "healthz" || s[0] == "configz";
    route.endpoint = any || method == "GET" ? Endpoint::kDocument : Endpoint::kWrongMethod;
  }
  return route;
}

}  // namespace kubelet::server
