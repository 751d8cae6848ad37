// Which container holds which devices, on disk: device-plugins/kubelet_internal_checkpoint, in
// upstream's form, so that a node may change kubelets either way with its pods running.
//
//   {"Data":{"PodDeviceEntries":[{"PodUID","ContainerName","ResourceName",
//                                 "DeviceIDs":{NUMA node: [ids]},"AllocResp": base64}] or null,
//            "RegisteredDevices":{resource: [ids]}},
//    "Checksum": FNV-1a 32 of a text dump of Data}
//
// Pure. Source: pkg/kubelet/cm/devicemanager/checkpoint, checkpointmanager/checksum, 1.36.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::resource {

struct DeviceCheckpoint {
  struct Entry {
    std::string pod_uid, container, resource;
    std::map<int64_t, std::vector<std::string>> ids;  // by NUMA node, -1: none
    std::string response;                             // bytes of a ContainerAllocateResponse
    bool operator==(const Entry&) const = default;
  };
  std::vector<Entry> entries;
  std::map<std::string, std::vector<std::string>> registered;
  bool operator==(const DeviceCheckpoint&) const = default;
};

std::string EncodeDeviceCheckpoint(const DeviceCheckpoint& checkpoint);
// InvalidArgument says what is wrong: no JSON, another checksum, a field of another type. Keys that
// are not known are passed over, as Go does.
absl::StatusOr<DeviceCheckpoint> DecodeDeviceCheckpoint(const std::string& text);
// The text that the checksum is of.
std::string DumpOf(const DeviceCheckpoint& checkpoint);

}  // namespace kubelet::resource
