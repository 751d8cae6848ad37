// What a Kubernetes API server says no with, worded as upstream does (apimachinery pkg/api/errors).
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "fakes/api_kinds.h"
#include "kubelet/client/api.h"

namespace kubelet::fakes {

// A status that carries the HTTP code, the reason and perhaps Retry-After; see client::ErrorOf.
// `details` goes into the body.
absl::Status ApiProblem(int code, const std::string& reason, const std::string& message);
absl::Status ApiProblem(int code, const std::string& reason, const std::string& message,
                        const api::meta::StatusDetails& details);
absl::Status ApiNotFound(const ApiKind& kind, const std::string& name);
absl::Status ApiAlreadyExists(const ApiKind& kind, const std::string& name);
absl::Status ApiConflict(const ApiKind& kind, const std::string& name, const std::string& why);
absl::Status ApiModified(const ApiKind& kind, const std::string& name);
// Each problem is `field: what is wrong`, and becomes a cause.
absl::Status ApiInvalid(const ApiKind& kind, const std::string& name, const std::string& problem);
absl::Status ApiInvalid(const ApiKind& kind, const std::string& name,
                        const std::vector<std::string>& problems);
absl::Status ApiForbidden(const ApiKind& kind, const std::string& name, const std::string& why);
absl::Status ApiBadRequest(const std::string& message);
absl::Status ApiExpired(uint64_t asked, uint64_t oldest);
absl::Status ApiTooLargeVersion(const std::string& asked, uint64_t current);

// The body that answers with such a status; any other status becomes a 500.
api::meta::Status ApiStatusBody(const absl::Status& status);

}  // namespace kubelet::fakes
