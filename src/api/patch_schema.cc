#include "api/patch_schema.h"

#include <memory>
#include <utility>

#include "kubelet/api/codec.h"
#include "kubelet/base/status.h"

namespace kubelet::api {

namespace json = boost::json;

PatchField FindPatchField(const PatchSchema& schema, std::string_view key) {
  PatchField found;
  if (schema.map != nullptr) {
    found.schema.message = schema.map->message;
    return found;
  }
  if (schema.message == nullptr || schema.message->form != OBJECT) return found;
  const KeyPlan* plan = schema.message->Find(key);
  if (plan == nullptr || plan->field == nullptr) return found;
  if (plan->field->map) {
    found.schema.map = plan->field;
  } else {
    found.schema.message = plan->field->message;
  }
  const auto& options = plan->field->field->options();
  std::string_view strategies = options.GetExtension(patch_strategy);
  while (!strategies.empty()) {
    std::string_view word = strategies.substr(0, strategies.find(','));
    strategies.remove_prefix(std::min(strategies.size(), word.size() + 1));
    found.merge |= word == "merge";
    found.replace |= word == "replace";
    found.retain_keys |= word == "retainKeys";
  }
  found.merge_key = options.GetExtension(patch_merge_key);
  return found;
}

absl::StatusOr<json::value> ParsePatchValue(std::string_view text, json::storage_ptr storage) {
  json::parse_options options;
  options.max_depth = 1000;
  json::error_code error;
  json::value value =
      json::parse(json::string_view(text.data(), text.size()), error, std::move(storage), options);
  if (error) return absl::InvalidArgumentError("not JSON: " + error.message());
  return value;
}

absl::Status StoreValue(const json::value& value, google::protobuf::Message& object) {
  std::unique_ptr<google::protobuf::Message> fresh(object.New());
  RETURN_IF_ERROR(DecodeJson(json::serialize(value), *fresh));
  object.GetReflection()->Swap(&object, fresh.get());
  return absl::OkStatus();
}

const json::value* ItemKey(const json::value& item, std::string_view merge_key) {
  if (merge_key.empty()) return &item;
  const json::object* object = item.if_object();
  return object == nullptr
             ? nullptr
             : object->if_contains(json::string_view(merge_key.data(), merge_key.size()));
}

}  // namespace kubelet::api
