// Samples of control groups: who they belong to, what they showed last, and how fast that grew.
// Internal to the room.
//
// Runs in the blocking pool; one call at a time (the mutex is for a call that has outlived its
// deadline). It keeps a group as long as a pod of the latest question has it.
//
// A container whose group is not one of its pod's (cgroupsPerQOS is off; a runtime that runs it in
// a virtual machine) has the figures that the runtime tells; nothing is sampled of it.
//
// Of a group whose pulse (CPU time and memory, with all below it) has not moved since it was read,
// and a pod is such a group, nothing is read but what the kernel moves by itself: network, and in
// v2 pressure and I/O. What this can miss, a shift between active and inactive memory, is made good
// within ten minutes, when all is read whatever the pulse says.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "kubelet/base/time.h"
#include "kubelet/os/cgroup_stats.h"
#include "kubelet/os/disk_usage.h"
#include "kubelet/os/proc_stats.h"
#include "kubelet/stats/stats.h"

namespace kubelet::stats {

enum class GroupKind { kRoot, kSystem, kPod, kSandbox, kContainer };

// How much a question wants to know: CPU and memory for /metrics/resource; also pressure, processes
// and network; also what only /metrics/cadvisor shows.
enum class Depth { kUsage, kSummary, kDetails };

// The labels of /metrics/cadvisor in the order of their names, and the places between them where
// those of single families come:
// `{container="",` … `id="",image="",` … `name="",namespace="",` … `pod=""} `. Whole, as nearly
// every series wants them.
struct GroupLabels {
  std::string text;
  size_t after_container = 0, after_image = 0, after_namespace = 0, end = 0;  // end: before `}`
};

// What /metrics/cadvisor has of a group.
struct Sample {
  GroupKind kind = GroupKind::kSystem;
  std::shared_ptr<const GroupLabels> labels;
  os::CgroupUsage usage;
  os::CgroupLimits limits;
  base::WallTime made, at;                     // at: when it was sampled
  std::vector<os::InterfaceUsage> interfaces;  // root and sandboxes
  base::WallTime interfaces_at;
  uint64_t processes = 0, descriptors = 0, sockets = 0;
  std::optional<int64_t> open_files_limit;
};

struct Group : Sample {
  std::string path;             // empty: not found yet
  std::string resource_labels;  // of /metrics/resource
  bool sampled = false;         // the sample is the latest of a group that is there
  bool told = false;            // it is what the runtime said; there is no path
  std::optional<uint64_t> nano_cores;

  // Of the collector. at_depth: when it was known last; read_at: when all of it was read last.
  uint64_t round = 0;
  std::optional<base::WallTime> at_depth[3], read_at[3], limits_at, descriptors_at;
  std::optional<base::WallTime> counted_at[2];      // the processes; with details
  std::optional<os::CgroupPulseFiles> pulse_files;  // of pods and sandboxes
  std::optional<os::CgroupPulse> pulse[3];          // just before read_at
  api::PodPtr spec;                                 // of pods: what limits come from
  std::optional<base::WallTime> spec_at;            // when that was seen to have changed
  int first_pid = 0;
  uint64_t before_ns = 0;  // CPU at `before`
  std::optional<base::WallTime> before;
};

struct ContainerView {
  std::string name;
  const std::string* id = nullptr;  // of the question's pod
  base::WallTime created;
  Group* group = nullptr;  // null: no sample
};
struct PodView {
  const runtime::ObservedPod* observed = nullptr;
  base::WallTime created;  // of its sandbox
  Group* group = nullptr;
  Group* sandbox = nullptr;
  std::vector<ContainerView> containers;  // those that run
};

struct RuntimeView;

// What the core loop knew when the question came.
struct Question {
  std::vector<PodInput> pods;
  std::map<std::string, std::string> pod_groups;  // by uid
  std::string pods_cgroup, sandbox_image;
  base::WallTime now;
  std::shared_ptr<const RuntimeView> runtime;
};

struct FilesystemView {
  os::Partition partition;
  os::Filesystem room;
  os::DiskUsage disk;  // zeros when it has no block device
  std::string labels;  // device="…",
};

// The machine's filesystems and disks.
struct Storage {
  std::vector<FilesystemView> filesystems;
  std::vector<os::DiskUsage> disks;

  // A name for a block device; as in the partitions or /dev/NAME of the disk, else empty.
  std::string DeviceName(unsigned major, unsigned minor) const;
};

class Collector {
 public:
  explicit Collector(const Stats::Options& options);

  std::mutex& mutex() { return mutex_; }
  // Brings the views up to date; samples of that depth that are younger than `max_age` stay.
  void Collect(const Question& question, Depth depth, base::Nanos max_age);
  // Of what the latest Collect was asked about; good until the next.
  const std::vector<PodView>& pods() const { return pods_; }
  const std::vector<Group*>& shown() const { return shown_; }  // every group with a sample
  const Group& root() const { return *root_; }
  // By the name that the summary gives them: kubelet, runtime, misc, pods.
  const std::map<std::string, Group*>& system() const { return system_views_; }
  // Some container has no speed yet: its samples before are too old or missing.
  bool NeedsSpeed() const { return needs_speed_; }
  // Some container has no group.
  bool NeedsRuntime() const { return needs_runtime_; }
  bool pressure() const { return options_.pressure && reader_.HasPressure(); }
  const Storage& storage() const { return storage_; }
  const Stats::Options& options() const { return options_; }

 private:
  Group& Keep(const std::string& key, GroupKind kind);
  void CollectSystem(const Question& question);
  void CollectPod(const PodInput& input, const Question& question);
  void Find(Group& group, const Group& pod, const std::string& id);
  void TakeSample(Group& group);
  bool Quiet(Group& group);
  void Read(Group& group);
  void Renew(Group& group);
  void ReadLimits(Group& group);
  Group* System(const std::string& path);
  void ReadProcesses(Group& group);
  void ReadInterfaces(Group& group);
  void Tell(Group& group, const Question& question, const std::string& id);
  void Speed(Group& group, base::WallTime at);
  void CollectFilesystems();
  bool Fresh(const std::optional<base::WallTime>& at, base::Nanos age) const;
  bool Known(const Group& group) const {
    return Fresh(group.at_depth[static_cast<int>(depth_)], max_age_);
  }

  Stats::Options options_;
  os::CgroupReader reader_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::unique_ptr<Group>> groups_;
  std::vector<PodView> pods_;
  std::vector<Group*> shown_;
  Group* root_ = nullptr;
  std::map<std::string, Group*> system_views_;
  Storage storage_;
  std::optional<base::WallTime> partitions_at_, system_at_;
  std::string kubelet_group_, runtime_group_;
  std::vector<std::string> children_;  // of the pod at hand
  bool quiet_pod_ = false;             // the pod at hand: see Quiet
  base::Nanos limits_age_{0};          // of the pod at hand
  uint64_t round_ = 0;
  Depth depth_ = Depth::kUsage;
  bool needs_speed_ = false, needs_runtime_ = false;
  base::WallTime now_;
  base::Nanos max_age_{0};
};

}  // namespace kubelet::stats
