// The whole program: makes every room's objects, connects them, starts and stops them in order. No
// policy.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "app/adapters.h"
#include "app/cluster.h"
#include "app/driver_choice.h"
#include "app/eviction_host.h"
#include "app/health_checks.h"
#include "app/housekeeping.h"
#include "app/local_api.h"
#include "app/memory.h"
#include "app/memory_alarm.h"
#include "app/metered.h"
#include "app/node.h"
#include "app/node_admission.h"
#include "app/node_resources.h"
#include "app/node_stats.h"
#include "app/plugins.h"
#include "app/pod_resizes.h"
#include "app/reload.h"
#include "app/secure_port.h"
#include "app/static_objects.h"
#include "app/status_cache.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/metrics.h"
#include "kubelet/config/config.h"
#include "kubelet/cri/connection.h"
#include "kubelet/cri/container_runtime.h"
#include "kubelet/cri/image_service.h"
#include "kubelet/gc/log_rotator.h"
#include "kubelet/image/image_gc.h"
#include "kubelet/image/image_list.h"
#include "kubelet/image/image_manager.h"
#include "kubelet/node/shutdown.h"
#include "kubelet/os/host_chains.h"
#include "kubelet/os/lock_file.h"
#include "kubelet/os/watchdog.h"
#include "kubelet/pleg/pleg.h"
#include "kubelet/podstore/pod_store.h"
#include "kubelet/probe/network_prober.h"
#include "kubelet/probe/probe_manager.h"
#include "kubelet/runtime/pod_syncer.h"
#include "kubelet/server/http_metrics.h"
#include "kubelet/server/http_server.h"
#include "kubelet/source/source.h"
#include "kubelet/worker/pod_manager.h"
#include "kubelet/worker/pod_workers.h"

namespace kubelet::app {

class Kubelet {
 public:
  // `args`: the command line, for reading the configuration again.
  explicit Kubelet(config::LoadedConfig config, std::vector<std::string> args = {});
  ~Kubelet();

  // Runs until a signal; the exit code. A configuration that cannot work here ends it at once with
  // a message.
  int Run();

 private:
  absl::Status MakeRuntime();
  absl::Status MakeImages();
  void MakePods();
  void MakePlugins();
  void RefuseDevices(const api::PodPtr& pod, const std::string& why);
  std::vector<api::core::ResourceStatus> ResourceHealth(const std::string& uid,
                                                        const std::string& container) const;
  void MakeResizes();
  absl::Status MakeResources();
  bool GivesWay(const std::string& uid, const api::core::Pod& to) const;
  worker::Judgement Judge(const api::core::Pod& pod);
  void MakeSources();
  void MakeProbes();
  void FollowProbes(const std::string& uid);
  void OnSnapshot(const source::Snapshot& snapshot);
  bool MayRun(const api::core::Pod& pod) const;
  void StartServers();
  void MakeHttps();
  void MakeHealth();
  void MakeReload();
  void MakeLogs();
  gc::LogPolicy LogPolicy() const;
  server::Response AnswerSecure(const server::Request& request);
  server::Response AnswerReadOnly(const server::Request& request);
  server::Response AnswerLocal(const server::Request& request);
  void MakeStats();
  void MakeEvictions();
  void StartEvictions();
  void MakeShutdown();
  std::vector<MemoryAlarm::Limit> MemoryLimits() const;
  std::string ExplainNode() const;
  void Serve(server::HttpServer::Options options, server::Handler handler, const char* what,
             server::LateHandler late = {});
  base::Task<void> WatchRuntime();
  base::Task<void> FindAddresses();
  std::string CgroupTrouble() const;
  int64_t BurstableCpu() const;
  std::optional<std::set<std::string>> LivePods() const;
  base::Task<void> ListenAgain(server::HttpServer* server, const char* what);
  void MakeCluster();
  base::Task<node::NodeFacts> Facts();
  base::Task<void> WatchImages();
  std::optional<image::UsedImages> UsedImages() const;
  base::Task<absl::StatusOr<image::DiskSpace>> DiskSpaceOf(std::string path);
  base::Task<void> RefreshVolumes();
  base::Task<void> RefreshVolumesOf(api::PodPtr pod);
  void RenewVolumes(const api::PodPtr& pod);
  void ShareRoot();
  VolumeHooks HooksOfVolumes();
  std::vector<std::string> ExplainVolumes(const std::string& uid) const;
  base::Task<std::vector<stats::OwnVolume>> OwnVolumes(api::PodPtr pod);
  void TakeAddresses(absl::StatusOr<std::vector<std::string>> found);
  void SettleAddresses();
  void UseHostIps();
  std::vector<std::string> OwnAddresses() const;
  void OnObjectChange(const std::string& namespace_, const std::string& name);
  void MakeStaticObjects();
  api::NodeAllocatable Allocatable() const;
  void OnLocalObjectChange(const std::string& namespace_, const std::string& name);
  bool Ending(const std::string& full_name) const;
  void SyncMirrors();
  void OnStatus(const std::string& uid);
  void OnPodChange(const std::string& uid);
  void OnEvent(const api::core::Pod& pod, const runtime::PodEvent& event,
               const runtime::StringMap& annotations = {});
  void OnNodeEvent(const runtime::PodEvent& event);
  void WatchHost();
  absl::Status FindWatchdog();
  absl::Status TakeLock();
  void TellServiceManager();
  std::vector<SourceProblem> Problems() const;
  void TrimSoon();
  void OnSignal();

