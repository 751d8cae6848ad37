#include "kubelet/server/http_metrics.h"

#include <set>

namespace kubelet::server {
namespace {

const base::LabelValues kLabels = {"method", "path", "server_type", "long_running"};

std::string MethodBucket(const std::string& method) {
  static const std::set<std::string> known = {"OPTIONS", "GET",    "HEAD",  "POST",
                                              "PUT",     "DELETE", "TRACE", "CONNECT"};
  return known.contains(method) ? method : "other";
}

}  // namespace

std::string MetricPath(const std::string& path) {
  static const std::set<std::string> known = {
      "healthz",          "pods",          "stats",   "metrics", "metrics/cadvisor",
      "metrics/probes",   "run",           "exec",    "attach",  "portForward",
      "metrics/resource", "containerLogs", "configz", "debug",   "runningpods",
      "checkpoint",       "logs",          "flagz",   "statusz", "pprof"};
  size_t begin = path.rfind('/', 0) == 0 ? 1 : 0;
  size_t end = path.find('/', begin);
  std::string root = path.substr(begin, end - begin);
  if (root == "metrics" && end != std::string::npos) {
    size_t next = path.find('/', end + 1);
    root = path.substr(begin, next - begin);
  }
  return known.contains(root) ? root : "other";
}

HttpMetrics::HttpMetrics(base::Registry* registry, std::string server_type)
    : server_type_(std::move(server_type)) {
  if (registry == nullptr) return;
  requests_ = &registry->AddCounter("kubelet_http_requests_total",
                                    "Number of the http requests received since the server started",
                                    kLabels);
  seconds_ = &registry->AddHistogram("kubelet_http_requests_duration_seconds",
                                     "Duration in seconds to serve http requests",
                                     base::DefaultBuckets(), kLabels);
  inflight_ = &registry->AddGauge("kubelet_http_inflight_requests",
                                  "Number of the inflight http requests", kLabels);
  websockets_ = &registry->AddCounter(
      "kubelet_websocket_streaming_requests_total",
      "Total number of WebSocket streaming requests (exec/attach/portforward) received by the "
      "kubelet.",
      {"subresource"});
}

HttpMetrics::Request::Request(HttpMetrics& metrics, const std::string& method,
                              const std::string& path)
    : metrics_(metrics), begun_(std::chrono::steady_clock::now()) {
  if (metrics.requests_ == nullptr) return;
  std::string bucket = MetricPath(path);
  // Upstream's list, in which `portforward` matches no path.
  bool lasting = bucket == "exec" || bucket == "attach" || bucket == "debug";
  labels_ = {MethodBucket(method), bucket, metrics.server_type_, lasting ? "true" : "false"};
  metrics.requests_->With(labels_).Add();
  metrics.inflight_->With(labels_).Set(++metrics.under_way_[labels_]);
}

HttpMetrics::Request::~Request() {
  if (metrics_.requests_ == nullptr) return;
  metrics_.inflight_->With(labels_).Set(--metrics_.under_way_[labels_]);
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun_;
  metrics_.seconds_->With(labels_).Observe(took.count());
}

void HttpMetrics::CountWebSocket(const std::string& subresource) {
  if (websockets_ != nullptr) websockets_->With({subresource}).Add();
}

}  // namespace kubelet::server
