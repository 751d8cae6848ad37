#include "app/node_stats.h"

#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/cgroup_driver.h"
#include "kubelet/os/proc_stats.h"
#include "kubelet/resource/pod_cgroups.h"

namespace kubelet::app {

using base::Task;

namespace {

constexpr char kText[] = "text/plain; charset=utf-8";
constexpr char kJson[] = "application/json";

std::string WithoutSlash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// Upstream has these in a registry of their own.
bool OfProber(const std::string& name) { return name.rfind("prober_", 0) == 0; }

// What upstream's help texts begin with; what it does not have is no more stable than most.
std::string Stability(const std::string& name) {
  if (name.rfind("process_", 0) == 0 && name != "process_start_time_seconds") return "";
  if (name == "kubernetes_build_info" || name == "kubernetes_feature_enabled" ||
      name == "prober_probe_total" || name.rfind("kubelet_image_volume_", 0) == 0)
    return "[BETA] ";
  if (name.rfind("kubernetes_healthcheck", 0) == 0) return "[STABLE] ";
  if (name == "kubelet_first_network_pod_start_sli_duration_seconds") return "[INTERNAL] ";
  return "[ALPHA] ";
}

// Claims are asked for elsewhere.
std::vector<stats::VolumeDir> VolumesOf(const std::string& root, const api::core::Pod& pod) {
  std::vector<stats::VolumeDir> out;
  for (const auto& volume : pod.spec().volumes()) {
    std::string plugin = VolumePlugin(volume);
    const auto& source = volume.volume_source();
    if (plugin.empty() || source.has_host_path()) continue;
    plugin.replace(plugin.find('/'), 1, "~");  // as in the names of directories
    stats::VolumeDir dir;
    dir.name = volume.name();
    dir.path = root + "/pods/" + pod.metadata().uid() + "/volumes/" + plugin + "/" + volume.name();
    // pkg/volume/util IsLocalEphemeralVolume: what takes room on the node's disk.
    dir.ephemeral =
        source.has_config_map() || (source.has_empty_dir() && source.empty_dir().medium().empty());
    out.push_back(std::move(dir));
  }
  return out;
}

// The image that the runtime protects is that of sandboxes.
std::string SandboxImage(const image::ImagesPtr& images) {
  if (!images) return "";
  const runtime::Image* pinned = nullptr;
  for (const auto& image : *images) {
    if (!image.pinned) continue;
    if (pinned != nullptr) return "";
    pinned = &image;
  }
  if (pinned == nullptr) return "";
  return pinned->repo_tags.empty() ? pinned->id : pinned->repo_tags.front();
}

std::string SocketPath(const std::string& endpoint) {
  constexpr char kUnix[] = "unix://";
  return endpoint.rfind(kUnix, 0) == 0 ? endpoint.substr(sizeof kUnix - 1) : endpoint;
}

}  // namespace

std::string VolumePlugin(const api::core::Volume& volume) {
  const auto& source = volume.volume_source();
  if (source.has_empty_dir()) return "kubernetes.io/empty-dir";
  if (source.has_config_map()) return "kubernetes.io/configmap";
  if (source.has_secret()) return "kubernetes.io/secret";
  if (source.has_downward_api()) return "kubernetes.io/downward-api";
  if (source.has_projected()) return "kubernetes.io/projected";
  if (source.has_host_path()) return "kubernetes.io/host-path";
  return "";
}

NodeStats::NodeStats(Deps deps)
    : deps_(std::move(deps)), runtime_stats_(deps_.connection), scope_(deps_.executor) {
  stats_ = std::make_unique<stats::Stats>(StatsDeps(), StatsOptions());
  AddFamilies();
}

std::vector<stats::PodInput> NodeStats::Pods() const {
  std::vector<stats::PodInput> out;
  for (const auto& observed : deps_.pleg.All()) {
    api::PodPtr pod = deps_.store.Get(observed->uid);
    if (!pod) {
      if (auto view = deps_.workers.View(observed->uid)) pod = view->pod;
    }
    out.push_back({observed, std::move(pod)});
  }
  return out;
}

stats::Stats::Deps NodeStats::StatsDeps() {
  stats::Stats::Deps deps{deps_.executor, deps_.clock, deps_.pool,       runtime_stats_,
                          deps_.images,   {},          deps_.pods_cgroup};
  deps.pods = [this] { return Pods(); };
  deps.pod_cgroup = [this](const api::core::Pod& pod) -> std::string {
    const auto& kc = deps_.config.kubelet;
    if (!kc.cgroups_per_qos()) return "";
    auto name =
        resource::PodCgroupName(kc.cgroup_root(), api::ComputeQos(pod), pod.metadata().uid());
    bool systemd = deps_.node.cgroup_driver == runtime::CgroupDriver::kSystemd;
    return systemd ? os::SlicePath(name) : os::CgroupfsPath(name);
  };
  deps.sandbox_image = [this] { return SandboxImage(deps_.image_list.known()); };
  deps.volumes = [this](const api::core::Pod& pod) {
    return VolumesOf(deps_.config.flags.root_dir, pod);
  };
  deps.own_volumes = deps_.own_volumes;
  return deps;
}

stats::Stats::Options NodeStats::StatsOptions() const {
  const auto& kc = deps_.config.kubelet;
  stats::Stats::Options options;
  options.node_name = deps_.node.name;
  options.machine = deps_.node.machine;
  auto mounts = os::ReadMountinfo();
  if (mounts.ok()) options.cgroups = os::DetectCgroups(*mounts);
  options.root_dir = deps_.config.flags.root_dir;
  options.pod_logs_dir = kc.pod_logs_dir();
  auto period = base::Nanos(kc.volume_stats_agg_period().duration());
  if (period != base::Nanos(0)) options.disk_period = period;
  options.pressure = deps_.config.gates.Enabled("KubeletPSI");
  // Where it could not be moved there, the group it finds itself in is told of.
  if (os::CgroupOf("/proc", "self") == kc.kubelet_cgroups())
    options.kubelet_cgroup = kc.kubelet_cgroups();
  options.runtime_cgroup = deps_.config.flags.runtime_cgroups;
  options.system_cgroup = kc.system_cgroups();
  options.runtime_socket = SocketPath(kc.container_runtime_endpoint());
  return options;
}

bool NodeStats::Answers(const std::string& path) {
  std::string clean = WithoutSlash(path);
  return clean == "/stats/summary" || clean == "/metrics" || clean.rfind("/metrics/", 0) == 0;
}

Task<server::Response> NodeStats::Answer(server::Request request) {
  std::string path = WithoutSlash(request.path);
  auto form = base::FormFor(request.accept);
  absl::StatusOr<std::string> text = absl::NotFoundError("404 page not found\n");
  server::Response response{200, base::ContentType(form), ""};
  if (path == "/metrics") co_return Registry(form);
  if (path == "/metrics/probes") co_return Probes(form);
  if (path == "/metrics/slis") co_return Slis(request, form);
  if (path == "/metrics/cadvisor") {
    auto pieces = co_await stats_->Cadvisor(form);
    if (pieces.ok()) response.pieces = *std::move(pieces);
    text = pieces.ok() ? absl::StatusOr<std::string>("") : pieces.status();
  } else if (path == "/metrics/resource") {
    text = co_await stats_->Resource(form);
  } else if (path == "/stats/summary") {
    auto only = request.query.find("only_cpu_and_memory");
    bool wanted = only != request.query.end() && only->second == "true";
    text = co_await stats_->Summary(wanted);
    response.content_type = kJson;
  }
  if (text.ok()) {
    response.body = *std::move(text);
  } else {
    response.code = absl::IsNotFound(text.status()) ? 404 : 500;
    response.content_type = kText;
    response.body = base::Message(text.status());
    if (response.code == 500) {
      response.body = "Internal Error: " + response.body;
      LOG_ERROR("Cannot answer", "request", path, "err", text.status());
    }
  }
  co_return response;
}

Task<void> NodeStats::Respond(server::Request request,
                              std::function<void(server::Response)> respond) {
  auto response = co_await Answer(std::move(request));
  respond(std::move(response));
}

server::LateHandler NodeStats::Late() {
  return [this](const server::Request& request, std::function<void(server::Response)> respond) {
    if (!Answers(request.path)) return false;
    scope_.Spawn("statistics", Respond(request, std::move(respond)));
    return true;
  };
}

server::Response NodeStats::Registry(base::MetricForm form) {
  Fill();
  server::Response response{200, base::ContentType(form), ""};
  base::MetricView view{form, [](const std::string& name) { return !OfProber(name); }, Stability};
  base::AppendView(deps_.metrics.Render(), view, response.body);
  base::AppendEnd(form, response.body);
  return response;
}

server::Response NodeStats::Probes(base::MetricForm form) {
  server::Response response{200, base::ContentType(form), ""};
  base::MetricView view{form,
                        [](const std::string& name) {
                          return OfProber(name) || name == "process_start_time_seconds";
                        },
                        Stability};
  base::AppendView(deps_.metrics.Render(), view, response.body);
  base::AppendEnd(form, response.body);
  return response;
}

server::Response NodeStats::Slis(const server::Request& request, base::MetricForm form) {
  if (request.method == "DELETE") {
    AddHealth();
    return {200, kText, "metrics reset\n"};
  }
  server::Response response{200, base::ContentType(form), ""};
  base::MetricView view{form, {}, Stability};
  base::AppendView(health_->Render(), view, response.body);
  view.shown = [](const std::string& name) { return name == "process_start_time_seconds"; };
  base::AppendView(deps_.metrics.Render(), view, response.body);
  base::AppendEnd(form, response.body);
  return response;
}

// A new registry: a reset forgets all.
void NodeStats::AddHealth() {
  health_ = std::make_unique<base::Registry>();
  check_ = &health_->AddGauge("kubernetes_healthcheck",
                              "This metric records the result of a single healthcheck.",
                              {"name", "type"});
  checks_ = &health_->AddCounter("kubernetes_healthchecks_total",
                                 "This metric records the results of all healthcheck.",
                                 {"name", "type", "status"});
}

void NodeStats::Checked(const std::string& name, bool ok) {
  check_->With({name, "healthz"}).Set(ok ? 1 : 0);
  checks_->With({name, "healthz", ok ? "success" : "error"}).Add();
}

}  // namespace kubelet::app
