#include "kubelet/server/endpoint_reference.h"

#include "server/router.h"

namespace kubelet::server {
namespace {

struct Known {
  const char* ports;
  const char* path;
  const char* example;  // a path that the router understands; nullptr for what is not its business
  const char* methods;
  const char* permission;
  const char* remark;
};

constexpr char kMain[] = "main";
constexpr char kMainAndReadOnly[] = "main, read-only";

constexpr Known kEndpoints[] = {
    {"main, read-only, healthz", "/healthz", "/healthz", "GET", "healthz, proxy",
     "all checks; ?verbose, ?exclude=; 500 when the runtime is away for five minutes"},
    {"main, read-only, healthz", "/healthz/ping", "/healthz/ping", "GET", "healthz, proxy",
     "somebody listens"},
    {kMainAndReadOnly, "/healthz/{log,syncloop,device-plugin}", "/healthz/log", "GET",
     "healthz, proxy", "single checks"},
    {kMainAndReadOnly, "/pods", "/pods", "GET", "pods, proxy",
     "PodList of what is wanted, with its status"},
    {kMain, "/runningpods/", "/runningpods/", "GET", "pods, proxy",
     "PodList of what the runtime runs"},
    {kMainAndReadOnly, "/metrics", "/metrics", "GET", "metrics", "the kubelet's own metrics"},
    {kMainAndReadOnly, "/metrics/slis", "/metrics/slis", "GET", "metrics", "health as metrics"},
    {kMainAndReadOnly, "/metrics/cadvisor", "/metrics/cadvisor", "GET", "metrics",
     "metrics of containers"},
    {kMainAndReadOnly, "/metrics/resource", "/metrics/resource", "GET", "metrics",
     "CPU and memory of node, pods and containers"},
    {kMainAndReadOnly, "/metrics/probes", "/metrics/probes", "GET", "metrics", "metrics of probes"},
    {kMainAndReadOnly, "/stats/summary", "/stats/summary", "GET, POST", "stats", "Summary API"},
    {kMain, "/containerLogs/{namespace}/{pod}/{container}", "/containerLogs/n/p/c", "GET", "proxy",
     "PodLogOptions as query"},
    {kMain, "/exec/{namespace}/{pod}/[{uid}/]{container}", "/exec/n/p/c", "GET, POST", "proxy",
     "SPDY/3.1 and WebSocket"},
    {kMain, "/attach/{namespace}/{pod}/[{uid}/]{container}", "/attach/n/p/c", "GET, POST", "proxy",
     "SPDY/3.1 and WebSocket"},
    {kMain, "/portForward/{namespace}/{pod}[/{uid}]", "/portForward/n/p", "GET, POST", "proxy",
     "SPDY/3.1, WebSocket and tunnelled SPDY"},
    {kMain, "/run/{namespace}/{pod}/[{uid}/]{container}", "/run/n/p/c", "POST", "proxy",
     "?cmd=, answers with its output"},
    {kMain, "/checkpoint/{namespace}/{pod}/{container}", "/checkpoint/n/p/c", "POST", "checkpoint",
     "checkpoint of a container"},
    {kMain, "/configz", "/configz", "GET", "configz, proxy", "the configuration in force"},
    {kMain, "/logs/[{path}]", "/logs/", "GET", "log", "/var/log, and node log queries"},
    {kMain, "/debug/pprof/{profile}", "/debug/pprof/profile", "GET", "proxy", "profiles"},
    {kMain, "/debug/flags/v", "/debug/flags/v", "PUT", "proxy", "log verbosity"},
    {kMain, "/flagz", "/flagz", "GET", "configz", "flags in force"},
    {kMain, "/statusz", "/statusz", "GET", "statusz", "status of the program"},
    {"socket", "/local/pods", nullptr, "GET", "", "`kubelet pods`; mode 0600, so root only"},
    {"socket", "/local/explain", nullptr, "GET", "", "`kubelet explain`"},
    {"socket", "/local/config", nullptr, "GET", "", "`kubelet config status`"},
    {"gRPC", "<root-dir>/pod-resources/kubelet.sock", nullptr, "List, Get, GetAllocatableResources",
     "", "PodResourcesLister of v1, and List of v1alpha1; 100 calls a second"},
    {"gRPC", "<root-dir>/device-plugins/kubelet.sock", nullptr, "Register", "",
     "Registration of v1beta1, for device plugins; others put a socket into plugins_registry"},
};

// What the router does not know is 404.
const char* StateOf(const Known& known) {
  if (known.example == nullptr) return "works";
  std::string methods = known.methods;
  std::string first = methods.substr(0, methods.find(','));
  switch (RouteOf(first, known.example, {true}).endpoint) {
    case Endpoint::kNotFound:
    case Endpoint::kWrongMethod:
    case Endpoint::kDisabled:
      return "refused";
    default:
      return "works";
  }
}

}  // namespace

std::vector<EndpointRow> EndpointRows() {
  std::vector<EndpointRow> rows;
  for (const Known& known : kEndpoints) {
    EndpointRow row{known.ports,      known.path,     known.methods,
                    known.permission, StateOf(known), known.remark};
    if (row.state == "refused") row.remark += "; not built yet";
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string EndpointTable() {
  std::string out =
      "## Endpoints\n\n"
      "main: `port`, HTTPS, every request is authenticated and authorised by one of the "
      "subresources of `nodes`;\nread-only: `readOnlyPort`, plain, off by default; healthz: "
      "`healthzPort`, plain, of this machine; socket:\n`<root-dir>/kubelet.sock`; gRPC: a socket "
      "of its own, by the permissions of its file.\n\n"
      "| ports | path | methods | permission | state | remark |\n|---|---|---|---|---|---|\n";
  for (const auto& row : EndpointRows()) {
    out += "| " + row.ports + " | `" + row.path + "` | " + row.methods + " | " + row.permission +
           " | " + row.state + " | " + row.remark + " |\n";
  }
  return out;
}

}  // namespace kubelet::server
