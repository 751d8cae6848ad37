#include "fakes/memory_patch.h"

#include <algorithm>
#include <boost/json.hpp>

#include "kubelet/api/codec.h"
#include "kubelet/api/options.pb.h"

namespace kubelet::test {
namespace {

namespace json = boost::json;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

void MergeObject(json::object& target, const json::object& patch, const Descriptor* type);

const FieldDescriptor* FieldOf(const Descriptor* type, const std::string& key) {
  for (int i = 0; type != nullptr && i < type->field_count(); ++i) {
    const auto* field = type->field(i);
    if (field->options().GetExtension(api::inlined)) {
      if (const auto* inner = FieldOf(field->message_type(), key)) return inner;
    } else if (field->json_name() == key) {
      return field;
    }
  }
  return nullptr;
}

bool Merges(const FieldDescriptor* field) {
  if (field == nullptr || field->is_map()) return false;
  return field->options().GetExtension(api::patch_strategy).find("merge") != std::string::npos;
}

std::string Directive(const json::value& value) {
  const auto* object = value.if_object();
  const auto* found = object == nullptr ? nullptr : object->if_contains("$patch");
  return found == nullptr ? "" : json::value_to<std::string>(*found);
}

void MergeList(json::array& target, const json::array& patch, const FieldDescriptor* field) {
  std::string key = field->options().GetExtension(api::patch_merge_key);
  if (std::any_of(patch.begin(), patch.end(),
                  [](const auto& item) { return Directive(item) == "replace"; })) {
    // The list is taken as it is: two items may share a key.
    target.clear();
    for (const auto& item : patch) {
      if (Directive(item).empty()) target.push_back(item);
    }
    return;
  }
  for (const auto& item : patch) {
    std::string directive = Directive(item);
    auto same = [&](const json::value& other) {
      if (!item.is_object() || key.empty()) return other == item;
      const auto* a = other.as_object().if_contains(key);
      const auto* b = item.as_object().if_contains(key);
      return a != nullptr && b != nullptr && *a == *b;
    };
    auto found = std::find_if(target.begin(), target.end(), same);
    if (directive == "delete") {
      if (found != target.end()) target.erase(found);
    } else if (found == target.end()) {
      target.push_back(item);
    } else if (item.is_object()) {
      MergeObject(found->as_object(), item.as_object(), field->message_type());
    }
  }
}

// Keys that begin with a dollar say how to merge. True: done with it.
bool ApplyDirective(json::object& target, const std::string& key, const json::value& value) {
  static const std::string kDelete = "$deleteFromPrimitiveList/";
  if (key == "$retainKeys") {
    for (auto it = target.begin(); it != target.end();) {
      const auto& keep = value.as_array();
      bool kept = std::find(keep.begin(), keep.end(), json::value(it->key())) != keep.end();
      it = kept ? std::next(it) : target.erase(it);
    }
  } else if (key.rfind(kDelete, 0) == 0) {
    if (auto* list = target.if_contains(key.substr(kDelete.size()))) {
      for (const auto& gone : value.as_array()) {
        auto& array = list->as_array();
        array.erase(std::remove(array.begin(), array.end(), gone), array.end());
      }
    }
  }
  return key[0] == '$';
}

// `type` is null inside of maps and for plain merge patches.
void MergeObject(json::object& target, const json::object& patch, const Descriptor* type) {
  for (const auto& [name, value] : patch) {
    std::string key(name);
    if (!key.empty() && ApplyDirective(target, key, value)) continue;
    const auto* field = FieldOf(type, key);
    std::string directive = Directive(value);
    if (value.is_null() || directive == "delete") {
      target.erase(key);
    } else if (value.is_object()) {
      auto& slot = target[key];
      if (!slot.is_object() || directive == "replace") slot.emplace_object();
      bool typed = field != nullptr && !field->is_map();
      MergeObject(slot.as_object(), value.as_object(), typed ? field->message_type() : nullptr);
    } else if (value.is_array() && Merges(field)) {
      auto& slot = target[key];
      if (!slot.is_array()) slot.emplace_array();
      MergeList(slot.as_array(), value.as_array(), field);
    } else {
      target[key] = value;
    }
  }
}

}  // namespace

absl::Status ApplyPatch(google::protobuf::Message& object, const std::string& patch,
                        bool strategic) {
  boost::system::error_code error;
  auto value = json::parse(patch, error);
  if (error || !value.is_object()) return absl::InvalidArgumentError("not a JSON object: " + patch);
  auto target = json::parse(api::EncodeJson(object));
  MergeObject(target.as_object(), value.as_object(), strategic ? object.GetDescriptor() : nullptr);
  return api::DecodeJson(json::serialize(target), object);
}

}  // namespace kubelet::test
