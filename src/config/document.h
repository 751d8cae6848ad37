// One configuration document: main file, drop-in, or a file to check.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "config/json.h"
#include "config/validation.h"
#include "kubelet/config/v1beta1/config.pb.h"

namespace kubelet::config {

inline constexpr char kConfigVersion[] = "kubelet.config.k8s.io/v1beta1";
inline constexpr char kConfigKind[] = "KubeletConfiguration";

struct Document {
  v1beta1::KubeletConfiguration config;  // as written, without defaults
  JsonValue json;                        // the same, to see what was written at all
  std::vector<std::string> strict;       // unknown and duplicate fields; they were dropped
};

// InvalidArgument for text that is no YAML, another or no kind and apiVersion, and values of the
// wrong type.
absl::StatusOr<Document> ReadDocument(const std::string& text);

// Back from JSON, after a merge. Unknown fields are dropped.
absl::StatusOr<Document> ReadMerged(const JsonValue& json);

// Defaults for what was read. Differs from SetDefaults where "empty" and "absent" are two things:
// enforceNodeAllocatable: [] enforces nothing.
void SetDocumentDefaults(Document& document, const std::map<std::string, bool>& gates);

// Makes the file names of the configuration absolute, from the directory of the file they stand in.
void ResolvePaths(v1beta1::KubeletConfiguration& config, const std::string& directory);

// Line of a field in a text, counting from 1; 0 when it cannot be told. For block YAML and indented
// JSON.
int LineOf(const std::string& text, const std::string& path);

}  // namespace kubelet::config
