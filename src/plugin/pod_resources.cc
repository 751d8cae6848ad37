#include "kubelet/plugin/pod_resources.h"

#include <algorithm>

#include "kubelet/api/pod.h"
#include "kubelet/plugin/podresources_v1alpha1.pb.h"
#include "plugin/grpc_server.h"

namespace kubelet::plugin {

using base::Task;

namespace {

constexpr double kPerSecond = 100, kBurst = 10;

// One entry for each device and NUMA node it is near to, as upstream has it.
template <typename Out>
void AddDevices(const std::vector<resource::Devices::Held>& held, Out* out) {
  for (const auto& [name, device] : held) {
    auto add = [&, &name = name, &device = device] {
      auto* entry = out->Add();
      entry->set_resource_name(name);
      entry->add_device_ids(device.id);
      return entry;
    };
    if (device.nodes.empty()) add();
    for (int64_t node : device.nodes) add()->mutable_topology()->add_nodes()->set_id(node);
  }
}

template <typename Function>
void ForContainers(const api::core::Pod& pod, Function function) {
  for (const auto& container : pod.spec().init_containers()) {
    if (api::IsRestartableInit(container)) function(container);
  }
  for (const auto& container : pod.spec().containers()) function(container);
}

}  // namespace

struct PodResources::Metrics {
  explicit Metrics(base::Registry& registry) {
    auto add = [&](const std::string& name, const std::string& help) {
      return &registry.AddCounter("kubelet_pod_resources_endpoint_" + name,
                                  help + ". Broken down by server api version.",
                                  {"server_api_version"});
    };
    const std::string requests = "Number of requests to the PodResource ";
    const std::string error = " endpoint which returned error";
    total = add("requests_total", "Cumulative number of requests to the PodResource endpoint");
    list = add("requests_list", requests + "List endpoint");
    allocatable = add("requests_get_allocatable", requests + "GetAllocatableResources endpoint");
    get = add("requests_get", requests + "Get endpoint");
    list_errors = add("errors_list", requests + "List" + error);
    allocatable_errors =
        add("errors_get_allocatable", requests + "GetAllocatableResources" + error);
    get_errors = add("errors_get", requests + "Get" + error);
  }
  using Counters = base::Family<base::Counter>*;
  Counters total, list, allocatable, get, list_errors, allocatable_errors, get_errors;
};

PodResources::PodResources(Deps deps, std::string socket)
    : deps_(std::move(deps)), tokens_(kBurst), refilled_(deps_.clock.Mono()) {
  if (deps_.metrics != nullptr) metrics_ = std::make_unique<Metrics>(*deps_.metrics);
  GrpcServer::Methods methods;
  auto add = [&](const std::string& path, Method method) {
    methods[path] = [this, method = std::move(method)](std::string request) {
      return Answer(method, std::move(request));
    };
  };
  add("/v1.PodResourcesLister/List", [this](const std::string&) { return List(); });
  add("/v1.PodResourcesLister/Get", [this](const std::string& request) { return Get(request); });
  add("/v1.PodResourcesLister/GetAllocatableResources",
      [this](const std::string&) { return Allocatable(); });
  add("/v1alpha1.PodResourcesLister/List", [this](const std::string&) { return ListAlpha(); });
  server_ = std::make_unique<GrpcServer>(deps_.executor, std::move(socket), std::move(methods));
}

PodResources::~PodResources() = default;

absl::Status PodResources::Start() { return server_->Start(); }

void PodResources::Stop() { server_->Stop(); }

bool PodResources::Admitted() {
  auto now = deps_.clock.Mono();
  double seconds = std::chrono::duration<double>(now - std::exchange(refilled_, now)).count();
  tokens_ = std::min(kBurst, tokens_ + seconds * kPerSecond);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

Task<absl::StatusOr<std::string>> PodResources::Answer(Method method, std::string request) {
  if (!Admitted()) co_return absl::ResourceExhaustedError("rejected by rate limit");
  co_return method(request);
}

::v1::ContainerResources PodResources::Describe(const api::core::Pod& pod,
                                                const api::core::Container& container) const {
  ::v1::ContainerResources out;
  const std::string& uid = pod.metadata().uid();
  out.set_name(container.name());
  AddDevices(deps_.devices.HeldBy(uid, container.name()), out.mutable_devices());
  if (deps_.cpus) {
    for (int64_t cpu : deps_.cpus(uid, container.name())) out.add_cpu_ids(cpu);
  }
  if (deps_.memory) {
    for (const auto& block : deps_.memory(uid, container.name())) *out.add_memory() = block;
  }
  return out;
}

::v1::PodResources PodResources::Describe(const api::core::Pod& pod) const {
  ::v1::PodResources out;
  out.set_name(pod.metadata().name());
  out.set_namespace_(pod.metadata().namespace_());
  ForContainers(pod,
                [&](const auto& container) { *out.add_containers() = Describe(pod, container); });
  return out;
}

absl::StatusOr<std::string> PodResources::List() {
  if (metrics_) {
    metrics_->total->With({"v1"}).Add();
    metrics_->list->With({"v1"}).Add();
  }
  deps_.devices.Sweep();
  ::v1::ListPodResourcesResponse out;
  for (const auto& pod : deps_.pods()) *out.add_pod_resources() = Describe(*pod);
  return out.SerializeAsString();
}

absl::StatusOr<std::string> PodResources::ListAlpha() {
  if (metrics_) metrics_->total->With({"v1alpha1"}).Add();
  deps_.devices.Sweep();
  ::v1alpha1::ListPodResourcesResponse out;
  for (const auto& pod : deps_.pods()) {
    auto* entry = out.add_pod_resources();
    entry->set_name(pod->metadata().name());
    entry->set_namespace_(pod->metadata().namespace_());
    for (const auto& container : pod->spec().containers()) {
      auto* resources = entry->add_containers();
      resources->set_name(container.name());
      for (const auto& held : deps_.devices.HeldBy(pod->metadata().uid(), container.name())) {
        auto* device = resources->add_devices();
        device->set_resource_name(held.resource);
        device->add_device_ids(held.device.id);
      }
    }
  }
  return out.SerializeAsString();
}

absl::StatusOr<std::string> PodResources::Get(const std::string& bytes) {
  if (metrics_) {
    metrics_->total->With({"v1"}).Add();
    metrics_->get->With({"v1"}).Add();
  }
  ::v1::GetPodResourcesRequest request;
  bool readable = request.ParseFromString(bytes);
  auto pod = readable ? deps_.find(request.pod_namespace(), request.pod_name()) : nullptr;
  if (pod) {
    ::v1::GetPodResourcesResponse out;
    *out.mutable_pod_resources() = Describe(*pod);
    return out.SerializeAsString();
  }
  if (metrics_) metrics_->get_errors->With({"v1"}).Add();
  if (!readable) return absl::InternalError("the request cannot be read");
  return absl::UnknownError("pod " + request.pod_name() + " in namespace " +
                            request.pod_namespace() + " not found");
}

absl::StatusOr<std::string> PodResources::Allocatable() {
  if (metrics_) {
    metrics_->total->With({"v1"}).Add();
    metrics_->allocatable->With({"v1"}).Add();
  }
  ::v1::AllocatableResourcesResponse out;
  AddDevices(deps_.devices.Allocatable(), out.mutable_devices());
  if (deps_.allocatable_cpus) {
    for (int64_t cpu : deps_.allocatable_cpus()) out.add_cpu_ids(cpu);
  }
  if (deps_.allocatable_memory) {
    for (const auto& block : deps_.allocatable_memory()) *out.add_memory() = block;
  }
  return out.SerializeAsString();
}

}  // namespace kubelet::plugin
