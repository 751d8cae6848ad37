// What each kind does on its way into the store: defaults, admission, validation, what a
// subresource may change, and how it is deleted. Pure but for look-ups in the store.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "fakes/api_store.h"

namespace kubelet::fakes {

struct ApiUser {
  std::string name, uid;
  std::vector<std::string> groups;
  bool In(const std::string& group) const;
  // `n1` of system:node:n1 in group system:nodes; empty for others.
  std::string node() const;
};

// Before ApiStore::Create: metadata is checked, defaults and admission are applied, the object
// validated.
absl::Status PrepareCreate(const ApiStore& store, const ApiUser& user, Object& object,
                           const std::string& pod_suffix);
// Before ApiStore::Replace. `next` is what the client wants; what it may not change by this
// subresource (empty: the object itself) is put back, what it must not try to change is an error.
absl::Status PrepareUpdate(const std::string& verb, const std::string& subresource,
                           const Object& current, Object& next);

// Pods (api_strategy_pods.cc).
absl::Status PreparePodCreate(const ApiStore& store, api::core::Pod& pod,
                              const std::string& suffix);
absl::Status PreparePodUpdate(const std::string& subresource, const api::core::Pod& current,
                              api::core::Pod& next);

// What NodeRestriction and the Node authorizer say to a node's own requests; OK for other users.
// `object` is what is created or the result of an update, `current` what there is; either may be
// null.
struct ApiRequestKind {
  std::string verb;  // get, list, watch, create, update, patch, delete, deletecollection
  const ApiKind* kind = nullptr;
  std::string ns, name, subresource;
};
absl::Status CheckNodeAccess(const ApiStore& store, const ApiUser& user,
                             const ApiRequestKind& request, const Object* current,
                             const Object* object);

// What a deletion of a pod with this grace does to its metadata (apiserver pkg/registry/rest
// BeforeDelete): kNow: it goes at once; kGraceful: `pod` was changed; kPending: nothing to do.
enum class PodDeletion { kNow, kGraceful, kPending };
PodDeletion BeginPodDeletion(base::WallTime now, std::optional<int64_t> grace, api::core::Pod& pod);

}  // namespace kubelet::fakes
