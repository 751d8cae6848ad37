#include "fakes/api_store.h"

#include <algorithm>
#include <sstream>

#include "fakes/api_errors.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/time.h"
#include "kubelet/base/status.h"

namespace kubelet::fakes {
namespace {

constexpr size_t kHistory = 20000;

}  // namespace

ApiStore::ApiStore(base::Clock& clock, uint64_t seed) : clock_(clock), random_(seed) {}

ObjectPtr ApiStore::Get(const ApiKind& kind, const std::string& ns, const std::string& name) const {
  auto objects = objects_.find(&kind);
  if (objects == objects_.end()) return nullptr;
  auto found = objects->second.find({kind.namespaced ? ns : "", name});
  return found == objects->second.end() ? nullptr : found->second;
}

std::vector<ObjectPtr> ApiStore::List(const ApiKind& kind, const std::string& ns) const {
  std::vector<ObjectPtr> list;
  auto objects = objects_.find(&kind);
  if (objects == objects_.end()) return list;
  for (const auto& [key, object] : objects->second)
    if (ns.empty() || key.first == ns) list.push_back(object);
  return list;
}

absl::StatusOr<ObjectPtr> ApiStore::Create(NewObject object, bool dry) {
  const ApiKind& kind = ApiKindOf(*object);
  auto& meta = MetaOf(*object);
  if (meta.name().empty() && !meta.generate_name().empty())
    meta.set_name(meta.generate_name() + RandomSuffix());
  if (!kind.namespaced) meta.clear_namespace_();
  auto& objects = objects_[&kind];
  Key key{meta.namespace_(), meta.name()};
  if (objects.count(key) != 0) return ApiAlreadyExists(kind, meta.name());
  meta.set_uid(NewUid());
  *meta.mutable_creation_timestamp() = api::ToTime(clock_.Now());
  meta.clear_deletion_timestamp();
  meta.clear_deletion_grace_period_seconds();
  meta.clear_self_link();
  if (dry) return ObjectPtr(std::move(object));
  meta.set_resource_version(std::to_string(++revision_));
  ObjectPtr stored(std::move(object));
  objects[key] = stored;
  Commit({Change::Type::kAdded, &kind, stored, nullptr, revision_});
  return stored;
}

absl::StatusOr<ObjectPtr> ApiStore::Replace(NewObject object, bool dry) {
  const ApiKind& kind = ApiKindOf(*object);
  auto& meta = MetaOf(*object);
  ObjectPtr previous = Get(kind, meta.namespace_(), meta.name());
  if (previous == nullptr) return ApiNotFound(kind, meta.name());
  meta.set_resource_version(MetaOf(*previous).resource_version());
  if (SameObject(*object, *previous)) return previous;
  if (dry) return ObjectPtr(std::move(object));
  meta.set_resource_version(std::to_string(++revision_));
  ObjectPtr stored(std::move(object));
  objects_[&kind][{MetaOf(*stored).namespace_(), MetaOf(*stored).name()}] = stored;
  Commit({Change::Type::kModified, &kind, stored, previous, revision_});
  return stored;
}

absl::StatusOr<ObjectPtr> ApiStore::Erase(const ApiKind& kind, const std::string& ns,
                                          const std::string& name, bool dry) {
  ObjectPtr previous = Get(kind, ns, name);
  if (previous == nullptr) return ApiNotFound(kind, name);
  if (dry) return previous;
  objects_[&kind].erase({kind.namespaced ? ns : "", name});
  NewObject last = CopyOf(*previous);
  MetaOf(*last).set_resource_version(std::to_string(++revision_));
  ObjectPtr gone(std::move(last));
  Commit({Change::Type::kDeleted, &kind, gone, previous, revision_});
  return gone;
}

absl::StatusOr<std::vector<ApiStore::Change>> ApiStore::Since(const ApiKind& kind,
                                                              uint64_t revision) const {
  if (revision < compacted_) return ApiExpired(revision, compacted_);
  std::vector<Change> changes;
  auto first = std::upper_bound(history_.begin(), history_.end(), revision,
                                [](uint64_t r, const Change& c) { return r < c.revision; });
  std::copy_if(first, history_.end(), std::back_inserter(changes),
               [&](const Change& change) { return change.kind == &kind; });
  return changes;
}

void ApiStore::Compact(uint64_t revision) {
  compacted_ = std::max(compacted_, std::min(revision, revision_));
  while (!history_.empty() && history_.front().revision <= compacted_) history_.pop_front();
}

uint64_t ApiStore::Listen(Listener listener) {
  listeners_[++next_listener_] = std::move(listener);
  return next_listener_;
}

void ApiStore::Commit(Change change) {
  history_.push_back(change);
  if (history_.size() > kHistory) Compact(history_.front().revision);
  untold_.push_back(std::move(change));
  if (telling_) return;
  telling_ = true;
  while (!untold_.empty()) {
    Change next = std::move(untold_.front());
    untold_.pop_front();
    std::vector<uint64_t> ids;
    for (const auto& [id, listener] : listeners_) ids.push_back(id);
    for (uint64_t id : ids) {
      auto found = listeners_.find(id);
      if (found == listeners_.end()) continue;
      Listener listener = found->second;
      listener(next);
    }
  }
  telling_ = false;
}

std::string ApiStore::Save() const {
  std::string text = std::to_string(revision_) + "\n";
  for (const auto& [kind, objects] : objects_)
    for (const auto& [key, object] : objects) text += api::EncodeJson(*object) + "\n";
  return text;
}

absl::Status ApiStore::Load(const std::string& text) {
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  revision_ = std::stoull(line);
  compacted_ = revision_;
  history_.clear();
  while (std::getline(lines, line)) {
    auto type = api::PeekTypeMeta(line);
    RETURN_IF_ERROR(type.status());
    for (const ApiKind& kind : ApiKinds()) {
      if (kind.kind != type->kind || kind.group_version() != type->api_version) continue;
      NewObject object = kind.New();
      RETURN_IF_ERROR(api::DecodeJson(line, *object));
      Key key{MetaOf(*object).namespace_(), MetaOf(*object).name()};
      objects_[&kind][key] = std::move(object);
    }
  }
  return absl::OkStatus();
}

std::string ApiStore::NewUid() {
  static const char kHex[] = "0123456789abcdef";
  std::string uid = "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx";
  for (char& c : uid)
    if (c == 'x') c = kHex[random_() % 16];
  return uid;
}

std::string ApiStore::RandomSuffix() {
  static const char kLetters[] = "bcdfghjklmnpqrstvwxz2456789";
  std::string suffix;
  for (int i = 0; i < 5; ++i) suffix += kLetters[random_() % (sizeof kLetters - 1)];
  return suffix;
}

}  // namespace kubelet::fakes
