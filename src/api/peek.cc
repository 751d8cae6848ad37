#include "api/peek_json.h"

namespace kubelet::api {

absl::StatusOr<TypeMeta> PeekTypeMeta(std::string_view document) {
  size_t start = document.find_first_not_of(" \t\r\n");
  bool well_formed = false;
  if (start != std::string_view::npos && document[start] == '{') {
    absl::StatusOr<TypeMeta> type = PeekJson(document, well_formed);
    if (well_formed) return type;
  }
  // Flow mappings of YAML begin like JSON.
  absl::StatusOr<std::string> json = YamlToJson(document);
  if (!json.ok()) return json.status();
  return PeekJson(*json, well_formed);
}

}  // namespace kubelet::api
