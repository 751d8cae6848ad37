// ClusterTrustBundles for projected volumes: certificates in PEM, each once. Core loop only.
//
// All bundles of the cluster are watched while some pod shows one, v1beta1 where the server has it,
// else v1alpha1. Facts: pkg/kubelet/clustertrustbundle of 1.36. The order of the certificates is
// pseudo-random, stable while this process lives, as upstream: nobody shall rely on one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "k8s/certificates/v1beta1/certificates.pb.h"
#include "kubelet/api/types.h"
#include "kubelet/client/collection.h"

namespace kubelet::client {

class TrustBundles {
 public:
  // `on_change`: what a pod shows may be another; not before its first Get has ended.
  TrustBundles(Reflector::Deps deps, std::function<void(const std::string& pod_uid)> on_change);
  ~TrustBundles();

  // FailedPrecondition: no such bundle (an optional source is empty then), or the server has no
  // such API; Unavailable: not read yet, try again. The pod counts as one that shows bundles until
  // ForgetPod.
  base::Task<absl::StatusOr<std::string>> Get(std::string pod_uid,
                                              api::core::ClusterTrustBundleProjection source);
  // The last one that goes ends the watch.
  void ForgetPod(const std::string& uid);

 private:
  using Bundle = ::k8s::io::api::certificates::v1beta1::ClusterTrustBundle;
  using BundlePtr = std::shared_ptr<const Bundle>;
  base::Task<absl::Status> Open();
  absl::StatusOr<std::string> Select(const api::core::ClusterTrustBundleProjection& source) const;
  void Changed(const std::string& name);

  Reflector::Deps deps_;
  std::function<void(const std::string&)> on_change_;
  uint64_t seed_;
  // By pod: names and signers that it shows.
  std::map<std::string, std::set<std::pair<std::string, std::string>>> pods_;
  std::map<std::string, std::string> signers_;  // of bundles, as last seen
  std::unique_ptr<Collection> bundles_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// meta.v1.LabelSelector as LabelSelectorAsSelector has it: an empty one takes everything.
// InvalidArgument for an operator that is none. Pure.
absl::StatusOr<bool> Matches(const api::meta::LabelSelector& selector,
                             const google::protobuf::Map<std::string, std::string>& labels);

// Every PEM block of the texts as a CERTIFICATE block without headers, each content once, in an
// order that depends on `seed`. Pure.
std::string NormalizeAnchors(const std::vector<std::string>& bundles, uint64_t seed);

}  // namespace kubelet::client
