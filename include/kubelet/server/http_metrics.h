// What Prometheus sees of the HTTP servers: kubelet_http_requests_total, _duration_seconds and
// kubelet_http_inflight_requests, with the labels and buckets of pkg/kubelet/server/server.go and
// server/metrics/metrics.go of 1.36. One object per server, on that server's loop.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "kubelet/base/metrics.h"

namespace kubelet::server {

// `metrics/cadvisor` for that, the first part of any other known path, else `other`. Pure.
std::string MetricPath(const std::string& path);

class HttpMetrics {
 public:
  // `server_type`: readwrite or readonly. Null registry: nothing is counted.
  HttpMetrics(base::Registry* registry, std::string server_type);

  // One request, from its head to the end of its answer.
  class Request {
   public:
    Request(HttpMetrics& metrics, const std::string& method, const std::string& path);
    ~Request();
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;

   private:
    HttpMetrics& metrics_;
    base::LabelValues labels_;
    std::chrono::steady_clock::time_point begun_;
  };
  void CountWebSocket(const std::string& subresource);

 private:
  std::string server_type_;
  base::Family<base::Counter>* requests_ = nullptr;
  base::Family<base::Counter>* websockets_ = nullptr;
  base::Family<base::Histogram>* seconds_ = nullptr;
  base::Family<base::Gauge>* inflight_ = nullptr;
  std::map<base::LabelValues, int> under_way_;
};

}  // namespace kubelet::server
