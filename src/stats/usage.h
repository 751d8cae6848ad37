// What pods use, as plain values. Pure; internal to the room.
#pragma once

#include "kubelet/runtime/pod_usage.h"
#include "stats/collector.h"
#include "stats/disk.h"

namespace kubelet::stats {

// Memory and, as deep as the samples are, processes of the pods of the latest question.
runtime::PodUsages UsageOfGroups(const Collector& collector);
// Files of one pod. Writable layers are those that the runtime told of.
runtime::PodUsage UsageOfFiles(const runtime::ObservedPod& pod, const PodDisk& disk,
                               const RuntimeView& runtime);

}  // namespace kubelet::stats
