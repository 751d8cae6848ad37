// Two objects -> the strategic merge patch between them.
#include <algorithm>
#include <set>
#include <utility>

#include "api/patch_schema.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/patch.h"
#include "kubelet/base/status.h"

namespace kubelet::api {
namespace {

namespace json = boost::json;

json::string_view View(std::string_view text) { return {text.data(), text.size()}; }

// Go's %v of a scalar: what upstream sorts by.
std::string Word(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : json::serialize(value);
}

enum class Keys { kUnique, kRepeated, kMissing };

Keys CheckKeys(const json::array& items, const std::string& merge_key) {
  std::set<std::string> seen;
  bool repeated = false;
  for (const json::value& item : items) {
    const json::value* key = ItemKey(item, merge_key);
    if (key == nullptr) return Keys::kMissing;
    repeated |= !seen.insert(json::serialize(*key)).second;
  }
  return repeated ? Keys::kRepeated : Keys::kUnique;
}

const json::value* FindItem(const json::array& items, const json::value& key,
                            const std::string& merge_key) {
  for (const json::value& item : items) {
    const json::value* mine = ItemKey(item, merge_key);
    if (mine != nullptr && *mine == key) return &item;
  }
  return nullptr;
}

absl::StatusOr<json::object> DiffObjects(const json::object& from, const json::object& to,
                                         const PatchSchema& schema, bool retain_keys);

// Items of the patch in the order of `to`, then the deletions by key.
absl::StatusOr<json::array> DiffItems(const json::array& from, const json::array& to,
                                      const PatchField& field) {
  json::array patch;
  for (const json::value& item : to) {
    const json::value& key = *ItemKey(item, field.merge_key);
    const json::value* old = FindItem(from, key, field.merge_key);
    if (old == nullptr) {
      patch.push_back(item);
      continue;
    }
    auto change =
        DiffObjects(old->get_object(), item.get_object(), field.schema, field.retain_keys);
    RETURN_IF_ERROR(change.status());
    if (change->empty()) continue;
    (*change)[View(field.merge_key)] = key;
    patch.push_back(*std::move(change));
  }
  std::vector<const json::value*> gone;
  for (const json::value& item : from) {
    const json::value* key = ItemKey(item, field.merge_key);
    if (FindItem(to, *key, field.merge_key) == nullptr) gone.push_back(key);
  }
  std::sort(gone.begin(), gone.end(), [](auto* a, auto* b) { return Word(*a) < Word(*b); });
  for (const json::value* key : gone) {
    json::object deletion;
    deletion[View(kPatchDirective)] = "delete";
    deletion[View(field.merge_key)] = *key;
    patch.push_back(std::move(deletion));
  }
  return patch;
}

bool SameOrder(const json::array& from, const json::array& to, const std::string& merge_key) {
  return std::equal(from.begin(), from.end(), to.begin(), to.end(),
                    [&](const json::value& a, const json::value& b) {
                      return *ItemKey(a, merge_key) == *ItemKey(b, merge_key);
                    });
}

absl::Status DiffMergeList(const std::string& name, const json::array& from, const json::array& to,
                           const PatchField& field, json::object& patch) {
  Keys keys = std::max(CheckKeys(from, field.merge_key), CheckKeys(to, field.merge_key));
  if (keys == Keys::kMissing)
    return absl::InvalidArgumentError(name + ": an item has no merge key " + field.merge_key);
  if (keys == Keys::kRepeated) {
    if (from == to) return absl::OkStatus();
    json::array whole = to;
    whole.push_back(json::object{{View(kPatchDirective), "replace"}});
    patch[name] = std::move(whole);
    return absl::OkStatus();
  }
  if (from.empty()) {
    if (!to.empty()) patch[name] = to;
    return absl::OkStatus();
  }
  auto items = DiffItems(from, to, field);
  if (!items.ok()) return base::Annotate(items.status(), name);
  bool ordered = !items->empty() || !SameOrder(from, to, field.merge_key);
  if (!items->empty()) patch[name] = *std::move(items);
  if (!ordered || to.empty()) return absl::OkStatus();
  json::array order;
  for (const json::value& item : to)
    order.push_back(json::object{{View(field.merge_key), *ItemKey(item, field.merge_key)}});
  patch[std::string(kSetElementOrder) + name] = std::move(order);
  return absl::OkStatus();
}

void DiffScalarList(const std::string& name, const json::array& from, const json::array& to,
                    json::object& patch) {
  if (from == to) return;
  if (from.empty()) {
    patch[name] = to;
    return;
  }
  json::array added;
  for (const json::value& item : to)
    if (FindItem(from, item, "") == nullptr) added.push_back(item);
  json::array gone;
  for (const json::value& item : from)
    if (FindItem(to, item, "") == nullptr && FindItem(gone, item, "") == nullptr)
      gone.push_back(item);
  std::sort(gone.begin(), gone.end(), [](auto& a, auto& b) { return Word(a) < Word(b); });
  if (!added.empty()) patch[name] = std::move(added);
  if (!gone.empty()) patch[std::string(kDeleteFromList) + name] = std::move(gone);
  if (!to.empty()) patch[std::string(kSetElementOrder) + name] = to;
}

absl::Status DiffField(const std::string& name, const json::value& from, const json::value& to,
                       const PatchField& field, json::object& patch) {
  if (from.is_object() && to.is_object() && !field.replace) {
    auto change = DiffObjects(from.get_object(), to.get_object(), field.schema, field.retain_keys);
    if (!change.ok()) return base::Annotate(change.status(), name);
    if (!change->empty()) patch[name] = *std::move(change);
    return absl::OkStatus();
  }
  if (from.is_array() && to.is_array() && field.merge) {
    if (!field.merge_key.empty())
      return DiffMergeList(name, from.get_array(), to.get_array(), field, patch);
    DiffScalarList(name, from.get_array(), to.get_array(), patch);
    return absl::OkStatus();
  }
  if (from != to) patch[name] = to;
  return absl::OkStatus();
}

absl::StatusOr<json::object> DiffObjects(const json::object& from, const json::object& to,
                                         const PatchSchema& schema, bool retain_keys) {
  json::object patch;
  std::vector<std::string> retained;
  for (const json::key_value_pair& entry : to) {
    std::string name(entry.key());
    if (retain_keys && !entry.value().is_null()) retained.push_back(name);
    const json::value* old = from.if_contains(entry.key());
    if (old == nullptr) {
      patch[name] = entry.value();
      continue;
    }
    RETURN_IF_ERROR(DiffField(name, *old, entry.value(), FindPatchField(schema, name), patch));
  }
  for (const json::key_value_pair& entry : from)
    if (!to.contains(entry.key())) patch[entry.key()] = nullptr;
  if (!retained.empty() && !patch.empty()) {
    std::sort(retained.begin(), retained.end());
    patch[View(kRetainKeys)] = json::array(retained.begin(), retained.end());
  }
  return patch;
}

}  // namespace

absl::StatusOr<std::string> StrategicMergeDiff(const google::protobuf::Message& from,
                                               const google::protobuf::Message& to) {
  const MessagePlan& plan = PlanOf(from.GetDescriptor());
  if (from.GetDescriptor() != to.GetDescriptor())
    return absl::InvalidArgumentError("no patch between a " + plan.kind + " and a " +
                                      to.GetDescriptor()->name());
  auto arena = json::make_shared_resource<json::monotonic_resource>();
  auto old_value = ParsePatchValue(EncodeJson(from), arena);
  RETURN_IF_ERROR(old_value.status());
  auto new_value = ParsePatchValue(EncodeJson(to), arena);
  RETURN_IF_ERROR(new_value.status());
  if (!old_value->is_object() || !new_value->is_object())
    return absl::InvalidArgumentError(plan.kind + " is no object in JSON");
  PatchSchema schema;
  schema.message = &plan;
  auto patch = DiffObjects(old_value->get_object(), new_value->get_object(), schema, false);
  RETURN_IF_ERROR(patch.status());
  return json::serialize(*patch);
}

}  // namespace kubelet::api
