// What device assignment knows of a device plugin, and what it asks one: the port that room plugin
// implements. Facts: device plugin API v1beta1, Kubernetes 1.36.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/resource/deviceplugin_v1beta1.pb.h"

namespace kubelet::resource {

struct Device {
  std::string id;
  bool healthy = false;
  std::vector<int64_t> nodes;  // NUMA nodes it is near to; empty: no matter
};

// A plugin that is registered and connected. Core loop only. Every call ends, with an answer or an
// error whose message is that of the call (`rpc error: code = ... desc = ...`); none is repeated.
class DevicePlugin {
 public:
  struct Options {
    bool pre_start = false;  // wants PreStartContainer before each start
    bool preferred = false;  // offers GetPreferredAllocation
  };
  virtual ~DevicePlugin() = default;
  virtual Options options() const = 0;
  virtual base::Task<absl::StatusOr<std::vector<std::string>>> Preferred(
      std::vector<std::string> available, std::vector<std::string> must_include, int size) = 0;
  // For one container.
  virtual base::Task<absl::StatusOr<v1beta1::AllocateResponse>> Allocate(
      std::vector<std::string> ids) = 0;
  virtual base::Task<absl::Status> PreStart(std::vector<std::string> ids) = 0;
};

}  // namespace kubelet::resource
