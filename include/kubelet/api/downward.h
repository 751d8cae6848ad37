// Values that a pod may read about itself: the downward API. Pure functions; thread safe.
// Facts: pkg/fieldpath/fieldpath.go, pkg/api/v1/resource/helpers.go (1.36).
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "kubelet/api/types.h"

namespace kubelet::api {

// What a limit that neither container nor pod sets counts as: what the node has for pods.
struct NodeAllocatable {
  int64_t cpu_milli = 0;
  int64_t memory_bytes = 0;
  int64_t ephemeral_storage_bytes = 0;
};

// metadata.name, .namespace, .uid, .labels and .annotations, the last two whole (`key="value"`
// lines in the order of their keys) or with a subscript `['key']` (empty when there is no such
// key). InvalidArgument for other paths.
absl::StatusOr<std::string> MetadataField(const core::Pod& pod, const std::string& path);

// requests.* and limits.* of cpu, memory, ephemeral-storage and hugepages-*, divided by the divisor
// and rounded up. `container` is the one asked about when the selector names none. NotFound for a
// container that is none, InvalidArgument for another resource.
absl::StatusOr<std::string> ResourceField(const core::Pod& pod, const std::string& container,
                                          const core::ResourceFieldSelector& selector,
                                          const NodeAllocatable& node);

}  // namespace kubelet::api
