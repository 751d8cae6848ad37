#include "app/kubelet.h"

#include <sys/resource.h>
#include <unistd.h>

#include <iostream>

#include "app/memory.h"
#include "app/node_options.h"
#include "app/own_group.h"
#include "app/sync_options.h"
#include "app/tune_kernel.h"
#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/file.h"

namespace kubelet::app {

using base::Message;
using base::Task;
using std::chrono::seconds;

namespace {

base::Nanos ToNanos(const api::meta::Duration& d) { return base::Nanos(d.duration()); }

std::string StaticPodSources(const config::LoadedConfig& config) {
  std::string out = config.kubelet.static_pod_path();
  if (!config.kubelet.static_pod_url().empty())
    out += (out.empty() ? "" : ", ") + config.kubelet.static_pod_url();
  return out.empty() ? "none" : out;
}

void RaiseFileLimit(int64_t files) {
  auto wanted = static_cast<rlim_t>(files);
  rlimit limit{wanted, wanted};
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
  // Without CAP_SYS_RESOURCE the hard limit stays; take what it allows.
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = std::min(wanted, limit.rlim_max);
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  LOG_V(1, "Cannot set maxOpenFiles", "wanted", files, "got", limit.rlim_cur);
}

// How long statuses wait for the node's name to be resolved; then the guess from the routes counts.
constexpr auto kAddressPatience = seconds(3);

// What upstream's setupDataDirs makes; the server's socket and the checkpoints need the first.
absl::Status MakeDataDirectories(const std::string& root) {
  for (const char* part : {"", "/pods", "/plugins", "/plugins_registry", "/pod-resources"}) {
    auto made = os::MakeDirectories(root + part, 0750);
    if (!made.ok()) return base::Annotate(made, "--root-dir");
  }
  // What is in the memory of containers is nobody else's business.
  return base::Annotate(os::MakeDirectories(root + "/checkpoints", 0700), "--root-dir");
}

}  // namespace

Kubelet::Kubelet(config::LoadedConfig config, std::vector<std::string> args)
    : config_(std::move(config)),
      args_(std::move(args)),
      pool_(io_.get_executor(), clock_, {}),
      signal_set_(io_),
      scope_(io_.get_executor()) {}

Kubelet::~Kubelet() = default;

int Kubelet::Run() {
  base::SetLogOptions(config::LoggingOptions(config_.kubelet));
  LOG_INFO("Starting kubelet", "version", config::OwnVersion(), "staticPods",
           StaticPodSources(config_));
  for (const auto& warning : config_.warnings) LOG_WARNING("Configuration", "warning", warning);
  if (!config_.unsupported.empty()) {
    std::string list;
    for (const auto& name : config_.unsupported) list += (list.empty() ? "" : ", ") + name;
    LOG_WARNING("These options are accepted, but what they ask for is not built yet", "options",
                list);
  }
  LOG_V(2, "Effective configuration", "config", config::DumpEffective(config_));
  auto usable = InspectMachine(config_, node_);
  if (usable.ok()) usable = FindWatchdog();
  if (usable.ok()) usable = TakeLock();
  if (usable.ok()) usable = TuneKernel(config_);
  if (usable.ok()) JoinOwnGroup(config_, node_);
  if (usable.ok()) usable = MakeDataDirectories(config_.flags.root_dir);
  if (usable.ok()) ShareRoot();
  if (usable.ok()) usable = MakeRuntime();
  if (!usable.ok()) {
    LOG_ERROR("Cannot run on this machine with this configuration", "err", usable);
    std::cerr << "error: " << Message(usable) << "\n";
    return 1;
  }
  RaiseFileLimit(config_.kubelet.max_open_files());
  AddProcessMetrics(metrics_, node_.name);
  MakePlugins();
  if (Cluster::Configured(config_)) MakeCluster();
  MakeStaticObjects();
  if (auto made = MakeImages(); !made.ok()) {
    std::cerr << "error: " << Message(made) << "\n";
    return 1;
  }
  if (auto made = MakeResources(); !made.ok()) {
    LOG_ERROR("Cannot hand out CPUs and memory here", "err", made);
    std::cerr << "error: " << Message(made) << "\n";
    return 1;
  }
  MakePods();
  MakeSources();
  auto reserved =
      node::ValidateReservation(MachineFacts(config_, node_), MakeNodeOptions(config_, node_));
  if (!reserved.ok()) {
    std::cerr << "error: " << Message(reserved) << "\n";
    return 1;
  }
  MakeLogs();
  MakeReload();
  StartServers();
  signal_set_.add(SIGHUP);
  signal_set_.add(SIGTERM);
  signal_set_.add(SIGINT);
  OnSignal();
  scope_.Spawn("runtime watch", WatchRuntime());
  scope_.Spawn("node addresses", FindAddresses());
  clock_.After(kAddressPatience, [this] { SettleAddresses(); });
  scope_.Spawn("housekeeping", housekeeping_->Run());
  StartEvictions();
  shutdown_->Start();
  if (cluster_) {
    scope_.Spawn("image list", WatchImages());
    cluster_->Start();
  }
  if (static_objects_) static_objects_->local().Start();
  scope_.Spawn("volumes found", adapters_->pod_volumes().CountFound());
  if (cluster_ || static_objects_) scope_.Spawn("volume refresh", RefreshVolumes());
  WatchHost();
  plugins_->Start();
  pleg_->Start();
  logs_->Start();
  reload_->Start();
  image_gc_->Start();
  for (auto& source : sources_) source->Start();
  TellServiceManager();
  io_.run();
  LOG_INFO("Kubelet ends; its pods run on");
  // Coroutines in flight are not unwound: nothing of theirs outlives the process but what the
  // runtime holds.
  std::cout.flush();
  _exit(0);
}

void Kubelet::OnSignal() {
  signal_set_.async_wait([this](boost::system::error_code ec, int number) {
    if (ec) return;
    if (number == SIGHUP) {
      reload_->Trigger();
      OnSignal();
      return;
    }
    if (++signals_ > 1) _exit(1);
    LOG_INFO("Received signal; ending", "signal", number);
    NotifyServiceManager("STOPPING=1");
    for (auto& server : servers_) server->Stop();
    if (https_) https_->Stop();
    OnSignal();
    io_.stop();
  });
}

absl::Status Kubelet::MakeRuntime() {
  auto& operations = metrics_.AddCounter(
      "kubelet_runtime_operations_total",
      "Cumulative number of runtime operations by operation type.", {"operation_type"});
  auto& errors = metrics_.AddCounter(
      "kubelet_runtime_operations_errors_total",
      "Cumulative number of runtime operation errors by operation type.", {"operation_type"});
  auto& took_seconds = metrics_.AddHistogram(
      "kubelet_runtime_operations_duration_seconds",
      "Duration in seconds of runtime operations. Broken down by operation type.",
      base::ExponentialBuckets(.005, 2.5, 14), {"operation_type"});
  cri::Options options;
  options.endpoint = config_.kubelet.container_runtime_endpoint();
  options.image_endpoint = config_.kubelet.image_service_endpoint();
  options.request_timeout = ToNanos(config_.kubelet.runtime_request_timeout());
  options.list_streaming = config_.gates.Enabled("CRIListStreaming");
  options.observer = [&](const std::string& operation, base::Nanos took,
                         const absl::Status& status) {
    operations.With({operation}).Add();
    took_seconds.With({operation}).Observe(std::chrono::duration<double>(took).count());
    if (!status.ok()) errors.With({operation}).Add();
  };
  auto connection = cri::CriConnection::Create(io_.get_executor(), clock_, std::move(options));
  if (!connection.ok()) return base::Annotate(connection.status(), "containerRuntimeEndpoint");
  connection_ = *std::move(connection);
  runtime_ = std::make_unique<cri::GrpcContainerRuntime>(*connection_);
  images_ = std::make_unique<cri::GrpcImageService>(*connection_);
  driver_choice_ = std::make_unique<DriverChoice>(*runtime_, node_.cgroup_driver, metrics_);
  return absl::OkStatus();
}

void Kubelet::MakePods() {
  const auto& kc = config_.kubelet;
  auto executor = io_.get_executor();
  pleg_ = std::make_unique<pleg::Pleg>(pleg::Pleg::Deps{executor, clock_, *runtime_,
                                                        [this](const std::string& uid) {
                                                          manager_->OnObserved(uid);
                                                          OnPodChange(uid);
                                                        },
                                                        [this] {
                                                          manager_->OnSynced();
                                                          for (const auto& pod : store_->All())
                                                            OnPodChange(pod->metadata().uid());
                                                          SyncMirrors();
                                                          if (cluster_) cluster_->agent().Poke();
                                                          resources_->Look();
                                                          TrimSoon();
                                                        },
                                                        &metrics_},
                                       pleg::Pleg::Options{});

  MakeProbes();
  adapters_ = std::make_unique<Adapters>(
      NodeCgroups::Deps{
          executor, clock_, pool_, config_, node_, [this] { return BurstableCpu(); },
          [this] { return store_->AllComplete(); },
          [this](bool warning, const std::string& reason, const std::string& message) {
            if (cluster_) cluster_->RecordNodeEvent(warning, reason, message);
          },
          [this](const api::core::Pod& pod) {
            return resources_->NoCpuQuota(pod.metadata().uid());
          },
          [this] {
            if (cluster_) cluster_->agent().Poke();
          }},
      VolumeSources{cluster_.get(), static_objects_.get()}, [this] { return Allocatable(); },
      [this](runtime::DnsConfig dns) { node_.context.host_dns = std::move(dns); },
      HooksOfVolumes());
  cgroups_ = std::make_unique<MeteredCgroups>(adapters_->cgroups(), clock_, metrics_);
  MakeResizes();
  syncer_ = std::make_unique<runtime::PodSyncer>(
      runtime::PodSyncer::Deps{executor, clock_, *runtime_, *pleg_, *image_manager_,
                               adapters_->volumes(), *cgroups_, adapters_->files(),
                               node_.context,
                               [this] { return node_.network_ready || node_.runtime_name.empty(); },
                               [this](const auto& pod, const auto& event) { OnEvent(pod, event); },
                               &metrics_, cluster_.get(), probes_.get(), hook_http_.get(),
                               &adapters_->user_namespaces(), resizes_.get(),
                               resizes_->options(), static_objects_.get(),
                               resources_->pinning(), plugins_.get(),
                               [this] { return Allocatable(); }},
      SyncOptions(config_, node_.machine.cpus));
  syncer_port_ = std::make_unique<SyncerPort>(
      *syncer_, *resizes_, plugins_->devices(),
      [this](const std::string& uid) { image_manager_->ForgetPod(uid); },
      [this](const api::PodPtr& pod, const std::string& why) { RefuseDevices(pod, why); });

  admission_ = std::make_unique<NodeAdmission>(NodeAdmission::Deps{
      clock_, config_, node_, cluster_.get(), [this] { return workers_->Active(); },
      [this] { return evictions_->pressures(); }, [this] { return shutdown_->shutting_down(); },
      [this](const api::PodPtr& pod) { return resizes_->allocations().Allocated(pod); },
      [this](const api::core::Pod& pod) { return resources_->Assign(pod); },
      [this](const std::string& uid) { resources_->Unassign(uid); }, &plugins_->devices()});

  std::set<std::string> sources;
  if (!kc.static_pod_path().empty()) sources.insert("file");
  if (!kc.static_pod_url().empty()) sources.insert("http");
  if (cluster_) sources.insert(source::kApiSource);
  store_ = std::make_unique<podstore::PodStore>(sources);
  worker::PodWorkers::Options worker_options;
  worker_options.resync = ToNanos(kc.sync_frequency());
  worker::PodWorkers::Deps worker_deps{executor, clock_,  *syncer_port_, nullptr,
                                       nullptr,  nullptr, &metrics_};
  worker_deps.on_change = [this](const std::string& uid) { OnPodChange(uid); };
  worker_deps.on_finished = [this](const std::string& uid) {
    resizes_->allocations().Ended(uid);
    resources_->Release(uid);
    plugins_->devices().Release(uid);
    evictions_->PodGone(uid);
    shutdown_->PodGone(uid);
    if (!cluster_) return;
    cluster_->PodFinished(uid);
    if (auto view = workers_->View(uid))
      cluster_->mirrors().Poke(view->name + "_" + view->namespace_);
  };
  worker_deps.on_forgotten = [this](const std::string& uid) {
    renewed_.erase(uid);
    if (cluster_) {
      cluster_->ForgetPod(uid);
      cluster_->statuses().Forget(uid);
    }
    resizes_->Forget(uid);
    resources_->Release(uid);
    plugins_->devices().Release(uid);
    statuses_->Forget(uid);
    OnPodChange(uid);
    manager_->OnWorkerForgotten(uid);
    TrimSoon();
  };
  worker_deps.started_at = [this](const api::core::Pod& pod) { return statuses_->StartedAt(pod); };
  worker_deps.on_event = [this](const auto& pod, const auto& event) { OnEvent(pod, event); };
  workers_ = std::make_unique<worker::PodWorkers>(std::move(worker_deps), worker_options);
  manager_ = std::make_unique<worker::PodManager>(worker::PodManager::Deps{
      *store_, *workers_, [this] { return pleg_->All(); },
      [this](const auto& pod, const auto& event) { OnEvent(pod, event); },
      [this](const auto& pod) { return Judge(pod); }, &metrics_,
      [this](const api::PodPtr& pod) {
        resizes_->allocations().Admitted(pod);
        resources_->Admitted(*resizes_->allocations().Allocated(pod));
      }});
  if (cluster_) {
    admission_->DoubtLabels(std::make_unique<NodeLook>(executor, cluster_->api(), node_.name,
                                                       [this] { manager_->JudgeAgain(); }));
  }
  statuses_ = std::make_unique<StatusCache>(StatusCache::Deps{
      executor, clock_, pool_, *pleg_, *workers_, *probes_,
      [this](const std::string& uid) { return store_->Get(uid); },
      [this] { return node_.runtime_name; }, [this] { return node_.context.host_ips; }, &metrics_,
      [this](const std::string& uid) { OnStatus(uid); },
      config_.gates.Enabled("ContainerStopSignals"), resizes_.get(),
      [this](const std::string& uid, const std::string& container) {
        return ResourceHealth(uid, container);
      },
      [this](const api::core::Pod& pod, const std::string& message) {
        OnEvent(pod, {true, "HostIPsIPFamilyMismatch", message, ""}, {});
      }});
  housekeeping_ = std::make_unique<Housekeeping>(Housekeeping::Deps{
      clock_, pool_, *adapters_, volume::PodDirs{config_.flags.root_dir, kc.pod_logs_dir()},
      [this] { return LivePods(); }, [this] { return pleg_->All(); }, &metrics_});
  MakeStats();
  MakeEvictions();
  MakeShutdown();
  api_ = std::make_unique<LocalApi>(
      LocalApi::Deps{clock_, *store_, *workers_, *pleg_, *statuses_,
                     [this] { return Problems(); }, [this] { return node_.runtime_health; },
                     [this] { return ExplainNode() + (cluster_ ? cluster_->Problems() : std::string()); },
                     [this] { return config::DumpEffective(config_); },
                     [this](const std::string& uid) { return ExplainVolumes(uid); }});
}

void Kubelet::OnPodChange(const std::string& uid) {
  FollowProbes(uid);
  statuses_->Update(uid);
  if (https_) https_->PodChanged(uid);
  if (logs_) logs_->PodChanged(uid);
  TrimSoon();
}

void Kubelet::OnEvent(const api::core::Pod& pod, const runtime::PodEvent& event,
                      const runtime::StringMap& annotations) {
  if (event.about_node) return OnNodeEvent(event);
  if (event.warning) {
    LOG_WARNING("Event", "pod", api::PodKey(pod), "podUID", pod.metadata().uid(), "container",
                event.container, "reason", event.reason, "message", event.message);
  } else {
    LOG_V(1, "Event", "pod", api::PodKey(pod), "podUID", pod.metadata().uid(), "container",
          event.container, "reason", event.reason, "message", event.message);
  }
  if (cluster_) cluster_->RecordEvent(pod, event, annotations);
}

void Kubelet::MakeHttps() {
  SecurePort::Deps deps{io_.get_executor(), clock_, pool_,      config_, node_,
                        metrics_,           *pleg_, *runtime_, *store_};
  deps.status = [this](const std::string& uid) { return statuses_->Get(uid); };
  deps.documents = [this](const server::Request& request) { return AnswerSecure(request); };
  deps.checkpoint = [this](runtime::ContainerId id, std::string path, std::chrono::seconds timeout) {
    return runtime_->CheckpointContainer(std::move(id), std::move(path), timeout);
  };
  deps.late = [this](server::Request request) { return stats_->Answer(std::move(request)); };
  if (cluster_) {
    deps.api = &cluster_->api();
    deps.certificate = &cluster_->serving();
    deps.mirror_uid = [this](const api::core::Pod& pod) { return cluster_->mirrors().ShownAs(pod); };
  }
  https_ = std::make_unique<SecurePort>(std::move(deps));
  https_->Start();
}

void Kubelet::StartServers() {
  const auto& kc = config_.kubelet;
  MakeHealth();
  if (kc.enable_server()) MakeHttps();
  server::HttpServer::Options options;
  if (kc.healthz_port() > 0) {
    options.address = kc.healthz_bind_address();
    options.port = static_cast<uint16_t>(kc.healthz_port());
    Serve(
        options, [](const server::Request& r) { return AnswerPing(r); }, "healthz");
  }
  if (kc.read_only_port() > 0) {
    options.address = kc.address();
    options.port = static_cast<uint16_t>(kc.read_only_port());
    options.posts = {"/stats/summary"};
    options.metrics = std::make_shared<server::HttpMetrics>(&metrics_, "readonly");
    Serve(
        options, [this](const server::Request& r) { return AnswerReadOnly(r); }, "read-only",
        stats_->Late());
  }
  options = {};
  options.unix_path = config_.flags.root_dir + "/kubelet.sock";
  Serve(
      options, [this](const server::Request& r) { return AnswerLocal(r); }, "local",
      stats_->Late());
}

void Kubelet::Serve(server::HttpServer::Options options, server::Handler handler,
                    const char* what, server::LateHandler late) {
  servers_.push_back(std::make_unique<server::HttpServer>(io_, clock_, std::move(options),
                                                          std::move(handler), std::move(late)));
  auto status = servers_.back()->Start();
  if (status.ok()) return;
  LOG_ERROR("Cannot listen; will retry", "server", what, "err", status);
  scope_.Spawn(std::string("listen ") + what, ListenAgain(servers_.back().get(), what));
}

// The port of a kubelet that is just ending, or an address that comes up later.
Task<void> Kubelet::ListenAgain(server::HttpServer* server, const char* what) {
  for (;;) {
    co_await base::SleepFor(clock_, seconds(1));
    if (server->Start().ok()) break;
  }
  LOG_INFO("Listening at last", "server", what);
}

// Bursts of work leave holes in the heap and warm code behind; a process that then idles gives them
// back.
void Kubelet::TrimSoon() {
  if (trim_scheduled_) return;
  trim_scheduled_ = true;
  clock_.After(seconds(4), [this] {
    trim_scheduled_ = false;
    GiveBackMemory(giving_back_, clock_.Mono());
  });
}

}  // namespace kubelet::app
