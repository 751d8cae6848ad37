// The environment of a container, from its spec and the objects that it names. Facts:
// pkg/kubelet/kubelet_pods.go makeEnvironmentVariables (1.36).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "k8s/core/v1/config.pb.h"
#include "kubelet/api/downward.h"
#include "kubelet/api/types.h"
#include "kubelet/base/async.h"
#include "kubelet/runtime/volume_path.h"

namespace kubelet::runtime {

using EnvList = std::vector<std::pair<std::string, std::string>>;

// Where the objects come from. Consumer-owned port; core loop only. NotFound: there is no such
// object; Unavailable: ask later.
class EnvObjects {
 public:
  virtual ~EnvObjects() = default;
  virtual base::Task<absl::StatusOr<std::shared_ptr<const api::core::ConfigMap>>> ConfigMap(
      std::string namespace_, std::string name) = 0;
  virtual base::Task<absl::StatusOr<std::shared_ptr<const api::core::Secret>>> Secret(
      std::string namespace_, std::string name) = 0;
  // Variables of the services that the pod sees. A static pod never waits for the API server: it
  // gets what is known.
  virtual base::Task<absl::StatusOr<EnvList>> ServiceEnvironment(api::PodPtr pod) = 0;
  // The handler behind a RuntimeClass; empty for an empty name.
  virtual base::Task<absl::StatusOr<std::string>> RuntimeHandler(std::string runtime_class) = 0;
};

// What a container's environment needs beside its pod. A missing object that is optional is not in
// the map.
struct EnvInputs {
  // Of fileKeyRef, by index of the variable: the value, empty when the file does not have the key. A variable that is
  // not here (gate EnvFiles is off) is empty.
  std::map<int, absl::StatusOr<std::string>> file_values;
  VolumePaths volume_paths;  // for messages
  std::map<std::string, std::shared_ptr<const api::core::ConfigMap>> config_maps;
  std::map<std::string, std::shared_ptr<const api::core::Secret>> secrets;
  EnvList services;
  api::NodeAllocatable node;
};

// Asks for what `container` names. FailedPrecondition for a missing object (`secret "x" not found`)
// and for any at all when `objects` is null; Unavailable when the API server does not answer.
// `allocatable`: what resourceFieldRef says of a limit that is not set.
base::Task<absl::StatusOr<EnvInputs>> FetchEnvironment(EnvObjects* objects, api::PodPtr pod,
                                                       const api::core::Container* container,
                                                       api::NodeAllocatable allocatable);

class Volumes;
// Reads what fileKeyRef of `container` names into `inputs`; its volume_paths are there.
base::Task<void> ReadEnvFiles(Volumes& volumes, api::PodPtr pod, const api::core::Container* container,
                              EnvInputs* inputs);

// Keys of envFrom that cannot be names of variables, in words for an event each; empty as a rule.
std::vector<std::string> InvalidEnvironmentNames(const api::core::Pod& pod,
                                                 const api::core::Container& container,
                                                 const EnvInputs& inputs);

// What only the node knows of a pod's fields.
struct EnvNode {
  std::string node_name;
  std::vector<std::string> host_ips, pod_ips;
};

// Pure. envFrom first, then env with `$(VAR)` expanded against what came before and the services,
// then services that nobody overrode. FailedPrecondition in the words that upstream shows in the container's status.
absl::StatusOr<EnvList> MakeEnvironment(const api::core::Pod& pod,
                                        const api::core::Container& container,
                                        const EnvInputs& inputs, const EnvNode& node);

}  // namespace kubelet::runtime
