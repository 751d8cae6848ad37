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
  if (s.size() < least || s.size() > least + 1 || (what == "containerLogs" && s.size() != 4))
    return route;
  route.pod.namespace_ = s[1];
  route.pod.name = s[2];
  if (s.size() > least) route.pod.uid = s[3];
  if (!forward) route.container = s.back();
  bool get = method == "GET", post = method == "POST";
  bool allowed = what == "containerLogs" ? get : what == "run" ? post : get || post;
  if (!allowed) {
    route.endpoint = Endpoint::kWrongMethod;
  } else if (what == "containerLogs") {
    route.endpoint = Endpoint::kLogs;
  } else if (what == "run") {
    route.endpoint = Endpoint::kRun;
  } else if (forward) {
    route.endpoint = Endpoint::kPortForward;
  } else {
    route.endpoint = what == "exec" ? Endpoint::kExec : Endpoint::kAttach;
  }
  return route;
}

}  // namespace

Route RouteOf(const std::string& method, const std::string& path, bool debugging_handlers) {
  Route route;
  auto s = Segments(path);
  if (s.empty()) return route;
  bool debugging = OneOf(s[0], {"run", "exec", "attach", "portForward", "containerLogs",
                                "runningpods", "logs"}) ||
                   (s[0] == "debug" && s.size() > 1 && s[1] == "pprof");
  if (debugging && !debugging_handlers) {
    route.endpoint = Endpoint::kDisabled;
    return route;
  }
  if (OneOf(s[0], {"run", "exec", "attach", "portForward", "containerLogs"}))
    return PodRoute(method, s);
  if (!debugging_handlers && OneOf(s[0], {"configz", "checkpoint", "debug", "flagz", "statusz"}))
    return route;
  bool document = s[0] == "healthz" ||
                  (s.size() == 1 && OneOf(s[0], {"pods", "runningpods", "configz"}));
  bool later = OneOf(s[0], {"logs", "checkpoint", "debug", "flagz", "statusz"});
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
  } else if (later) {
    route.endpoint = Endpoint::kNotBuilt;
  }
  return route;
}

}  // namespace kubelet::server
