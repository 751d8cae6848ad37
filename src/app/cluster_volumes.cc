// What volumes need of the API server beside ConfigMaps and Secrets: a part of Cluster.
#include <random>

#include "app/cluster.h"

namespace kubelet::app {

using base::Task;

namespace {

constexpr auto kCall = std::chrono::seconds(10);

client::Call Get(client::Resource resource, std::string namespace_, std::string name) {
  client::Call call;
  call.path.resource = resource;
  call.path.namespace_ = std::move(namespace_);
  call.path.name = std::move(name);
  call.timeout = kCall;
  return call;
}

double Random() {
  static std::mt19937_64 generator{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(generator);
}

absl::Status GateOff(const char* source, const char* gate) {
  return absl::FailedPreconditionError(std::string(source) + " sources need the feature gate " +
                                       gate);
}

}  // namespace

void Cluster::MakeVolumeSources(client::Reflector::Deps watch) {
  auto changed = [this](const std::string& uid) { hooks_.on_volume_change(uid); };
  if (deps_.config.gates.Enabled("ClusterTrustBundleProjection"))
    trust_bundles_ = std::make_unique<client::TrustBundles>(watch, changed);
  if (!deps_.config.gates.Enabled("PodCertificateRequest")) return;
  client::PodCertificates::Deps deps{watch,   deps_.pool, deps_.node.name, {}, Random,
                                     changed, {},         &deps_.metrics};
  deps.node_uid = [this] {
    auto node = KnownNode();
    return node ? node->metadata().uid() : std::string();
  };
  deps.on_event = [this](const api::core::Pod& pod, const std::string& reason,
                         const std::string& message) {
    runtime::PodEvent event;
    event.warning = true;
    event.reason = reason;
    event.message = message;
    RecordEvent(pod, event);
  };
  certificates_of_pods_ = std::make_unique<client::PodCertificates>(std::move(deps));
}

Task<absl::StatusOr<std::shared_ptr<const api::core::PersistentVolumeClaim>>> Cluster::Claim(
    std::string namespace_, std::string name) {
  auto claim = std::make_shared<api::core::PersistentVolumeClaim>();
  auto call = Get(client::kPersistentVolumeClaims, std::move(namespace_), std::move(name));
  auto status = co_await api_.Do(std::move(call), claim.get());
  if (!status.ok()) co_return status;
  co_return claim;
}

Task<absl::StatusOr<std::shared_ptr<const api::core::PersistentVolume>>> Cluster::PersistentVolume(
    std::string name) {
  auto volume = std::make_shared<api::core::PersistentVolume>();
  auto call = Get(client::kPersistentVolumes, "", std::move(name));
  auto status = co_await api_.Do(std::move(call), volume.get());
  if (!status.ok()) co_return status;
  co_return volume;
}

Task<absl::StatusOr<std::string>> Cluster::TrustAnchors(
    std::string pod_uid, api::core::ClusterTrustBundleProjection source) {
  if (!trust_bundles_) co_return GateOff("clusterTrustBundle", "ClusterTrustBundleProjection");
  co_return co_await trust_bundles_->Get(std::move(pod_uid), std::move(source));
}

Task<absl::StatusOr<volume::PodCertificate>> Cluster::Certificate(api::PodPtr pod,
                                                                  std::string volume, int source) {
  if (!certificates_of_pods_) co_return GateOff("podCertificate", "PodCertificateRequest");
  auto bundle = certificates_of_pods_->Get(pod, volume, source);
  if (!bundle.ok()) co_return bundle.status();
  volume::PodCertificate out;
  out.key_pem = bundle->key_pem;
  out.chain_pem = bundle->chain_pem;
  co_return out;
}

}  // namespace kubelet::app
