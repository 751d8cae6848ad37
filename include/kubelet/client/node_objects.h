// The node's own object, and the cluster's RuntimeClasses. Core loop only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "k8s/core/v1/node.pb.h"
#include "kubelet/api/types.h"
#include "kubelet/client/collection.h"

namespace kubelet::client {

// Watches one node. Who needs it: labels of the downward API and of admission, allocatable of
// resourceFieldRef, the ttl of ObjectCache, taints.
class NodeWatch {
 public:
  using NodePtr = std::shared_ptr<const api::core::Node>;
  NodeWatch(Reflector::Deps deps, std::string name);
  // `changed` is called when the node was first read, at each change (null: it is gone), and after
  // each further list, then with `relisted`.
  void Start(std::function<void(NodePtr, bool relisted)> changed = {});
  // The last known one; null: not read yet, or there is none.
  NodePtr Get() const;
  bool synced() const { return nodes_.synced(); }
  base::Task<bool> WaitSynced(base::Nanos timeout) { return nodes_.WaitSynced(timeout); }
  // node.alpha.kubernetes.io/ttl of the node, for ObjectCache; nullopt when it has none.
  std::optional<base::Nanos> ObjectTtl() const;

 private:
  std::string name_;
  std::function<void(NodePtr, bool)> changed_;
  Collection nodes_;
};

// Watched from the first pod on that names a class.
class RuntimeClasses {
 public:
  explicit RuntimeClasses(Reflector::Deps deps);
  // The handler for RunPodSandbox; empty for an empty name, without asking anyone. NotFound: there
  // is no such class (yet); Unavailable: the classes were not read within `timeout`. In both cases
  // the pod's sandbox fails and is tried again.
  base::Task<absl::StatusOr<std::string>> Handler(std::string name,
                                                  base::Nanos timeout = std::chrono::seconds(2));

 private:
  Collection classes_;
};

}  // namespace kubelet::client
