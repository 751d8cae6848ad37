#include "fakes/api_codec.h"

#include <map>

#include "fakes/api_errors.h"
#include "kubelet/api/codec.h"
#include "kubelet/base/status.h"

namespace kubelet::fakes {
namespace {

constexpr char kJson[] = "application/json";
constexpr char kYaml[] = "application/yaml";
constexpr char kProtobuf[] = "application/vnd.kubernetes.protobuf";

// `a/b;c=d;e=f` -> the type and its parameters.
std::string MediaType(std::string text, std::map<std::string, std::string>& parameters) {
  std::string type;
  bool first = true;
  while (!text.empty()) {
    auto end = text.find(';');
    std::string part = text.substr(0, end);
    text.erase(0, end == std::string::npos ? text.size() : end + 1);
    auto from = part.find_first_not_of(" \t");
    auto to = part.find_last_not_of(" \t");
    part = from == std::string::npos ? "" : part.substr(from, to - from + 1);
    auto equals = part.find('=');
    if (first) {
      type = part;
    } else if (equals != std::string::npos) {
      parameters[part.substr(0, equals)] = part.substr(equals + 1);
    }
    first = false;
  }
  return type;
}

bool Accepts(const std::string& entry, ApiForm& form) {
  std::map<std::string, std::string> parameters;
  std::string type = MediaType(entry, parameters);
  form = ApiForm();
  if (type == kProtobuf) {
    form.media = ApiForm::Media::kProtobuf;
  } else if (type == kYaml) {
    form.media = ApiForm::Media::kYaml;
  } else if (type != kJson && type != "*/*" && type != "application/*") {
    return false;
  }
  auto as = parameters.find("as");
  if (as == parameters.end()) return true;
  bool meta = parameters["g"] == "meta.k8s.io" && parameters["v"] == "v1";
  if (!meta || form.media != ApiForm::Media::kJson) return false;
  if (as->second == "Table") form.as = ApiForm::As::kTable;
  if (as->second == "PartialObjectMetadata" || as->second == "PartialObjectMetadataList")
    form.as = ApiForm::As::kPartial;
  return form.as != ApiForm::As::kObject;
}

}  // namespace

std::string ApiForm::ContentType(bool watch) const {
  switch (media) {
    case Media::kProtobuf:
      return std::string(kProtobuf) + (watch ? ";stream=watch" : "");
    case Media::kYaml:
      return kYaml;
    case Media::kJson:
      break;
  }
  return kJson;
}

absl::StatusOr<ApiForm> Negotiate(const std::string& accept) {
  if (accept.empty()) return ApiForm();
  std::string rest = accept;
  while (!rest.empty()) {
    auto end = rest.find(',');
    ApiForm form;
    if (Accepts(rest.substr(0, end), form)) return form;
    rest.erase(0, end == std::string::npos ? rest.size() : end + 1);
  }
  return ApiProblem(406, "NotAcceptable",
                    "only the following media types are accepted: application/json, "
                    "application/yaml, application/vnd.kubernetes.protobuf");
}

std::string EncodeBody(const Object& object, ApiForm::Media media) {
  switch (media) {
    case ApiForm::Media::kProtobuf:
      return api::EncodeProtobuf(object);
    case ApiForm::Media::kYaml:
      return api::EncodeYaml(object);
    case ApiForm::Media::kJson:
      break;
  }
  std::string text = api::EncodeJson(object) + "\n";
  const std::string none = "\"items\":null";
  bool list = object.GetDescriptor()->FindFieldByName("items") != nullptr;
  auto at = list ? text.find(none) : std::string::npos;
  if (at != std::string::npos) text.replace(at, none.size(), "\"items\":[]");
  return text;
}

absl::Status DecodeBody(const std::string& content_type, const std::string& body,
                        const std::string& validation, Object& out,
                        std::vector<std::string>* warnings) {
  std::map<std::string, std::string> parameters;
  std::string type = MediaType(content_type, parameters);
  std::vector<std::string> found;
  api::DecodeOptions options;
  options.strict = validation == "Strict" || validation == "Warn" || validation.empty();
  options.warnings = &found;
  absl::Status status;
  if (type == kProtobuf) {
    status = api::DecodeProtobuf(body, out);
  } else if (type == kYaml) {
    status = api::DecodeYaml(body, out, options);
  } else if (type == kJson || type.empty()) {
    status = api::DecodeJson(body, out, options);
  } else {
    return ApiProblem(415, "UnsupportedMediaType",
                      "the body of the request was in an unknown format - accepted media types "
                      "include: application/json, application/yaml, "
                      "application/vnd.kubernetes.protobuf");
  }
  std::string name = out.GetDescriptor()->name();
  std::string prefix = name + " in version \"v1\" cannot be handled as a " + name + ": ";
  if (!status.ok()) return ApiBadRequest(prefix + base::Message(status));
  if (validation == "Strict" && !found.empty()) {
    std::string text;
    for (const std::string& problem : found) text += (text.empty() ? "" : ", ") + problem;
    return ApiBadRequest(prefix + "strict decoding error: " + text);
  }
  if (warnings != nullptr) *warnings = found;
  return absl::OkStatus();
}

NewObject MakeList(const ApiKind& kind, const std::vector<ObjectPtr>& items, uint64_t revision,
                   const std::string& next, int64_t remaining) {
  NewObject list(kind.list->New());
  const auto* reflection = list->GetReflection();
  auto& meta = static_cast<api::meta::ListMeta&>(
      *reflection->MutableMessage(list.get(), list->GetDescriptor()->FindFieldByName("metadata")));
  meta.set_resource_version(std::to_string(revision));
  if (!next.empty()) meta.set_continue_(next);
  if (remaining > 0) meta.set_remaining_item_count(remaining);
  const auto* field = list->GetDescriptor()->FindFieldByName("items");
  for (const ObjectPtr& item : items) reflection->AddMessage(list.get(), field)->CopyFrom(*item);
  return list;
}

std::string WatchFrame(const std::string& type, const Object& object, ApiForm::Media media) {
  if (media != ApiForm::Media::kProtobuf)
    return "{\"type\":\"" + type + "\",\"object\":" + api::EncodeJson(object) + "}\n";
  api::meta::WatchEvent event;
  event.set_type(type);
  event.mutable_object()->set_raw(api::EncodeProtobuf(object));
  std::string body = event.SerializeAsString();
  std::string frame;
  for (int shift : {24, 16, 8, 0}) frame += static_cast<char>(body.size() >> shift);
  return frame + body;
}

}  // namespace kubelet::fakes
