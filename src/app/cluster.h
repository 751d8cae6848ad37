// The node's side of a cluster: the connection to the API server and everything that lives on it.
// There is one when
// --kubeconfig or --bootstrap-kubeconfig is given; without it the kubelet is standalone. Wiring, no
// policy.
//
// Nothing here is in the way of static pods: every part copes by itself with a server that is away,
// slow or refuses us.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/late_api.h"
#include "app/node.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/metrics.h"
#include "kubelet/client/certificates.h"
#include "kubelet/client/events.h"
#include "kubelet/client/http_api.h"
#include "kubelet/client/node_objects.h"
#include "kubelet/client/object_cache.h"
#include "kubelet/client/pod_certificates.h"
#include "kubelet/client/services.h"
#include "kubelet/client/serving_certificate.h"
#include "kubelet/client/tokens.h"
#include "kubelet/client/trust_bundles.h"
#include "kubelet/config/config.h"
#include "kubelet/image/objects.h"
#include "kubelet/mirror/mirror_pods.h"
#include "kubelet/node/node_agent.h"
#include "kubelet/runtime/environment.h"
#include "kubelet/runtime/ports.h"
#include "kubelet/source/api_source.h"
#include "kubelet/status/pod_starts.h"
#include "kubelet/status/writer.h"
#include "kubelet/volume/objects.h"

namespace kubelet::app {

class Cluster : public volume::Objects, public runtime::EnvObjects, public image::Objects {
 public:
  struct Hooks {
    std::function<void(const source::Snapshot&)> on_snapshot;
    std::function<base::Task<node::NodeFacts>()> facts;
    // A ConfigMap or Secret that pods refer to is another than before.
    std::function<void(const std::string& namespace_, const std::string& name)> on_object_change;
    // Something else that this pod's volumes show is another: a bundle, a certificate.
    std::function<void(const std::string& uid)> on_volume_change;
    // The Node object is another than before.
    std::function<void()> on_node;
    // A static pod of this full name is still being ended.
    std::function<bool(const std::string& full_name)> ending;
    std::function<base::Task<absl::Status>(std::string cidrs)> apply_pod_cidr;
    // The certificate of the HTTPS port is another.
    std::function<void()> on_serving_change;
    // What the runtime holds of a pod; null: nothing.
    std::function<runtime::ObservedPodPtr(const std::string& uid)> observed;
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    const config::LoadedConfig& config;
    const Node& node;
    base::Registry& metrics;
  };
  static bool Configured(const config::LoadedConfig& config);
  Cluster(Deps deps, Hooks hooks);
  ~Cluster() override;

  void Start();
  // Starts by itself, once the Node was looked for: pods are judged by its labels.
  std::unique_ptr<source::PodSource> MakeSource();

  status::StatusWriter& statuses() { return *statuses_; }
  status::PodStarts& starts() { return *starts_; }
  mirror::MirrorPods& mirrors() { return *mirrors_; }
  node::NodeAgent& agent() { return *agent_; }
  client::ObjectCache& objects() { return *objects_; }
  client::Api& api() { return api_; }
  client::ServingCertificate& serving() { return *serving_; }
  // The Node object as it was last seen; null: not yet.
  client::NodeWatch::NodePtr KnownNode() const;
  void RecordNodeEvent(bool warning, const std::string& reason, const std::string& message);
  void RecordEvent(const api::core::Pod& pod, const runtime::PodEvent& event,
                   const runtime::StringMap& annotations = {});
  // The pod will not run again, though its object may stay: nothing is watched for it any more.
  void PodFinished(const std::string& uid);
  // The pod is gone for good.
  void ForgetPod(const std::string& uid);
  // For `kubelet explain`: what is wrong with the connection and our credentials; empty as a rule.
  std::string Problems() const;

  // volume::Objects, runtime::EnvObjects and image::Objects
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::ConfigMap>>> ConfigMap(
      std::string namespace_, std::string name) override;
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::Secret>>> Secret(
      std::string namespace_, std::string name) override;
  base::Task<absl::StatusOr<volume::Token>> ServiceAccountToken(
      api::PodPtr pod, std::string audience, int64_t expiration_seconds) override;
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::PersistentVolumeClaim>>> Claim(
      std::string namespace_, std::string name) override;
  base::Task<absl::StatusOr<std::shared_ptr<const api::core::PersistentVolume>>> PersistentVolume(
      std::string name) override;
  base::Task<absl::StatusOr<std::string>> TrustAnchors(
      std::string pod_uid, api::core::ClusterTrustBundleProjection source) override;
  base::Task<absl::StatusOr<volume::PodCertificate>> Certificate(api::PodPtr pod,
                                                                 std::string volume,
                                                                 int source) override;
  base::Task<absl::StatusOr<image::ServiceAccountFacts>> ServiceAccount(std::string namespace_,
                                                                        std::string name) override;
  base::Task<absl::StatusOr<std::string>> PullToken(api::PodPtr pod, std::string audience,
                                                    std::string account_uid) override;
  base::Task<absl::StatusOr<runtime::EnvList>> ServiceEnvironment(api::PodPtr pod) override;
  api::NodeAllocatable Allocatable() const;
  base::Task<absl::StatusOr<std::string>> RuntimeHandler(std::string runtime_class) override;

 private:
  client::CertificateOptions CertificateFiles() const;
  std::unique_ptr<client::HttpApi> MakeHttpApi(const client::ClientConfig& config,
                                               client::Credentials& credentials);
  void MakeAgent();
  void MakeServing();
  void MakeVolumeSources(client::Reflector::Deps watch);
  void OnNode(const node::NodePtr& node);
  void OnHealth(const absl::Status& health);
  base::Task<void> StartSource(source::PodSource* source);
  bool UseConfig(absl::StatusOr<client::ClientConfig> config);
  base::Task<void> Connect();

  Deps deps_;
  Hooks hooks_;
  LateApi api_;
  client::HttpApi* http_ = nullptr;  // behind api_, once it is known where the server is
  absl::Status health_ = absl::UnavailableError("not connected yet");
  client::ServerTraits traits_;
  std::unique_ptr<client::CertificateManager> certificates_;  // with rotation or bootstrap
  std::unique_ptr<client::Credentials> credentials_;          // else
  std::unique_ptr<client::ServingCertificate> serving_;
  std::unique_ptr<client::EventRecorder> recorder_;
  std::unique_ptr<client::ObjectCache> objects_;
  std::unique_ptr<client::ServiceLister> services_;
  std::unique_ptr<client::TokenManager> tokens_;
  std::unique_ptr<client::RuntimeClasses> runtime_classes_;
  std::unique_ptr<client::TrustBundles> trust_bundles_;             // null: the gate is off
  std::unique_ptr<client::PodCertificates> certificates_of_pods_;  // null: the gate is off
  std::unique_ptr<client::NodeWatch> node_watch_;
  std::unique_ptr<node::NodeAgent> agent_;
  std::unique_ptr<mirror::MirrorPods> mirrors_;
  std::unique_ptr<status::StatusWriter> statuses_;
  std::unique_ptr<status::PodStarts> starts_;
  base::TaskScope scope_;
};

}  // namespace kubelet::app
