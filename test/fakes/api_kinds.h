// The kinds that the test API server serves, and what all objects have in common.
#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <string>
#include <vector>

#include "kubelet/api/types.h"

namespace kubelet::fakes {

using Object = google::protobuf::Message;
using ObjectPtr = std::shared_ptr<const Object>;
using NewObject = std::unique_ptr<Object>;

struct ApiKind {
  std::string group, version, plural, singular, kind;
  std::vector<std::string> short_names;
  bool namespaced = true;
  bool returns_deleted = false;  // DELETE answers with the object rather than with a Status
  bool create_on_update = false;
  const Object* item = nullptr;  // default instances
  const Object* list = nullptr;
  std::vector<std::string> subresources;

  std::string group_version() const { return group.empty() ? version : group + "/" + version; }
  // `pods`, `leases.coordination.k8s.io`: as messages name it.
  std::string resource() const { return group.empty() ? plural : plural + "." + group; }
  bool Has(const std::string& subresource) const;
  NewObject New() const { return NewObject(item->New()); }
};

const std::vector<ApiKind>& ApiKinds();
// Null when there is no such resource.
const ApiKind* FindApiKind(const std::string& group, const std::string& version,
                           const std::string& plural);
// A kind by its message type; it is one of the table's.
const ApiKind& ApiKindOf(const Object& object);

const api::meta::ObjectMeta& MetaOf(const Object& object);
api::meta::ObjectMeta& MetaOf(Object& object);
NewObject CopyOf(const Object& object);
// Copies the field `name` (spec, status) of one object to another of its type; clears it when
// absent.
void CopyField(const Object& from, Object& to, const char* name);
// By their JSON, where absent and empty are one unless presence matters.
bool SameObject(const Object& a, const Object& b);

}  // namespace kubelet::fakes
