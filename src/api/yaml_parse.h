// YAML's grammar: yaml-cpp's events, made as strict as go-yaml, into a YamlDocument.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "api/yaml_document.h"

namespace kubelet::api {

// `text` is what FirstYamlDocument returned. InvalidArgument `yaml: line 3: …` for what the grammar
// or the document refuses; nothing is thrown. Bounded recursion: yaml-cpp stops at 500 levels.
// What go-yaml accepts and this does not is listed in test/api/yaml_differential_test.cc.
absl::Status ParseYaml(const std::string& text, YamlDocument& document);

}  // namespace kubelet::api
