// What pods, containers and the node use: the documents of /stats/summary, /metrics/cadvisor and
// /metrics/resource, as upstream's kubelet with cAdvisor words them (Kubernetes 1.36:
// staging kubelet/pkg/apis/stats/v1alpha1, cadvisor/metrics, pkg/kubelet/metrics/collectors).
//
// Nothing runs while nobody asks. A question takes samples of the control groups in the blocking
// pool, unless those at hand are younger than `max_age`, and words them there; samples carry the
// time they were taken at. Names and labels of a container are put together once. Trees of files
// (volumes, logs) are walked at low priority and at most once in `disk_period`; the answer does not
// wait for a walk but for the very first, and that only shortly.
//
// A sample belongs to one group of one container id: when the group vanishes half way, it counts as
// gone, whatever takes its place.
//
// A container whose group is not one of its pod's has the CPU, memory and swap that the runtime
// tells (CRI ListContainerStats), in /stats/summary and /metrics/resource; its pod is shown without
// figures of its own. Where no container is like that the runtime is asked for disks only.
//
// Differs from upstream: such a container is not in /metrics/cadvisor (upstream finds groups
// wherever they lie); cgroups that a container makes inside its own are part of it and not shown
// by themselves; the `oom` counters are the kernel's per group (upstream reads the kernel log, and
// starts from 0 with each start of the kubelet); NFS is not asked for room in /metrics/cadvisor.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/api/types.h"
#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/metric_text.h"
#include "kubelet/base/metrics.h"
#include "kubelet/base/text_pieces.h"
#include "kubelet/os/cgroup.h"
#include "kubelet/os/disk_usage.h"
#include "kubelet/os/machine.h"
#include "kubelet/runtime/container_runtime.h"
#include "kubelet/runtime/container_stats.h"
#include "kubelet/runtime/observed.h"
#include "kubelet/runtime/pod_usage.h"

namespace kubelet::stats {

// A pod that the runtime holds something of.
struct PodInput {
  runtime::ObservedPodPtr observed;
  api::PodPtr pod;  // null: it is not wanted (any more)
};

// Where a volume of a pod lies on this machine: its files are counted.
struct VolumeDir {
  std::string name, path;
  bool ephemeral = false;  // counts as the pod's ephemeral storage
};

// A volume of a pod on a file system or device of its own: the room there.
struct OwnVolume {
  std::string name;
  std::string claim, claim_namespace;  // the PersistentVolumeClaim behind it; empty: none
  os::Filesystem room;
  bool device = false;  // all that is known of it is its size
  base::Nanos took{};   // to find that out
};

class Stats {
 public:
  struct Options {
    std::string node_name;
    os::Machine machine;
    os::CgroupMounts cgroups;
    std::string root_dir, pod_logs_dir;
    base::Nanos max_age = std::chrono::seconds(10);  // upstream's housekeeping interval
    // volumeStatsAggPeriod; negative: volumes and logs are not measured.
    base::Nanos disk_period = std::chrono::minutes(1);
    bool pressure = true;        // gate KubeletPSI
    std::string kubelet_cgroup;  // kubeletCgroups; empty: the group it finds itself in
    std::string runtime_cgroup;  // --runtime-cgroups; empty: that of who listens on the socket
    std::string system_cgroup;   // systemCgroups; empty: none
    std::string runtime_socket;
    std::string proc = "/proc", mountinfo = "/proc/self/mountinfo";
  };
  // Functions are called on the core loop.
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    runtime::ContainerStatsSource& runtime_stats;
    runtime::ImageService& images;
    std::function<std::vector<PodInput>()> pods;
    // Of all pods, such as /kubepods; empty: there is none.
    std::function<std::string()> pods_cgroup;
    // Of this pod; empty: unknown.
    std::function<std::string(const api::core::Pod&)> pod_cgroup;
    // What sandboxes run; empty: unknown.
    std::function<std::string()> sandbox_image;
    std::function<std::vector<VolumeDir>(const api::core::Pod&)> volumes;
    // Those that answer; asked once in `disk_period`. It may take long, nothing else waits for it.
    // May be empty.
    std::function<base::Task<std::vector<OwnVolume>>(api::PodPtr)> own_volumes;
  };
  Stats(Deps deps, Options options);
  ~Stats();

  // JSON. Errors are the server's: 500.
  base::Task<absl::StatusOr<std::string>> Summary(bool only_cpu_and_memory);
  // Megabytes: worded piece by piece, by whoever sends it.
  base::Task<absl::StatusOr<base::TextPieces>> Cadvisor(base::MetricForm form);
  base::Task<absl::StatusOr<std::string>> Resource(base::MetricForm form);

  // What pods use, for who has to choose between them. Memory and processes are sampled now. Files
  // (of these pods, empty: of all) are measured anew when what is known is older than the longer of
  // ten seconds and fifty times what the walk took, but not older than `disk_period`; nothing waits
  // long for that, nor for the runtime. A pod of which nothing was ever measured is missing.
  base::Task<absl::StatusOr<runtime::PodUsages>> MemoryUsage();
  base::Task<absl::StatusOr<runtime::PodUsages>> ProcessUsage();
  base::Task<runtime::PodUsages> FilesUsage(std::set<std::string> uids, bool writable_layers);

  // kubelet_volume_stats_* and kubelet_container_log_filesystem_used_bytes, for /metrics.
  // FillMetrics takes over what was measured last, and has it measured again when it is old;
  // nothing waits.
  void AddMetrics(base::Registry& metrics);
  void FillMetrics();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace kubelet::stats
