// Applying a strategic merge patch.
#include <algorithm>
#include <limits>
#include <utility>

#include "api/patch_schema.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/patch.h"
#include "kubelet/base/status.h"

namespace kubelet::api {
namespace {

namespace json = boost::json;

constexpr size_t kNowhere = std::numeric_limits<size_t>::max();

json::string_view View(std::string_view text) { return {text.data(), text.size()}; }

const json::value* Directive(const json::value& item) {
  const json::object* object = item.if_object();
  return object == nullptr ? nullptr : object->if_contains(View(kPatchDirective));
}

// Null values delete; in what is new there is nothing to delete. Directives are not stored either.
void Clean(json::value& value) {
  if (json::array* array = value.if_array()) {
    array->erase(std::remove_if(array->begin(), array->end(),
                                [](auto& item) { return Directive(item) != nullptr; }),
                 array->end());
    for (json::value& item : *array) Clean(item);
  } else if (json::object* object = value.if_object()) {
    json::object kept;
    for (json::key_value_pair& entry : *object) {
      if (entry.value().is_null() || Directive(entry.value()) != nullptr) continue;
      Clean(entry.value());
      kept.emplace(entry.key(), std::move(entry.value()));
    }
    *object = std::move(kept);
  }
}

bool SameItem(const json::value& a, const json::value& b, const std::string& merge_key) {
  const json::value* key = ItemKey(a, merge_key);
  const json::value* other = ItemKey(b, merge_key);
  return key != nullptr && other != nullptr && *key == *other;
}

size_t IndexOf(const json::array& items, const json::value& item, const std::string& merge_key) {
  for (size_t i = 0; i < items.size(); ++i)
    if (SameItem(items[i], item, merge_key)) return i;
  return kNowhere;
}

absl::Status NeedKeys(const json::array& items, const std::string& merge_key) {
  for (const json::value& item : items) {
    if (!merge_key.empty() && !item.is_object())
      return absl::FailedPreconditionError("a merge list holds something that is no object");
    if (ItemKey(item, merge_key) == nullptr)
      return absl::FailedPreconditionError("map: " + json::serialize(item) +
                                           " does not contain declared merge key: " + merge_key);
  }
  return absl::OkStatus();
}

void SortBy(const json::array& order, const std::string& merge_key,
            std::vector<json::value>& items) {
  std::stable_sort(items.begin(), items.end(), [&](const json::value& a, const json::value& b) {
    return IndexOf(order, a, merge_key) < IndexOf(order, b, merge_key);
  });
}

// What `wanted` names stands in its order; the rest keeps the order it has in `live` and is woven
// in between: an item goes before the first named one that follows it in `live`. What is new thus
// comes first, as upstream has it.
json::array Order(json::array items, const json::array& wanted, const json::array& live,
                  const std::string& merge_key) {
  std::vector<json::value> named;
  std::vector<json::value> others;
  for (json::value& item : items)
    (IndexOf(wanted, item, merge_key) == kNowhere ? others : named).push_back(std::move(item));
  SortBy(wanted, merge_key, named);
  SortBy(live, merge_key, others);
  json::array all;
  size_t i = 0;
  for (json::value& item : named) {
    size_t place = IndexOf(live, item, merge_key);
    while (place != kNowhere && i < others.size() && IndexOf(live, others[i], merge_key) < place)
      all.push_back(std::move(others[i++]));
    all.push_back(std::move(item));
  }
  while (i < others.size()) all.push_back(std::move(others[i++]));
  return all;
}

absl::Status MergeObject(json::object& into, json::object patch, const PatchSchema& schema);

// Carries out and takes away the items of `patch` that are directives; `$patch: replace` leaves all
// of the patch's items in `list` and none in `patch`.
absl::Status TakeDirectives(json::array& list, json::array& patch, const std::string& merge_key) {
  json::array plain;
  bool replace = false;
  for (json::value& item : patch) {
    const json::value* directive = Directive(item);
    if (directive == nullptr) {
      plain.push_back(std::move(item));
    } else if (*directive == "delete") {
      const json::value* key = ItemKey(item, merge_key);
      if (key == nullptr)
        return absl::FailedPreconditionError("map: " + json::serialize(item) +
                                             " does not contain declared merge key: " + merge_key);
      list.erase(std::remove_if(list.begin(), list.end(),
                                [&](auto& mine) {
                                  const json::value* my_key = ItemKey(mine, merge_key);
                                  return my_key != nullptr && *my_key == *key;
                                }),
                 list.end());
    } else if (*directive == "replace") {
      replace = true;
    } else {
      return absl::InvalidArgumentError("unknown patch type " + json::serialize(*directive));
    }
  }
  if (replace) {
    list = std::move(plain);
    patch.clear();
  } else {
    patch = std::move(plain);
  }
  return absl::OkStatus();
}

// `live` gets the list as it is before items come in.
absl::Status MergeItems(json::array& list, json::array& patch, json::array& live,
                        const PatchField& field) {
  RETURN_IF_ERROR(TakeDirectives(list, patch, field.merge_key));
  RETURN_IF_ERROR(NeedKeys(list, field.merge_key));
  RETURN_IF_ERROR(NeedKeys(patch, field.merge_key));
  live = list;
  for (json::value& item : patch) {
    size_t at = IndexOf(list, item, field.merge_key);
    if (at == kNowhere) {
      list.push_back(item);
    } else {
      RETURN_IF_ERROR(MergeObject(list[at].get_object(), item.get_object(), field.schema));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<json::array> MergeList(json::array list, json::array patch,
                                      const PatchField& field) {
  if (field.merge_key.empty()) {
    json::array both;
    for (json::array* source : {&list, &patch})
      for (const json::value& item : *source)
        if (IndexOf(both, item, "") == kNowhere) both.push_back(item);
    return Order(std::move(both), patch, list, "");
  }
  json::array live;
  RETURN_IF_ERROR(MergeItems(list, patch, live, field));
  return Order(std::move(list), patch, live, field.merge_key);
}

// Each item of the patch is in the wanted order, and in that order.
bool FollowsOrder(const json::array& patch, const json::array& wanted,
                  const std::string& merge_key) {
  size_t next = 0;
  for (const json::value& item : patch) {
    if (Directive(item) != nullptr) continue;
    while (next < wanted.size() && !SameItem(wanted[next], item, merge_key)) ++next;
    if (next == wanted.size()) return false;
    ++next;
  }
  return true;
}

absl::Status MergeOrderedList(json::object& into, json::object& patch, const std::string& name,
                              const json::value& order, const PatchSchema& schema) {
  const json::array* wanted = order.if_array();
  if (wanted == nullptr)
    return absl::InvalidArgumentError("invalid patch format of setElementOrder list");
  PatchField field = FindPatchField(schema, name);
  RETURN_IF_ERROR(NeedKeys(*wanted, field.merge_key));
  json::value* mine = into.if_contains(name);
  json::value* change = patch.if_contains(name);
  if ((mine != nullptr && !mine->is_array()) || (change != nullptr && !change->is_array()))
    return absl::FailedPreconditionError(name + ": expected a list");
  json::array live = mine == nullptr ? json::array() : mine->get_array();
  json::array merged = live;
  if (change != nullptr) {
    if (!wanted->empty() && !FollowsOrder(change->get_array(), *wanted, field.merge_key))
      return absl::FailedPreconditionError("The order in patch list:\n" + json::serialize(*change) +
                                           "\n doesn't match $setElementOrder list:\n" +
                                           json::serialize(order));
    if (mine == nullptr) {
      Clean(*change);
      merged = change->get_array();
    } else if (field.merge) {
      auto both = MergeList(live, change->get_array(), field);
      RETURN_IF_ERROR(both.status());
      merged = *std::move(both);
    } else {
      merged = change->get_array();
    }
  } else if (mine == nullptr) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(NeedKeys(merged, field.merge_key));
  into[name] = Order(std::move(merged), *wanted, live, field.merge_key);
  patch.erase(name);
  return absl::OkStatus();
}

absl::Status MergeOrderedLists(json::object& into, json::object& patch, const PatchSchema& schema) {
  std::vector<std::pair<std::string, json::value>> orders;
  for (const json::key_value_pair& entry : patch) {
    std::string key(entry.key());
    if (key.rfind(kSetElementOrder, 0) == 0) orders.emplace_back(key, entry.value());
  }
  for (auto& [key, order] : orders) {
    patch.erase(key);
    RETURN_IF_ERROR(
        MergeOrderedList(into, patch, key.substr(kSetElementOrder.size()), order, schema));
  }
  return absl::OkStatus();
}

absl::Status RetainKeys(json::object& into, json::object& patch) {
  json::value* directive = patch.if_contains(View(kRetainKeys));
  if (directive == nullptr) return absl::OkStatus();
  if (!directive->is_array())
    return absl::InvalidArgumentError("invalid patch format of retainKeys");
  json::array names = std::move(directive->get_array());
  patch.erase(View(kRetainKeys));
  for (const json::key_value_pair& entry : patch) {
    std::string key(entry.key());
    if (entry.value().is_null() || key.rfind(kDeleteFromList, 0) == 0 ||
        key.rfind(kSetElementOrder, 0) == 0)
      continue;
    if (IndexOf(names, json::value(key), "") == kNowhere)
      return absl::InvalidArgumentError("invalid patch format of retainKeys: no " + key);
  }
  json::object kept;
  for (json::key_value_pair& entry : into) {
    if (IndexOf(names, json::value(entry.key()), "") != kNowhere)
      kept.emplace(entry.key(), std::move(entry.value()));
  }
  into = std::move(kept);
  return absl::OkStatus();
}

absl::Status DeleteFromList(json::object& into, const std::string& name, const json::value& patch) {
  json::value* list = into.if_contains(name);
  if (!patch.is_array())
    return absl::InvalidArgumentError("invalid patch format of primitive list");
  if (list == nullptr || !list->is_array()) return absl::OkStatus();
  json::array kept;
  for (json::value& item : list->get_array())
    if (IndexOf(patch.get_array(), item, "") == kNowhere) kept.push_back(std::move(item));
  *list = std::move(kept);
  return absl::OkStatus();
}

absl::Status MergeField(json::object& into, const std::string& key, json::value& patch,
                        const PatchSchema& schema) {
  if (key.rfind(kDeleteFromList, 0) == 0)
    return DeleteFromList(into, key.substr(kDeleteFromList.size()), patch);
  if (patch.is_null()) {
    into.erase(key);
    return absl::OkStatus();
  }
  json::value* mine = into.if_contains(key);
  PatchField field = FindPatchField(schema, key);
  if (mine != nullptr && mine->is_object() && patch.is_object() && !field.replace)
    return MergeObject(mine->get_object(), std::move(patch.get_object()), field.schema);
  if (mine != nullptr && mine->is_array() && patch.is_array() && field.merge) {
    auto merged = MergeList(mine->get_array(), std::move(patch.get_array()), field);
    RETURN_IF_ERROR(merged.status());
    *mine = *std::move(merged);
    return absl::OkStatus();
  }
  if (Directive(patch) != nullptr) {
    into.erase(key);
    return absl::OkStatus();
  }
  // What replaces a list or an object by strategy is taken as it is.
  if (mine == nullptr || mine->kind() != patch.kind()) Clean(patch);
  into[key] = std::move(patch);
  return absl::OkStatus();
}

absl::Status MergeObject(json::object& into, json::object patch, const PatchSchema& schema) {
  if (const json::value* directive = patch.if_contains(View(kPatchDirective))) {
    if (*directive == "delete") {
      into.clear();
    } else if (*directive == "replace") {
      patch.erase(View(kPatchDirective));
      into = std::move(patch);
    } else {
      return absl::InvalidArgumentError("unknown patch type " + json::serialize(*directive));
    }
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(RetainKeys(into, patch));
  RETURN_IF_ERROR(MergeOrderedLists(into, patch, schema));
  // Items to take out of a list go after those to put in.
  for (bool deletions : {false, true}) {
    for (json::key_value_pair& entry : patch) {
      std::string key(entry.key());
      if ((key.rfind(kDeleteFromList, 0) == 0) != deletions) continue;
      if (absl::Status status = MergeField(into, key, entry.value(), schema); !status.ok())
        return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ApplyStrategicMerge(const std::string& patch, google::protobuf::Message& object) {
  auto change = ParsePatchValue(patch);
  RETURN_IF_ERROR(change.status());
  if (!change->is_object()) return absl::InvalidArgumentError("the patch is no object");
  auto value = ParsePatchValue(EncodeJson(object));
  RETURN_IF_ERROR(value.status());
  if (!value->is_object()) return absl::InvalidArgumentError("not an object in JSON");
  PatchSchema schema;
  schema.message = &PlanOf(object.GetDescriptor());
  RETURN_IF_ERROR(MergeObject(value->get_object(), std::move(change->get_object()), schema));
  return StoreValue(*value, object);
}

}  // namespace kubelet::api
