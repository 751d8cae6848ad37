#include "api/yaml_document.h"
#include "api/yaml_parse.h"
#include "api/yaml_text.h"
#include "kubelet/api/codec.h"
#include "kubelet/base/status.h"

namespace kubelet::api {

absl::StatusOr<std::string> YamlToJson(std::string_view yaml) {
  ASSIGN_OR_RETURN(std::string text, FirstYamlDocument(yaml));
  YamlDocument document;
  RETURN_IF_ERROR(ParseYaml(text, document));
  return document.ToJson();
}

absl::Status DecodeYaml(std::string_view yaml, google::protobuf::Message& out,
                        const DecodeOptions& options) {
  out.Clear();
  ASSIGN_OR_RETURN(std::string json, YamlToJson(yaml));
  return DecodeJson(json, out, options);
}

}  // namespace kubelet::api
