// RFC 7386 (JSON merge patch) and RFC 6902 (JSON patch).
#include <charconv>
#include <optional>
#include <utility>

#include "api/patch_schema.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/patch.h"
#include "kubelet/base/status.h"

namespace kubelet::api {
namespace {

namespace json = boost::json;

void MergeInto(json::value& target, json::value& patch) {
  if (!patch.is_object()) {
    target = std::move(patch);
    return;
  }
  if (!target.is_object()) target.emplace_object();
  json::object& object = target.get_object();
  for (json::key_value_pair& entry : patch.get_object()) {
    if (entry.value().is_null()) {
      object.erase(entry.key());
    } else {
      MergeInto(object[entry.key()], entry.value());
    }
  }
}

// The steps of a JSON pointer (RFC 6901); nullopt when the text is none.
std::optional<std::vector<std::string>> Steps(std::string_view pointer) {
  std::vector<std::string> steps;
  if (pointer.empty()) return steps;
  if (pointer[0] != '/') return std::nullopt;
  for (size_t i = 0; i < pointer.size(); ++i) {
    if (pointer[i] == '/') {
      steps.emplace_back();
    } else if (pointer[i] == '~') {
      if (++i == pointer.size() || (pointer[i] != '0' && pointer[i] != '1')) return std::nullopt;
      steps.back() += pointer[i] == '0' ? '~' : '/';
    } else {
      steps.back() += pointer[i];
    }
  }
  return steps;
}

std::optional<size_t> Index(const std::string& step, size_t limit) {
  size_t index = 0;
  auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), index);
  bool digits = error == std::errc() && end == step.data() + step.size() &&
                (step.size() == 1 || step[0] != '0');
  if (!digits || index >= limit) return std::nullopt;
  return index;
}

json::value* Step(json::value& value, const std::string& step) {
  if (json::object* object = value.if_object()) return object->if_contains(step);
  json::array* array = value.if_array();
  if (array == nullptr) return nullptr;
  auto index = Index(step, array->size());
  return index ? &(*array)[*index] : nullptr;
}

class Patcher {
 public:
  explicit Patcher(json::value& document) : document_(document) {}

  absl::Status Do(const json::value& operation) {
    const json::object* fields = operation.if_object();
    if (fields == nullptr) return absl::InvalidArgumentError("a JSON patch operation is no object");
    auto op = Text(*fields, "op");
    auto path = Text(*fields, "path");
    if (!op || !path)
      return absl::InvalidArgumentError("a JSON patch operation without op or path");
    const json::value* value = fields->if_contains("value");
    if (*op == "remove") return Remove(*path).status();
    if (*op == "move" || *op == "copy")
      return Transfer(*op == "move", Text(*fields, "from"), *path);
    if (*op != "add" && *op != "replace" && *op != "test")
      return absl::InvalidArgumentError("unknown JSON patch operation " + *op);
    if (value == nullptr)
      return absl::InvalidArgumentError("JSON patch " + *op + " " + *path + " without a value");
    if (*op == "add") return Add(*path, *value);
    json::value* place = Find(*path);
    if (*op == "replace") {
      if (place == nullptr) return Missing(*path);
      *place = *value;
      return absl::OkStatus();
    }
    bool equal = place == nullptr ? value->is_null() : *place == *value;
    return equal ? absl::OkStatus()
                 : absl::FailedPreconditionError("testing value " + *path + " failed");
  }

 private:
  static std::optional<std::string> Text(const json::object& fields, const char* name) {
    const json::value* value = fields.if_contains(name);
    if (value == nullptr || !value->is_string()) return std::nullopt;
    return std::string(value->get_string());
  }
  static absl::Status Missing(const std::string& path) {
    return absl::FailedPreconditionError("the path " + path + " is not there");
  }

  json::value* Find(const std::string& path) {
    auto steps = Steps(path);
    if (!steps) return nullptr;
    json::value* value = &document_;
    for (const std::string& step : *steps)
      if ((value = Step(*value, step)) == nullptr) return nullptr;
    return value;
  }

  // What holds the last step of the path; that step goes to `last`.
  json::value* FindParent(const std::string& path, std::string& last) {
    auto steps = Steps(path);
    if (!steps || steps->empty()) return nullptr;
    last = steps->back();
    steps->pop_back();
    json::value* value = &document_;
    for (const std::string& step : *steps)
      if ((value = Step(*value, step)) == nullptr) return nullptr;
    return value;
  }

  absl::Status Add(const std::string& path, const json::value& value) {
    if (path.empty()) {
      document_ = value;
      return absl::OkStatus();
    }
    std::string last;
    json::value* parent = FindParent(path, last);
    if (parent == nullptr) return Missing(path);
    if (json::object* object = parent->if_object()) {
      (*object)[last] = value;
      return absl::OkStatus();
    }
    json::array* array = parent->if_array();
    if (array == nullptr) return Missing(path);
    auto index =
        last == "-" ? std::optional<size_t>(array->size()) : Index(last, array->size() + 1);
    if (!index) return Missing(path);
    array->insert(array->begin() + static_cast<std::ptrdiff_t>(*index), value);
    return absl::OkStatus();
  }

  absl::StatusOr<json::value> Remove(const std::string& path) {
    std::string last;
    json::value* parent = FindParent(path, last);
    json::value* place = parent == nullptr ? nullptr : Step(*parent, last);
    if (place == nullptr) return Missing(path);
    json::value taken = std::move(*place);
    if (json::object* object = parent->if_object()) {
      object->erase(last);
    } else {
      json::array& array = parent->get_array();
      array.erase(array.begin() + (place - array.data()));
    }
    return taken;
  }

  absl::Status Transfer(bool move, const std::optional<std::string>& from,
                        const std::string& path) {
    if (!from) return absl::InvalidArgumentError("JSON patch move or copy without from");
    if (move && path.rfind(*from + "/", 0) == 0)
      return absl::FailedPreconditionError("cannot move " + *from + " into itself");
    json::value* place = Find(*from);
    if (place == nullptr) return Missing(*from);
    json::value value = *place;
    if (move) {
      auto taken = Remove(*from);
      RETURN_IF_ERROR(taken.status());
    }
    return Add(path, value);
  }

  json::value& document_;
};

}  // namespace

absl::Status ApplyMergePatch(const std::string& patch, google::protobuf::Message& object) {
  auto change = ParsePatchValue(patch);
  RETURN_IF_ERROR(change.status());
  if (!change->is_object()) return absl::InvalidArgumentError("the patch is no object");
  auto value = ParsePatchValue(EncodeJson(object));
  RETURN_IF_ERROR(value.status());
  MergeInto(*value, *change);
  return StoreValue(*value, object);
}

absl::Status ApplyJsonPatch(const std::string& patch, google::protobuf::Message& object) {
  auto change = ParsePatchValue(patch);
  RETURN_IF_ERROR(change.status());
  if (!change->is_array()) return absl::InvalidArgumentError("the JSON patch is no list");
  auto value = ParsePatchValue(EncodeJson(object));
  RETURN_IF_ERROR(value.status());
  Patcher patcher(*value);
  for (const json::value& operation : change->get_array()) RETURN_IF_ERROR(patcher.Do(operation));
  return StoreValue(*value, object);
}

}  // namespace kubelet::api
