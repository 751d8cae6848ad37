// Which credentials a pod's pull may try, in order: its pull secrets, the node's files, plugins.
// Core loop only. Facts: pkg/kubelet/kubelet_pods.go getPullSecretsForPod,
// pkg/credentialprovider/secrets (1.36).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "image/plugins.h"
#include "kubelet/api/types.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/image/objects.h"
#include "kubelet/runtime/ports.h"

namespace kubelet::image {

// The first file that can be read and decoded counts: a config.json, else a .dockercfg. A file that
// is there and is none of these is told in the log. Blocking.
DockerConfig ReadNodeCredentials(const std::vector<std::string>& config_json,
                                 const std::vector<std::string>& dockercfg);

// What a secret holds, if it is of one of the two kinds; FailedPrecondition when it is not,
// InvalidArgument when its text is bad. Pure.
absl::StatusOr<DockerConfig> SecretCredentials(const api::core::Secret& secret);

class CredentialFinder {
 public:
  struct Deps {
    base::BlockingPool* pool = nullptr;  // null: the node has no files
    Objects* objects = nullptr;          // null: no API server is configured
    CredentialPlugins* plugins = nullptr;
    std::function<void(const api::core::Pod&, const runtime::PodEvent&)> on_event;
  };
  CredentialFinder(Deps deps, std::vector<std::string> config_json,
                   std::vector<std::string> dockercfg)
      : deps_(std::move(deps)),
        config_json_(std::move(config_json)),
        dockercfg_(std::move(dockercfg)) {}

  // Never fails: a secret that is missing or bad is one event (FailedToRetrieveImagePullSecret),
  // and the pull goes on with what there is. The node's files are read each time, so that a changed
  // one counts at once.
  base::Task<std::vector<Credential>> Find(api::PodPtr pod, std::string image);

 private:
  base::Task<void> AddSecrets(api::PodPtr pod, std::shared_ptr<Keyring> ring);
  base::Task<void> AddFiles(std::shared_ptr<Keyring> ring);

  Deps deps_;
  std::vector<std::string> config_json_, dockercfg_;
};

}  // namespace kubelet::image
