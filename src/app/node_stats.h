// Where /metrics and what is below it, and /stats/summary, get their answers from: the statistics,
// the registry of counters, and gauges that are filled in when somebody looks. Core loop only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/node.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/metrics.h"
#include "kubelet/cri/container_stats.h"
#include "kubelet/image/image_list.h"
#include "kubelet/pleg/pleg.h"
#include "kubelet/podstore/pod_store.h"
#include "kubelet/server/http_server.h"
#include "kubelet/stats/stats.h"
#include "kubelet/worker/pod_workers.h"

namespace kubelet::app {

// kubernetes.io/empty-dir and the like, of the kinds that live and die with their pod, and of host
// paths; empty for others.
std::string VolumePlugin(const api::core::Volume& volume);

class NodeStats {
 public:
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    const config::LoadedConfig& config;
    const Node& node;
    base::Registry& metrics;
    const cri::CriConnection& connection;
    runtime::ImageService& images;
    const image::ImageList& image_list;
    const pleg::Pleg& pleg;
    const podstore::PodStore& store;
    const worker::PodWorkers& workers;
    std::function<std::string()> pods_cgroup;
    decltype(stats::Stats::Deps::own_volumes) own_volumes;
  };
  explicit NodeStats(Deps deps);

  stats::Stats& stats() { return *stats_; }
  // These paths are answered here.
  static bool Answers(const std::string& path);
  base::Task<server::Response> Answer(server::Request request);
  // The same for servers that take callbacks.
  server::LateHandler Late();
  // A health check was made (/metrics/slis).
  void Checked(const std::string& name, bool ok);
  // A source wants a pod that it did not want before.
  void PodAdded(const api::core::Pod& pod);

 private:
  base::Task<void> Respond(server::Request request, std::function<void(server::Response)> respond);
  server::Response Registry(base::MetricForm form);
  server::Response Probes(base::MetricForm form);
  server::Response Slis(const server::Request& request, base::MetricForm form);
  void AddFamilies();
  void AddHealth();
  void Fill();
  void FillPods();
  void FillVolumes();
  stats::Stats::Deps StatsDeps();
  stats::Stats::Options StatsOptions() const;
  std::vector<stats::PodInput> Pods() const;

  Deps deps_;
  std::unique_ptr<base::Registry> health_;
  cri::GrpcContainerStats runtime_stats_;
  base::Family<base::Gauge>* check_ = nullptr;
  base::Family<base::Counter>* checks_ = nullptr;
  struct Gauges;
  std::shared_ptr<Gauges> gauges_;
  std::unique_ptr<stats::Stats> stats_;
  base::TaskScope scope_;
};

}  // namespace kubelet::app
