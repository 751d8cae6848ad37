// The files of configMap, secret, downwardAPI and projected volumes: which objects they need, and
// what is in them. Facts: pkg/volume/{configmap,secret,downwardapi,projected} of 1.36.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/api/downward.h"
#include "kubelet/volume/objects.h"

namespace kubelet::volume {

struct PayloadFile {
  std::string bytes;
  uint32_t mode = 0644;
  std::optional<int64_t> owner;  // uid; else root
  bool operator==(const PayloadFile&) const = default;
};
// By path relative to the volume, with `/` between components.
using Payload = std::map<std::string, PayloadFile>;

// What Fetch found. An object that is missing and optional is null.
struct ObjectSet {
  std::map<std::string, std::shared_ptr<const api::core::ConfigMap>> config_maps;
  std::map<std::string, std::shared_ptr<const api::core::Secret>> secrets;
  std::map<int, std::string> tokens;  // by index of the source, as the next two
  std::map<int, std::string> anchors;
  std::map<int, PodCertificate> certificates;
  std::optional<base::WallTime> refresh_at;
};

// Directory name of the volume's kind (`kubernetes.io~configmap`); empty for kinds that are none of
// these.
std::string ApiVolumePlugin(const api::core::Volume& volume);
// Secrets and what may hold them never touch a disk.
bool InMemory(const api::core::Volume& volume);

// FailedPrecondition when an object is missing (as upstream words it: `configmap "x" not found`);
// Unavailable.
base::Task<absl::StatusOr<ObjectSet>> FetchObjects(Objects& objects, api::PodPtr pod,
                                                   const api::core::Volume& volume);

// Pure. FailedPrecondition names a key that is missing, InvalidArgument a path that leads outside.
absl::StatusOr<Payload> MakePayload(const api::core::Pod& pod, const api::core::Volume& volume,
                                    const ObjectSet& objects, const api::NodeAllocatable& node);

}  // namespace kubelet::volume
