// Image references: `[registry[:port]/]path[:tag][@digest]`.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace kubelet::image {

// The reference with `:latest` added when it has neither tag nor digest; otherwise as written.
// InvalidArgument when it is outside the grammar of distribution/reference (upper case path, empty part, bad tag).
absl::StatusOr<std::string> WithDefaultTag(const std::string& image);

// The image as written, without tag and digest: what records of pulls go by. Also for text that is no reference.
std::string WithoutTag(const std::string& image);

// The full repository that credentials are looked up for: `busybox:1` -> `docker.io/library/busybox`, `a/b` ->
// `docker.io/a/b`, `host:5000/x@sha256:…` -> `host:5000/x`.
std::string CredentialName(const std::string& image);

// The full reference a runtime lists an image under: as CredentialName, with tag or digest (`:latest` when neither).
std::string FullReference(const std::string& image);

}  // namespace kubelet::image
