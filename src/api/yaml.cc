#include "api/yaml_document.h"
#include "api/yaml_parse.h"
#include "api/yaml_text.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/lenient_yaml.h"
#include "kubelet/base/status.h"

namespace kubelet::api {

namespace {

absl::StatusOr<std::string> ToJson(std::string_view yaml, std::vector<std::string>* duplicates) {
  ASSIGN_OR_RETURN(std::string text, FirstYamlDocument(yaml));
  YamlDocument document(duplicates);
  RETURN_IF_ERROR(ParseYaml(text, document));
  return document.ToJson();
}

}  // namespace

absl::StatusOr<std::string> YamlToJson(std::string_view yaml) { return ToJson(yaml, nullptr); }

absl::StatusOr<std::string> YamlToJsonLeniently(std::string_view yaml,
                                                std::vector<std::string>& duplicates) {
  return ToJson(yaml, &duplicates);
}

absl::Status DecodeYaml(std::string_view yaml, google::protobuf::Message& out,
                        const DecodeOptions& options) {
  out.Clear();
  ASSIGN_OR_RETURN(std::string json, YamlToJson(yaml));
  return DecodeJson(json, out, options);
}

}  // namespace kubelet::api
