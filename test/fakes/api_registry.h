// The verbs of the API on the store, with the rules of each kind: what kube-apiserver's registry
// does between HTTP and etcd. Pure but for the clock; single thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "fakes/api_selectors.h"
#include "fakes/api_store.h"
#include "fakes/api_strategy.h"

namespace kubelet::fakes {

struct ApiDeleteOptions {
  std::optional<int64_t> grace_period_seconds;
  std::string uid, resource_version;  // preconditions; empty: none
};

class ApiRegistry {
 public:
  // Who asks, and whether it is to be done at all (dryRun=All).
  struct Context {
    ApiUser user;
    bool dry_run = false;
  };
  struct Target {
    const ApiKind* kind = nullptr;
    std::string ns, name, subresource;
  };

  // A cluster as kubeadm leaves it: the namespaces, the service `kubernetes`.
  explicit ApiRegistry(ApiStore& store);
  void Bootstrap();

  absl::StatusOr<ObjectPtr> Get(const Target& target) const;
  absl::StatusOr<ObjectPtr> Create(const Context& context, NewObject object);
  // `change` makes the wanted object out of the current one. Conflicts are the client's to handle
  // (409); an object whose last finalizer went away under a deletion is removed.
  using Modifier = std::function<absl::StatusOr<NewObject>(const Object& current)>;
  absl::StatusOr<ObjectPtr> Update(const Context& context, const Target& target,
                                   const std::string& verb, const Modifier& change);
  struct Deleted {
    ObjectPtr object;
    bool gone = false;  // false: a graceful deletion or finalizers are pending
  };
  // A graceful deletion that first puts the condition DisruptionTarget on the pod. Budgets are not
  // looked at.
  absl::Status Evict(const Context& context, const std::string& ns, const std::string& name,
                     const ApiDeleteOptions& options);
  absl::StatusOr<Deleted> Delete(const Context& context, const Target& target,
                                 const ApiDeleteOptions& options);
  // What was selected, in its last state.
  absl::StatusOr<std::vector<ObjectPtr>> DeleteCollection(const Context& context,
                                                          const ApiKind& kind,
                                                          const std::string& ns,
                                                          const ApiSelector& selector,
                                                          const ApiDeleteOptions& options);
  absl::Status Bind(const Context& context, const std::string& ns, const std::string& name,
                    const std::string& uid, const std::string& node);

  ApiStore& store() { return store_; }

 private:
  absl::StatusOr<Deleted> DeletePod(const Context& context, const ObjectPtr& current,
                                    const ApiDeleteOptions& options);
  absl::StatusOr<Deleted> Remove(const Context& context, const Object& current);

  ApiStore& store_;
};

}  // namespace kubelet::fakes
