#include "app/cluster.h"

#include <cstdlib>
#include <random>

#include "app/node_options.h"
#include "kubelet/api/pod.h"
#include "kubelet/api/quantity.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/proc_stats.h"

namespace kubelet::app {

using base::Message;
using base::Task;
using std::chrono::seconds;

namespace {

double Random() {
  static std::mt19937_64 generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(generator);
}

client::ObjectCache::Strategy StrategyOf(const std::string& text) {
  if (text == "Get") return client::ObjectCache::Strategy::kGet;
  if (text == "Cache") return client::ObjectCache::Strategy::kCache;
  return client::ObjectCache::Strategy::kWatch;
}

// `spec.containers{web}`
std::string FieldPath(const api::core::Pod& pod, const std::string& container) {
  if (container.empty()) return "";
  for (const auto& c : pod.spec().init_containers())
    if (c.name() == container) return "spec.initContainers{" + container + "}";
  for (const auto& c : pod.spec().ephemeral_containers())
    if (c.ephemeral_container_common().name() == container)
      return "spec.ephemeralContainers{" + container + "}";
  return "spec.containers{" + container + "}";
}

}  // namespace

bool Cluster::Configured(const config::LoadedConfig& config) {
  return !config.flags.kubeconfig.empty() || !config.flags.bootstrap_kubeconfig.empty();
}

Cluster::Cluster(Deps deps, Hooks hooks)
    : deps_(std::move(deps)), hooks_(std::move(hooks)), scope_(deps_.executor) {
  const auto& kc = deps_.config.kubelet;
  client::Reflector::Deps watch{deps_.executor, deps_.clock, api_, &traits_};
  client::EventRecorder::Options events;
  events.host = deps_.node.name;
  recorder_ = std::make_unique<client::EventRecorder>(
      client::EventRecorder::Deps{deps_.executor, deps_.clock, &api_, &deps_.metrics}, events);
  node_watch_ = std::make_unique<client::NodeWatch>(watch, deps_.node.name);
  client::ObjectCache::Options cache;
  cache.strategy = StrategyOf(kc.config_map_and_secret_change_detection_strategy());
  client::ObjectCache::Hooks changes;
  changes.on_change = [this](client::ObjectCache::Kind, const std::string& ns,
                             const std::string& name) { hooks_.on_object_change(ns, name); };
  changes.node_ttl = [this] { return node_watch_->ObjectTtl(); };
  objects_ = std::make_unique<client::ObjectCache>(watch, cache, std::move(changes));
  services_ = std::make_unique<client::ServiceLister>(watch);
  tokens_ = std::make_unique<client::TokenManager>(
      client::TokenManager::Deps{deps_.executor, deps_.clock, api_});
  runtime_classes_ = std::make_unique<client::RuntimeClasses>(watch);
  mirrors_ = std::make_unique<mirror::MirrorPods>(
      mirror::MirrorPods::Deps{deps_.executor, deps_.clock, api_, deps_.node.name, Random,
                               hooks_.ending, &deps_.metrics},
      mirror::MirrorPods::Options{});
  statuses_ = std::make_unique<status::StatusWriter>(
      status::StatusWriter::Deps{
          deps_.executor, deps_.clock, api_, Random, &deps_.metrics,
          [this](const std::string& mirror_uid) { mirrors_->Recreate(mirror_uid); }},
      status::StatusWriter::Options{});
  starts_ = std::make_unique<status::PodStarts>(
      status::PodStarts::Deps{deps_.clock, deps_.metrics, hooks_.observed});
  MakeAgent();
  MakeServing();
  MakeVolumeSources(watch);
}

Cluster::~Cluster() = default;

void Cluster::MakeAgent() {
  const auto& kc = deps_.config.kubelet;
  node::NodeAgent::Options options;
  options.node = MakeNodeOptions(deps_.config, deps_.node);
  options.register_node = kc.register_node();
  options.status_update = base::Nanos(kc.node_status_update_frequency().duration());
  options.status_report = base::Nanos(kc.node_status_report_frequency().duration());
  options.lease_duration = seconds(kc.node_lease_duration_seconds());
  node::NodeAgent::Callbacks callbacks;
  callbacks.on_event = [this](const node::NodeEvent& event) {
    RecordNodeEvent(event.warning, event.reason, event.message);
  };
  callbacks.on_node = [this](node::NodePtr node) { OnNode(node); };
  callbacks.apply_pod_cidr = hooks_.apply_pod_cidr;
  callbacks.on_unreachable = [this] {
    if (http_ != nullptr) http_->CloseStaleConnections();
  };
  agent_ = std::make_unique<node::NodeAgent>(
      node::NodeAgent::Deps{deps_.executor, deps_.clock, api_, hooks_.facts, Random, &deps_.metrics,
                            os::BootTime("/proc")},
      options, std::move(callbacks));
}

void Cluster::MakeServing() {
  const auto& kc = deps_.config.kubelet;
  client::ServingOptions options;
  options.cert_dir = deps_.config.flags.cert_dir;
  options.tls_cert_file = kc.tls_cert_file();
  options.tls_key_file = kc.tls_private_key_file();
  options.bootstrap = kc.server_tls_bootstrap();
  options.dns_only = deps_.config.gates.Enabled("AllowDNSOnlyNodeCSR");
  options.hostname = deps_.node.name;
  options.node_name = deps_.node.name;
  client::ServingCertificate::Deps deps{deps_.executor, deps_.clock, deps_.pool,
                                        &api_,          Random,      &deps_.metrics,
                                        hooks_.on_serving_change};
  serving_ = std::make_unique<client::ServingCertificate>(options, std::move(deps));
}

client::CertificateOptions Cluster::CertificateFiles() const {
  client::CertificateOptions files;
  files.kubeconfig = deps_.config.flags.kubeconfig;
  files.bootstrap_kubeconfig = deps_.config.flags.bootstrap_kubeconfig;
  files.cert_dir = deps_.config.flags.cert_dir;
  files.node_name = deps_.node.name;
  files.rotate = deps_.config.kubelet.rotate_certificates();
  return files;
}

std::unique_ptr<client::HttpApi> Cluster::MakeHttpApi(const client::ClientConfig& config,
                                                      client::Credentials& credentials) {
  const auto& kc = deps_.config.kubelet;
  client::HttpApiOptions options;
  options.user_agent = "kubelet/" + config::OwnVersion() + " (linux) cpp";
  options.protobuf = kc.content_type() != "application/json";
  const char* disable = std::getenv("DISABLE_HTTP2");
  options.http2 = disable == nullptr || *disable == '\0';
  options.qps = kc.kube_api_qps();
  options.burst = kc.kube_api_burst();
  options.event_qps = kc.event_record_qps();
  options.event_burst = kc.event_burst();
  return std::make_unique<client::HttpApi>(
      client::HttpApi::Deps{deps_.executor, deps_.clock, deps_.pool, credentials, &deps_.metrics},
      config, options);
}

void Cluster::Start() {
  auto files = CertificateFiles();
  if (files.rotate || !files.bootstrap_kubeconfig.empty()) {
    client::CertificateManager::Deps deps{
        deps_.executor,
        deps_.clock,
        deps_.pool,
        [this](const client::ClientConfig& config, client::Credentials& credentials) {
          return MakeHttpApi(config, credentials);
        },
        Random,
        &deps_.metrics};
    certificates_ = std::make_unique<client::CertificateManager>(files, std::move(deps));
    certificates_->Start();
  }
  // As the configuration was: read at once, so that nothing has to wait for a turn of its own.
  if (!UseConfig(client::LoadNodeConfig(files))) {
    LOG_ERROR("No usable kubeconfig yet; static pods run, looking again", "err", health_);
    scope_.Spawn("API client", Connect());
  }
  recorder_->Start();
  serving_->Start();
  agent_->Start();
  // A first list without the Node may be older than its registration; only what was there can be gone.
  node_watch_->Start([this, seen = false](client::NodeWatch::NodePtr node, bool relisted) mutable {
    if (!node && !seen) return;
    seen = true;
    agent_->Observe(node, relisted);
  });
}

bool Cluster::UseConfig(absl::StatusOr<client::ClientConfig> config) {
  if (!config.ok()) {
    api_.SetReason(absl::UnavailableError(Message(config.status())));
    health_ = config.status();
    return false;
  }
  client::Credentials* credentials = certificates_.get();
  if (credentials == nullptr) {
    credentials_ = client::MakeCredentials(
        *config, client::CredentialDeps{deps_.executor, deps_.clock, deps_.pool});
    credentials = credentials_.get();
  }
  auto api = MakeHttpApi(*config, *credentials);
  http_ = api.get();
  api_.Set(std::move(api));
  LOG_INFO("API server", "server", config->server, "kubeconfig", config->source);
  return true;
}

// A kubeconfig that is not there yet, or not readable, is waited for: static pods do not need it.
Task<void> Cluster::Connect() {
  for (;;) {
    co_await base::SleepFor(deps_.clock, seconds(2));
    std::function<absl::StatusOr<client::ClientConfig>()> work = [files = CertificateFiles()] {
      return client::LoadNodeConfig(files);
    };
    auto config =
        co_await deps_.pool.Run<client::ClientConfig>("kubeconfig", seconds(10), std::move(work));
    if (UseConfig(std::move(config))) co_return;
  }
}

std::unique_ptr<source::PodSource> Cluster::MakeSource() {
  source::ApiSourceDeps deps{deps_.executor, deps_.clock, api_,   hooks_.on_snapshot,
                             nullptr,        {},          nullptr};
  deps.tap.on_list = [this](const std::vector<api::PodPtr>& pods) {
    statuses_->ObservedAll(pods);
    for (const auto& pod : pods) starts_->Observed(*pod);
    mirrors_->SetMirrors(pods);
  };
  deps.tap.on_set = [this](const api::PodPtr& pod) {
    statuses_->Observed(pod);
    starts_->Observed(*pod);
    mirrors_->SetMirror(pod);
  };
  deps.tap.on_removed = [this](const api::PodPtr& pod) {
    statuses_->Removed(pod);
    starts_->Forget(pod->metadata().uid());
    mirrors_->RemoveMirror(pod);
  };
  deps.on_health = [this](const absl::Status& health) { OnHealth(health); };
  auto source = source::MakeApiSource(deps_.node.name, std::move(deps));
  scope_.Spawn("API source", StartSource(source.get()));
  return source;
}

Task<void> Cluster::StartSource(source::PodSource* source) {
  for (bool synced = false; !synced;)
    synced = co_await node_watch_->WaitSynced(std::chrono::hours(1));
  source->Start();
}

Task<absl::StatusOr<std::string>> Cluster::RuntimeHandler(std::string runtime_class) {
  return runtime_classes_->Handler(std::move(runtime_class));
}

void Cluster::OnHealth(const absl::Status& health) {
  if (health_.ok() != health.ok()) {
    if (health.ok()) {
      LOG_INFO("The API server answers");
    } else {
      LOG_WARNING("The API server cannot be reached; pods run on", "err", health);
    }
  }
  health_ = health;
  if (!health.ok()) return;
  statuses_->Wake();
  mirrors_->Wake();
  agent_->ServerBack();
}

void Cluster::OnNode(const node::NodePtr& node) {
  if (!node) {
    mirrors_->SetNode("", false);
    return;
  }
  mirrors_->SetNode(node->metadata().uid(), node->metadata().has_deletion_timestamp());
  serving_->SetAddresses(node->status().addresses());
  hooks_.on_node();
}

client::NodeWatch::NodePtr Cluster::KnownNode() const {
  client::NodeWatch::NodePtr node = node_watch_->Get();
  return node ? node : agent_->node();
}

void Cluster::RecordNodeEvent(bool warning, const std::string& reason, const std::string& message) {
  auto type =
      warning ? client::EventRecorder::Type::kWarning : client::EventRecorder::Type::kNormal;
  recorder_->Event(client::NodeTarget(deps_.node.name), type, reason, message);
}

void Cluster::RecordEvent(const api::core::Pod& pod, const runtime::PodEvent& event,
                          const runtime::StringMap& annotations) {
  client::EventTarget target;
  target.kind = "Pod";
  target.namespace_ = pod.metadata().namespace_();
  target.name = pod.metadata().name();
  // Events of a mirror are looked for by this.
  target.uid = api::IsStatic(pod) ? api::Annotation(pod, api::kConfigHash) : pod.metadata().uid();
  target.resource_version = pod.metadata().resource_version();
  target.field_path = FieldPath(pod, event.container);
  auto type =
      event.warning ? client::EventRecorder::Type::kWarning : client::EventRecorder::Type::kNormal;
  recorder_->Event(std::move(target), type, event.reason, event.message, annotations);
}

void Cluster::PodFinished(const std::string& uid) {
  objects_->RemovePod(uid);
  statuses_->Finished(uid);
}

void Cluster::ForgetPod(const std::string& uid) {
  objects_->RemovePod(uid);
  tokens_->RemovePod(uid);
  starts_->Forget(uid);
  if (trust_bundles_) trust_bundles_->ForgetPod(uid);
  if (certificates_of_pods_) certificates_of_pods_->ForgetPod(uid);
}

std::string Cluster::Problems() const {
  std::string out;
  if (!health_.ok()) out += "API server: " + Message(health_) + "\n";
  const client::Credentials* credentials = certificates_.get();
  if (credentials == nullptr) credentials = credentials_.get();
  if (credentials != nullptr && !credentials->health().ok())
    out += "Client certificate: " + credentials->health().message + "\n";
  if (!serving_->health().ok()) out += "Serving certificate: " + serving_->health().message + "\n";
  for (const auto& [name, problem] : mirrors_->Problems())
    out += "Mirror pod " + name + ": " + problem + "\n";
  return out;
}

Task<absl::StatusOr<std::shared_ptr<const api::core::ConfigMap>>> Cluster::ConfigMap(
    std::string namespace_, std::string name) {
  return objects_->GetConfigMap(std::move(namespace_), std::move(name));
}

Task<absl::StatusOr<std::shared_ptr<const api::core::Secret>>> Cluster::Secret(
    std::string namespace_, std::string name) {
  return objects_->GetSecret(std::move(namespace_), std::move(name));
}

Task<absl::StatusOr<volume::Token>> Cluster::ServiceAccountToken(api::PodPtr pod,
                                                                 std::string audience,
                                                                 int64_t expiration_seconds) {
  client::TokenRequest request;
  request.ns = pod->metadata().namespace_();
  request.service_account = pod->spec().service_account_name();
  if (!audience.empty()) request.audiences.push_back(audience);
  request.expiration_seconds = expiration_seconds;
  request.pod_name = pod->metadata().name();
  request.pod_uid = pod->metadata().uid();
  auto token = co_await tokens_->Get(request);
  if (!token.ok()) co_return token.status();
  volume::Token out;
  out.text = (*token)->token;
  out.refresh_at = tokens_->NextRefresh(request).value_or((*token)->expires);
  co_return out;
}

Task<absl::StatusOr<runtime::EnvList>> Cluster::ServiceEnvironment(api::PodPtr pod) {
  bool links = !pod->spec().has_enable_service_links() || pod->spec().enable_service_links();
  bool is_static = api::IsStatic(*pod);
  base::Nanos patience(0);
  if (!is_static) patience = seconds(2);
  auto found = co_await services_->Get(pod->metadata().namespace_(), links, patience);
  runtime::EnvList list;
  if (found.ok()) {
    list.assign(found->begin(), found->end());
  } else if (!is_static) {
    co_return found.status();
  }
  co_return list;
}

api::NodeAllocatable Cluster::Allocatable() const {
  api::NodeAllocatable out;
  out.cpu_milli = int64_t{1000} * deps_.node.machine.cpus;
  out.memory_bytes = deps_.node.machine.memory_bytes;
  auto node = agent_->node();
  if (!node) return out;
  const auto& all = node->status().allocatable();
  if (auto it = all.find("cpu"); it != all.end())
    out.cpu_milli = api::Quantity::From(it->second).MilliValue();
  if (auto it = all.find("memory"); it != all.end())
    out.memory_bytes = api::Quantity::From(it->second).Value();
  if (auto it = all.find("ephemeral-storage"); it != all.end())
    out.ephemeral_storage_bytes = api::Quantity::From(it->second).Value();
  return out;
}

}  // namespace kubelet::app
