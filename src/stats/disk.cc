#include "stats/disk.h"

#include "kubelet/api/pod.h"
#include "kubelet/base/log.h"
#include "kubelet/os/file.h"
#include "kubelet/os/low_priority.h"

namespace kubelet::stats {
namespace {

using base::Task;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr base::Nanos kFirstWait = seconds(2);
constexpr base::Nanos kLook = milliseconds(20);
constexpr base::Nanos kPodLimit = minutes(2);
// A walk that is asked for again and again takes two percent of one thread at most.
constexpr base::Nanos kLeastPause = seconds(10);
constexpr int kPauseFactor = 50;

struct WalkJob {
  std::string log_dir, etc_hosts;
  std::vector<std::string> containers;
  std::vector<VolumeDir> volumes;
  base::WallTime now;
  base::MonoTime began{};
  std::shared_ptr<std::atomic<bool>> stop;
};

void Add(os::TreeUsage& sum, const absl::StatusOr<os::TreeUsage>& more) {
  if (!more.ok()) return;
  sum.bytes += more->bytes;
  sum.inodes += more->inodes;
}

// The files of a directory, not what is in directories below it.
os::TreeUsage FilesIn(const std::string& dir, const std::atomic<bool>& stop) {
  os::TreeUsage sum;
  auto listed = os::ListDirectory(dir);
  if (!listed.ok()) return sum;
  for (const auto& name : listed->names) {
    std::string path = dir + "/" + name;
    auto info = os::Stat(path);
    if (info.ok() && info->kind != os::FileKind::kDirectory) Add(sum, os::UsageOfTree(path, &stop));
  }
  return sum;
}

absl::StatusOr<std::shared_ptr<PodDisk>> Measure(const WalkJob& job) {
  os::LowPriority low;
  auto out = std::make_shared<PodDisk>();
  out->at = job.now;
  for (const auto& dir : job.volumes) {
    VolumeUsage usage;
    usage.dir = dir;
    auto room = os::ReadFilesystem(dir.path);
    if (!room.ok()) continue;
    usage.room = *room;
    auto began = std::chrono::steady_clock::now();
    auto used = os::UsageOfTree(dir.path, job.stop.get());
    if (!used.ok()) continue;
    usage.used = *used;
    usage.took = std::chrono::steady_clock::now() - began;
    out->volumes.push_back(std::move(usage));
  }
  for (const auto& name : job.containers)
    out->logs[name] = FilesIn(job.log_dir + "/" + name, *job.stop);
  out->other_logs = FilesIn(job.log_dir, *job.stop);
  Add(out->etc_hosts, os::UsageOfTree(job.etc_hosts, job.stop.get()));
  return out;
}

// Of the mount points that the runtime names; one that cannot be asked is left out.
absl::StatusOr<std::map<std::string, os::Filesystem>> Rooms(
    const std::vector<std::string>& points) {
  std::map<std::string, os::Filesystem> out;
  for (const auto& point : points) {
    if (out.contains(point)) continue;
    auto room = os::ReadFilesystem(point);
    if (room.ok()) out[point] = *room;
  }
  return out;
}

}  // namespace

Disk::Disk(const Stats::Deps& deps, const Stats::Options& options)
    : deps_(deps),
      options_(options),
      asking_(deps.executor, deps.clock, 1),
      scope_(deps.executor) {}

Disk::~Disk() { *stop_ = true; }

// pkg/kubelet/server/metrics of 1.36.
void Disk::AddMetrics(base::Registry& metrics) {
  looks_ =
      &metrics.AddHistogram("kubelet_volume_metric_collection_duration_seconds",
                            "Duration in seconds to calculate volume stats",
                            {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}, {"metric_source"});
}

void Disk::Observe(const char* source, base::Nanos took) {
  if (looks_ != nullptr)
    looks_->With({source}).Observe(std::chrono::duration<double>(took).count());
}

void Disk::RefreshSoon() {
  if (options_.disk_period < base::Nanos(0) || walking_) return;
  if (walked_ && deps_.clock.Mono() - *walked_ < options_.disk_period) return;
  walking_ = true;
  scope_.Spawn("disk usage", Walk());
}

Task<void> Disk::Refresh() {
  bool first = !walked_;
  RefreshSoon();
  auto until = deps_.clock.Mono() + kFirstWait;
  while (first && walking_ && deps_.clock.Mono() < until)
    co_await base::SleepFor(deps_.clock, kLook);
}

Task<void> Disk::Walk() {
  auto pods = deps_.pods();
  std::map<std::string, bool> there;
  for (const auto& input : pods) there[input.observed->uid] = true;
  std::erase_if(pods_, [&](const auto& one) { return !there.contains(one.first); });
  std::erase_if(own_, [&](const auto& one) { return !there.contains(one.first); });
  // All at once: a mount that does not answer holds up its own pod.
  base::TaskScope own(deps_.executor);
  for (const auto& input : pods)
    if (input.pod && deps_.own_volumes) own.Spawn("room of volumes", AskOwn(input.pod));
  for (auto& input : pods) co_await WalkPod(std::move(input));
  co_await own.JoinAsPart();
  walked_ = deps_.clock.Mono();
  walking_ = false;
}

Task<void> Disk::AskOwn(api::PodPtr pod) {
  auto rooms = std::make_shared<OwnRooms>();
  rooms->volumes = co_await deps_.own_volumes(pod);
  rooms->at = deps_.clock.Now();
  for (const auto& volume : rooms->volumes)
    Observe(volume.device ? "block" : "statfs", volume.took);
  const std::string& uid = pod->metadata().uid();
  own_.erase(uid);
  if (!rooms->volumes.empty()) own_[uid] = std::move(rooms);
}

bool Disk::IsOld(const std::string& uid) const {
  auto it = pods_.find(uid);
  if (it == pods_.end()) return true;
  auto pause = std::max(kLeastPause, kPauseFactor * it->second->took);
  return deps_.clock.Mono() - it->second->done >= std::min(pause, options_.disk_period);
}

Task<void> Disk::RefreshPods(std::set<std::string> uids, bool runtime) {
  std::vector<PodInput> old;
  bool measured = options_.disk_period >= base::Nanos(0) && walking_some_ == 0;
  for (auto& input : deps_.pods()) {
    const auto& uid = input.observed->uid;
    bool wanted = uids.empty() || uids.contains(uid);
    if (measured && wanted && IsOld(uid)) old.push_back(std::move(input));
  }
  if (!old.empty()) {
    ++walking_some_;
    scope_.Spawn("disk usage", WalkSome(std::move(old)));
  }
  if (runtime) StartAsking();
  co_await Await(walking_some_);
  if (runtime) co_await Await(asking_soon_);
}

void Disk::StartAsking() {
  if (asking_soon_ > 0) return;
  ++asking_soon_;
  scope_.Spawn("disk usage", AskSoon());
}

bool Disk::RuntimeIsOld() const {
  return !asked_ || deps_.clock.Mono() - *asked_ >= options_.max_age;
}

Task<void> Disk::AskRuntimeShortly() {
  StartAsking();
  co_await Await(asking_soon_);
}

Task<void> Disk::WalkSome(std::vector<PodInput> pods) {
  for (auto& input : pods) co_await WalkPod(std::move(input));
  --walking_some_;
}

Task<void> Disk::AskSoon() {
  co_await AskRuntime();
  --asking_soon_;
}

Task<void> Disk::Await(const int& under_way) {
  auto until = deps_.clock.Mono() + kFirstWait;
  while (under_way > 0 && deps_.clock.Mono() < until) co_await base::SleepFor(deps_.clock, kLook);
}

Task<void> Disk::WalkPod(PodInput input) {
  const runtime::ObservedPod& pod = *input.observed;
  auto job = std::make_shared<WalkJob>();
  job->log_dir = options_.pod_logs_dir + "/" + pod.namespace_ + "_" + pod.name + "_" + pod.uid;
  job->etc_hosts = options_.root_dir + "/pods/" + pod.uid + "/etc-hosts";
  job->now = deps_.clock.Now();
  job->stop = stop_;
  for (const auto& container : pod.containers) {
    if (container.state == runtime::ContainerState::kRunning)
      job->containers.push_back(container.name);
  }
  if (input.pod && deps_.volumes) job->volumes = deps_.volumes(*input.pod);
  job->began = deps_.clock.Mono();
  std::function<absl::StatusOr<std::shared_ptr<PodDisk>>()> work = [job] { return Measure(*job); };
  auto result =
      co_await deps_.pool.Run<std::shared_ptr<PodDisk>>("disk usage", kPodLimit, std::move(work));
  if (result.ok()) {
    (*result)->done = deps_.clock.Mono();
    (*result)->took = (*result)->done - job->began;
    for (const auto& volume : (*result)->volumes) Observe("du", volume.took);
    pods_[pod.uid] = *std::move(result);
  } else {
    LOG_V(2, "Cannot tell what a pod's files take", "podUID", pod.uid, "err", result.status());
  }
}

Task<void> Disk::AskRuntime() {
  auto permit = co_await asking_.Acquire();
  if (!RuntimeIsOld()) co_return;
  auto next = std::make_shared<RuntimeView>(*runtime_);
  std::vector<std::string> points;
  auto stats = co_await deps_.runtime_stats.ListContainerStats();
  if (stats.ok()) {
    next->containers.clear();
    for (auto& one : *stats) {
      if (one.layer) points.push_back(one.layer->mountpoint);
      next->containers[one.container.str()] = std::move(one);
    }
  } else {
    LOG_V(2, "Cannot ask the runtime what its containers use", "err", stats.status());
  }
  auto info = co_await deps_.images.ImageFsInfo();
  if (info.ok() && !info->image_filesystems.empty()) {
    next->images = next->layers = info->image_filesystems.front();
    if (!info->container_filesystems.empty()) next->layers = info->container_filesystems.front();
  }
  if (next->images) points.push_back(next->images->mountpoint);
  if (next->layers) points.push_back(next->layers->mountpoint);
  std::function<absl::StatusOr<std::map<std::string, os::Filesystem>>()> work = [points] {
    return Rooms(points);
  };
  auto rooms = co_await deps_.pool.Run<std::map<std::string, os::Filesystem>>(
      "disk usage", seconds(5), std::move(work));
  if (rooms.ok()) next->filesystems = *std::move(rooms);
  runtime_ = std::move(next);
  asked_ = deps_.clock.Mono();
}

}  // namespace kubelet::stats
