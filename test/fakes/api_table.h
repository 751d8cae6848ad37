// Table answers (meta.k8s.io/v1), which `kubectl get` prints: the columns of pods, nodes and events
// as upstream's printers fill them, name and age of everything else.
#pragma once

#include <string>
#include <vector>

#include "fakes/api_kinds.h"
#include "kubelet/base/time.h"

namespace kubelet::fakes {

struct TableOptions {
  base::WallTime now;
  std::string include_object = "Metadata";  // None, Metadata, Object
  bool columns = true;  // false: rows alone, as further events of a watch have them
  std::string resource_version;
  std::string next, remaining;
};

// JSON text.
std::string MakeTable(const ApiKind& kind, const std::vector<ObjectPtr>& items,
                      const TableOptions& options);
// PartialObjectMetadata of one object, or the list of them.
std::string MakePartial(const Object& object);
std::string MakePartialList(const std::vector<ObjectPtr>& items, uint64_t revision);
// `5s`, `3m20s`, `4d`: as kubectl shows ages (apimachinery util/duration).
std::string HumanDuration(base::Nanos duration);

}  // namespace kubelet::fakes
