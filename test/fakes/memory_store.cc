#include "fakes/memory_store.h"

#include <algorithm>
#include <cstdio>

#include "fakes/memory_patch.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/pod.h"
#include "kubelet/api/time.h"
#include "kubelet/client/object.h"

namespace kubelet::test {

namespace core = api::core;
using client::ApiError;
using client::Call;
using client::MessagePtr;
using client::MetaOf;
using client::MutableMetaOf;
using client::ObjectPath;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string KindKey(const client::Resource& resource) {
  return std::string(resource.group) + "/" + resource.plural;
}

absl::Status ApiFailure(int code, const std::string& reason, const std::string& message) {
  ApiError error;
  error.code = code;
  error.reason = reason;
  error.message = message;
  return client::ToStatus(error);
}

absl::Status Expired() { return ApiFailure(410, "Expired", "too old resource version"); }

std::string Param(const Query& query, const std::string& key) {
  for (const auto& [name, value] : query) {
    if (name == key) return value;
  }
  return "";
}

namespace {

std::string NameKey(const std::string& ns, const std::string& name) { return ns + "/" + name; }

std::string Quoted(const ObjectPath& path) {
  return std::string(path.resource.plural) + " \"" + path.name + "\"";
}

absl::Status NotFound(const ObjectPath& path) {
  return ApiFailure(404, "NotFound", Quoted(path) + " not found");
}

absl::Status Conflict(const ObjectPath& path, const std::string& why) {
  return ApiFailure(409, "Conflict",
                    "Operation cannot be fulfilled on " + Quoted(path) + ": " + why);
}

const FieldDescriptor* Field(const Message& message, const std::string& name) {
  return message.GetDescriptor()->FindFieldByName(name);
}

void CopyField(const Message& from, Message& to, const std::string& name) {
  const auto* field = Field(to, name);
  if (field == nullptr) return;
  if (from.GetReflection()->HasField(from, field)) {
    to.GetReflection()
        ->MutableMessage(&to, field)
        ->CopyFrom(from.GetReflection()->GetMessage(from, field));
  } else {
    to.GetReflection()->ClearField(&to, field);
  }
}

bool FieldEquals(const Message& a, const Message& b, const std::string& name) {
  const auto* field = Field(a, name);
  return field == nullptr || api::EncodeJson(a.GetReflection()->GetMessage(a, field)) ==
                                 api::EncodeJson(b.GetReflection()->GetMessage(b, field));
}

// `spec.nodeName` of an object, as text.
std::string ValueAt(const Message& object, std::string path) {
  const Message* at = &object;
  for (;;) {
    auto dot = path.find('.');
    const auto* field = at->GetDescriptor()->FindFieldByCamelcaseName(path.substr(0, dot));
    if (field == nullptr) return "";
    if (dot == std::string::npos) {
      bool text = field->type() == FieldDescriptor::TYPE_STRING;
      return text ? at->GetReflection()->GetString(*at, field) : "";
    }
    at = &at->GetReflection()->GetMessage(*at, field);
    path.erase(0, dot + 1);
  }
}

}  // namespace

bool Selection::Takes(const Message& object) const {
  const auto& meta = MetaOf(object);
  if (!namespace_.empty() && meta.namespace_() != namespace_) return false;
  for (size_t at = 0; at < fields.size();) {
    auto end = std::min(fields.find(',', at), fields.size());
    std::string term = fields.substr(at, end - at);
    auto equals = term.find('=');
    bool negated = equals > 0 && term[equals - 1] == '!';
    std::string value = ValueAt(object, term.substr(0, equals - (negated ? 1 : 0)));
    if ((value == term.substr(term.rfind('=') + 1)) == negated) return false;
    at = end + 1;
  }
  return true;
}

Selection SelectionOf(const ObjectPath& path, const Query& query) {
  return {KindKey(path.resource), path.namespace_, Param(query, "fieldSelector")};
}

MessagePtr MemoryStore::Stored(const ObjectPath& path) const {
  auto kind = objects.find(KindKey(path.resource));
  if (kind == objects.end()) return nullptr;
  auto it = kind->second.find(NameKey(path.namespace_, path.name));
  return it == kind->second.end() ? nullptr : it->second;
}

void MemoryStore::Store(const std::string& kind, MessagePtr before,
                        std::shared_ptr<Message> after) {
  auto& meta = MutableMetaOf(*after);
  meta.set_resource_version(std::to_string(++version));
  objects[kind][NameKey(meta.namespace_(), meta.name())] = after;
  history.push_back({version, kind, std::move(before), after});
  if (on_change) on_change();
}

void MemoryStore::Erase(const std::string& kind, const Message& last) {
  std::shared_ptr<Message> copy(last.New());
  copy->CopyFrom(last);
  auto& meta = MutableMetaOf(*copy);
  objects[kind].erase(NameKey(meta.namespace_(), meta.name()));
  meta.set_resource_version(std::to_string(++version));
  history.push_back({version, kind, copy, nullptr});
  if (on_change) on_change();
}

void MemoryStore::FillIn(Message& object) {
  auto& meta = MutableMetaOf(object);
  if (meta.uid().empty()) {
    char uid[40];
    std::snprintf(uid, sizeof uid, "00000000-0000-4000-8000-%012llx",
                  static_cast<unsigned long long>(++serial_));
    meta.set_uid(uid);
  }
  if (!api::ToWallTime(meta.creation_timestamp())) {
    *meta.mutable_creation_timestamp() = api::ToTime(clock.Now());
  }
  if (Field(object, "spec") != nullptr && meta.generation() == 0) meta.set_generation(1);
}

absl::Status MemoryStore::Execute(const Call& call, Message* out) {
  switch (call.verb) {
    case Call::Verb::kGet:
      return Get(call, out);
    case Call::Verb::kList:
      return List(call, out);
    case Call::Verb::kCreate:
      return Create(call, out);
    case Call::Verb::kUpdate:
      return Update(call, out);
    case Call::Verb::kPatch:
      return Patch(call, out);
    default:
      return Delete(call, out);
  }
}

absl::Status MemoryStore::Get(const Call& call, Message* out) {
  auto object = Stored(call.path);
  if (!object) return NotFound(call.path);
  if (out != nullptr) out->CopyFrom(*object);
  return absl::OkStatus();
}

// A continue token is `<version> <last key>`; pages after the first show the present state.
absl::Status MemoryStore::List(const Call& call, Message* out) {
  Selection selection = SelectionOf(call.path, call.query);
  std::string wanted = Param(call.query, "resourceVersion");
  if (!wanted.empty() && std::stoull(wanted) > version) {
    return ApiFailure(504, "Timeout", "Too large resource version: " + wanted);
  }
  std::string token = Param(call.query, "continue");
  uint64_t at = token.empty() ? version : std::stoull(token);
  if (at < compacted) return Expired();
  std::string after = token.empty() ? "" : token.substr(token.find(' ') + 1);
  std::string limit = Param(call.query, "limit");
  size_t page = page_size > 0 ? page_size : limit.empty() ? 0 : std::stoull(limit);
  out->Clear();
  const auto* reflection = out->GetReflection();
  const auto* items = Field(*out, "items");
  auto& meta =
      static_cast<api::meta::ListMeta&>(*reflection->MutableMessage(out, Field(*out, "metadata")));
  meta.set_resource_version(std::to_string(at));
  std::string last;
  for (const auto& [key, object] : objects[selection.kind]) {
    if ((!token.empty() && key <= after) || !selection.Takes(*object)) continue;
    if (page > 0 && reflection->FieldSize(*out, items) == static_cast<int>(page)) {
      meta.set_continue_(std::to_string(at) + " " + last);
      break;
    }
    reflection->AddMessage(out, items)->CopyFrom(*object);
    last = key;
  }
  return absl::OkStatus();
}

absl::Status MemoryStore::Create(const Call& call, Message* out) {
  if (!call.path.subresource.empty() || !call.body) return NotFound(call.path);
  std::shared_ptr<Message> object(call.body->New());
  object->CopyFrom(*call.body);
  auto& meta = MutableMetaOf(*object);
  if (meta.namespace_().empty()) meta.set_namespace_(call.path.namespace_);
  if (meta.namespace_() != call.path.namespace_) {
    return ApiFailure(400, "BadRequest", "the namespace of the object does not match the request");
  }
  if (!meta.resource_version().empty()) {
    return ApiFailure(400, "BadRequest",
                      "resourceVersion should not be set on objects to be created");
  }
  if (meta.name().empty() && !meta.generate_name().empty()) {
    char suffix[8];
    std::snprintf(suffix, sizeof suffix, "%05x", static_cast<unsigned>(++serial_ & 0xfffff));
    meta.set_name(meta.generate_name() + suffix);
  }
  if (meta.name().empty()) return ApiFailure(422, "Invalid", "metadata.name: Required value");
  ObjectPath path = call.path;
  path.name = meta.name();
  if (Stored(path)) return ApiFailure(409, "AlreadyExists", Quoted(path) + " already exists");
  meta.clear_uid();
  meta.clear_creation_timestamp();
  meta.clear_deletion_timestamp();
  meta.clear_deletion_grace_period_seconds();
  meta.clear_generation();
  FillIn(*object);
  if (auto* pod = dynamic_cast<core::Pod*>(object.get())) {
    pod->clear_status();
    pod->mutable_status()->set_phase("Pending");
    pod->mutable_status()->set_qos_class(api::QosName(api::ComputeQos(*pod)));
  }
  Store(KindKey(path.resource), nullptr, object);
  if (out != nullptr) out->CopyFrom(*object);
  return absl::OkStatus();
}

absl::Status MemoryStore::Update(const Call& call, Message* out) {
  auto before = Stored(call.path);
  if (!before || !call.body) return NotFound(call.path);
  std::shared_ptr<Message> after(call.body->New());
  after->CopyFrom(*call.body);
  auto& meta = MutableMetaOf(*after);
  if (meta.uid().empty()) meta.set_uid(MetaOf(*before).uid());
  if (meta.resource_version().empty()) {
    meta.set_resource_version(MetaOf(*before).resource_version());
  }
  return Commit(call.path, before, after, out);
}

absl::Status MemoryStore::Patch(const Call& call, Message* out) {
  bool strategic = call.patch_type == "application/strategic-merge-patch+json";
  if (!strategic && call.patch_type != "application/merge-patch+json") {
    return ApiFailure(415, "UnsupportedMediaType", call.patch_type);
  }
  auto before = Stored(call.path);
  if (!before) return NotFound(call.path);
  std::shared_ptr<Message> after(before->New());
  after->CopyFrom(*before);
  auto patched = ApplyPatch(*after, call.patch, strategic);
  if (!patched.ok()) return ApiFailure(400, "BadRequest", std::string(patched.message()));
  return Commit(call.path, before, after, out);
}

// What an update may change, and the end of an object whose last finalizer is gone.
absl::Status MemoryStore::Commit(const ObjectPath& path, const MessagePtr& before,
                                 std::shared_ptr<Message> after, Message* out) {
  const auto& old = MetaOf(*before);
  auto& meta = MutableMetaOf(*after);
  if (meta.uid() != old.uid()) {
    return Conflict(path, "Precondition failed: UID in precondition: " + meta.uid() +
                              ", UID in object meta: " + old.uid());
  }
  if (meta.resource_version() != old.resource_version()) {
    return Conflict(path,
                    "the object has been modified; please apply your changes to the latest version "
                    "and try again");
  }
  meta.set_name(old.name());
  meta.set_namespace_(old.namespace_());
  *meta.mutable_creation_timestamp() = old.creation_timestamp();
  meta.clear_deletion_timestamp();
  meta.clear_deletion_grace_period_seconds();
  if (old.has_deletion_timestamp()) {
    *meta.mutable_deletion_timestamp() = old.deletion_timestamp();
    meta.set_deletion_grace_period_seconds(old.deletion_grace_period_seconds());
  }
  meta.set_generation(old.generation());
  if (path.subresource == "status") CopyField(*before, *after, "spec");
  if (path.subresource.empty()) CopyField(*before, *after, "status");
  if (!FieldEquals(*before, *after, "spec")) meta.set_generation(old.generation() + 1);
  if (meta.generation() == 0) meta.clear_generation();
  bool gone = old.has_deletion_timestamp() && old.finalizers_size() > 0 &&
              meta.finalizers_size() == 0 && old.deletion_grace_period_seconds() == 0;
  if (gone) {
    Erase(KindKey(path.resource), *after);
  } else if (api::EncodeJson(*before) != api::EncodeJson(*after)) {
    Store(KindKey(path.resource), before, after);
  }
  if (out != nullptr) out->CopyFrom(*after);
  return absl::OkStatus();
}

// The grace of a pod: pkg/registry/core/pod/strategy.go CheckGracefulDelete.
absl::Status MemoryStore::Delete(const Call& call, Message* out) {
  auto before = Stored(call.path);
  if (!before) return NotFound(call.path);
  const auto& old = MetaOf(*before);
  api::meta::DeleteOptions options;
  if (call.body) options.CopyFrom(*call.body);
  const auto& wanted = options.preconditions();
  if (wanted.has_uid() && wanted.uid() != old.uid()) {
    return Conflict(call.path, "Precondition failed: UID in precondition: " + wanted.uid() +
                                   ", UID in object meta: " + old.uid());
  }
  if (wanted.has_resource_version() && wanted.resource_version() != old.resource_version()) {
    return Conflict(call.path, "Precondition failed: ResourceVersion in precondition: " +
                                   wanted.resource_version());
  }
  int64_t grace = 0;
  if (const auto* pod = dynamic_cast<const core::Pod*>(before.get())) {
    grace = pod->spec().has_termination_grace_period_seconds()
                ? pod->spec().termination_grace_period_seconds()
                : 30;
    if (options.has_grace_period_seconds()) grace = options.grace_period_seconds();
    const auto& phase = pod->status().phase();
    if (pod->spec().node_name().empty() || phase == "Failed" || phase == "Succeeded") grace = 0;
    if (grace < 0) grace = 1;
  }
  bool already = old.has_deletion_timestamp();
  if (already) grace = std::min(grace, old.deletion_grace_period_seconds());
  bool stays = grace > 0 || old.finalizers_size() > 0;
  std::shared_ptr<Message> after(before->New());
  after->CopyFrom(*before);
  if (!stays) {
    Erase(KindKey(call.path.resource), *before);
  } else if (!already || grace < old.deletion_grace_period_seconds()) {
    auto& meta = MutableMetaOf(*after);
    *meta.mutable_deletion_timestamp() = api::ToTime(clock.Now() + std::chrono::seconds(grace));
    meta.set_deletion_grace_period_seconds(grace);
    if (meta.generation() > 0) meta.set_generation(meta.generation() + 1);
    Store(KindKey(call.path.resource), before, after);
  }
  if (out != nullptr && out->GetDescriptor() == after->GetDescriptor()) out->CopyFrom(*after);
  return absl::OkStatus();
}

MessagePtr MemoryStore::Put(ObjectPath collection, const Message& object) {
  std::shared_ptr<Message> after(object.New());
  after->CopyFrom(object);
  auto& meta = MutableMetaOf(*after);
  meta.set_namespace_(collection.namespace_);
  collection.name = meta.name();
  auto before = Stored(collection);
  if (before && meta.uid().empty()) meta.set_uid(MetaOf(*before).uid());
  FillIn(*after);
  Store(KindKey(collection.resource), before, after);
  return after;
}

}  // namespace kubelet::test