  config::LoadedConfig config_;
  std::vector<std::string> args_;
  boost::asio::io_context io_{1};
  base::RealClock clock_{io_};
  base::Registry metrics_;
  base::BlockingPool pool_;
  Node node_;
  bool trim_scheduled_ = false;
  GivingBack giving_back_;
  std::string own_pod_cidr_;  // podCIDR of the configuration, until it is told or the Node has one
  int signals_ = 0;
  base::WallTime started_{};
  base::MonoTime healthy_{};  // when pods could last be worked on; zero: not yet
  boost::asio::signal_set signal_set_;

  std::unique_ptr<cri::CriConnection> connection_;
  std::unique_ptr<cri::GrpcContainerRuntime> runtime_;
  std::unique_ptr<cri::GrpcImageService> images_;
  std::unique_ptr<DriverChoice> driver_choice_;
  std::unique_ptr<pleg::Pleg> pleg_;
  std::unique_ptr<Plugins> plugins_;
  std::unique_ptr<Cluster> cluster_;  // null: standalone
  std::unique_ptr<StaticObjects> static_objects_;  // null: no --local-objects-dir
  std::unique_ptr<image::ImageList> image_list_;
  std::unique_ptr<image::ImageManager> image_manager_;
  std::unique_ptr<image::ImageGc> image_gc_;
  std::unique_ptr<probe::ContainerProcesses> processes_;
  std::unique_ptr<probe::NetworkProber> prober_;
  std::unique_ptr<probe::ProbeManager> probes_;
  std::unique_ptr<runtime::HookHttp> hook_http_;
  std::unique_ptr<NodeResources> resources_;
  std::unique_ptr<Adapters> adapters_;
  std::unique_ptr<MeteredCgroups> cgroups_;
  std::unique_ptr<NodeAdmission> admission_;
  std::unique_ptr<PodResizes> resizes_;
  std::unique_ptr<runtime::PodSyncer> syncer_;
  std::unique_ptr<SyncerPort> syncer_port_;
  std::unique_ptr<podstore::PodStore> store_;
  std::unique_ptr<worker::PodWorkers> workers_;
  std::unique_ptr<worker::PodManager> manager_;
  std::unique_ptr<StatusCache> statuses_;
  std::unique_ptr<Housekeeping> housekeeping_;
  std::unique_ptr<NodeStats> stats_;
  std::unique_ptr<EvictionHost> eviction_host_;
  std::unique_ptr<eviction::Evictions> evictions_;
  std::unique_ptr<node::Shutdown> shutdown_;
  std::unique_ptr<MemoryAlarm> memory_alarm_;  // null: kernelMemcgNotification is off
  std::unique_ptr<LocalApi> api_;
  HealthChecks health_;
  std::unique_ptr<gc::LogRotator> logs_;
  std::unique_ptr<Reload> reload_;
  std::vector<std::unique_ptr<source::PodSource>> sources_;
  std::unique_ptr<source::PodSource> api_source_;  // null: standalone; the cluster starts it
  // uids of pods whose API volumes were brought up to date since this process runs, or are being.
  std::set<std::string> renewed_, renewing_;
  std::set<std::string> renew_again_;  // changed once more while it was being brought up to date
  std::vector<std::unique_ptr<server::HttpServer>> servers_;
  std::unique_ptr<SecurePort> https_;  // null: enableServer is off
  std::unique_ptr<os::HostChains> host_chains_;  // null: makeIPTablesUtilChains is off
  std::unique_ptr<os::LockFile> lock_file_;          // null: none is asked for
  std::optional<base::Nanos> watchdog_timeout_;  // nullopt: nobody watches
  std::unique_ptr<os::Watchdog> watchdog_;
  base::TaskScope scope_;
};

}  // namespace kubelet::app
