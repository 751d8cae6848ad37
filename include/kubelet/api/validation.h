// Validation of pods as the API server does for create (pkg/apis/core/validation).
#pragma once

#include <string>
#include <vector>

#include "kubelet/api/types.h"

namespace kubelet::api {

struct FieldError {
  enum class Kind { kRequired, kInvalid, kDuplicate, kForbidden, kNotSupported, kTooLong, kTooMany, kNotFound };
  Kind kind = Kind::kInvalid;
  std::string path;    // spec.containers[0].name
  std::string value;   // offending value as shown to people, may be empty
  std::string detail;
  // Upstream's wording: `spec.containers[0].image: Required value`, `x: Invalid value: "y": detail`.
  std::string ToString() const;
};

// Every error at once, in the order of the fields. Empty means valid. Run after ApplyPodDefaults.
std::vector<FieldError> ValidatePodCreate(const core::Pod& pod);

// `static pods may not reference secrets` and the like (pkg/api/pod/util.go), or empty when the pod has no
// reference to an object of the API.
std::string StaticPodReference(const core::Pod& pod);

}  // namespace kubelet::api
