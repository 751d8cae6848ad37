// Validation of pods as the API server does for create (pkg/apis/core/validation ValidatePodCreate, 1.36, gates at
// their defaults). Pure and thread safe.
// Deviations: the details are worded by us; maps are walked in order of their keys; paths name the very field that
// is wrong where upstream names a neighbour or leaves an index out (spec.containers[0].volumeMounts[1].subPath,
// spec.tolerations[0].value). Not looked at: status, spec.priority (admission's), privileged (always allowed).
#pragma once

#include <string>
#include <vector>

#include "k8s/core/v1/config.pb.h"
#include "kubelet/api/types.h"

namespace kubelet::api {

struct FieldError {
  enum class Kind { kRequired, kInvalid, kDuplicate, kForbidden, kNotSupported, kTooLong, kTooMany, kNotFound };
  Kind kind = Kind::kInvalid;
  std::string path;    // spec.containers[0].name
  std::string value;   // offending value as shown to people: text in quotes, numbers bare, messages as JSON;
                       // empty for kinds that show none (required, forbidden, too long)
  std::string detail;  // may be empty
  // Upstream's wording: `spec.containers[0].image: Required value`, `x: Invalid value: "y": detail`.
  std::string ToString() const;
};

// Every error at once, in the order of the fields. Empty means valid. Run after ApplyPodDefaults.
std::vector<FieldError> ValidatePodCreate(const core::Pod& pod);

// Why a static pod may not be run without the API: `static pods may not reference secrets` and the like
// (pkg/api/pod/util.go HasAPIObjectReference), or `unknown volume type ...` when a volume has a source that this
// API version does not know. Empty when the pod has no reference to an object of the API.
std::string StaticPodReference(const core::Pod& pod);
// The pod without what it reads from ConfigMaps and Secrets: variables are left out, volumes are
// empty, projected sources are gone. What a static pod may name when it reads them from local files,
// and what its mirror shows (the API server takes no mirror pod that names one).
core::Pod WithoutObjectReferences(const core::Pod& pod);

// As the API server for create; Secrets after their stringData went into data. No message shows a
// value of a Secret.
std::vector<FieldError> ValidateConfigMap(const core::ConfigMap& map);
std::vector<FieldError> ValidateSecret(const core::Secret& secret);

}  // namespace kubelet::api
