// Sums of container resources that defaults, validation and QoS share. Internal to the room.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "kubelet/api/quantity.h"
#include "kubelet/api/types.h"

namespace kubelet::api {

using ResourceMap = google::protobuf::Map<std::string, resource::Quantity>;
using ResourceList = std::map<std::string, Quantity>;

ResourceList ToList(const ResourceMap& map);

enum class ResourceSide { kRequests, kLimits };

// Called with what a container needs while it runs: for init containers this counts the sidecars
// before it.
using ResourceVisitor = std::function<void(const ResourceList&)>;

// The larger of "all containers and sidecars" and "any init container with the sidecars before it",
// resource by resource; neither overhead nor pod level resources (component-helpers resource
// AggregateContainerRequests).
ResourceList AggregateContainers(const core::PodSpec& spec, ResourceSide side,
                                 const ResourceVisitor& visit = nullptr);

bool IsHugePages(const std::string& resource);
// cpu, memory and hugepages-*: what may stand in spec.resources.
bool IsPodLevelResource(const std::string& resource);
// No `/`, or in a kubernetes.io/ namespace.
bool IsNativeResource(const std::string& resource);
// Requests below limits are possible: native and not huge pages.
bool IsOvercommitAllowed(const std::string& resource);

}  // namespace kubelet::api
