#include "stats/collector.h"

#include <algorithm>

#include "stats/disk.h"

namespace kubelet::stats {
namespace {

using base::WallTime;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Limits change with a resize, that is soon after the pod's object; the shares of classes with
// every pod; and when somebody else writes to the group. Descriptors are dear to count, and so are
// the processes of a whole machine.
constexpr base::Nanos kLimitsAge = minutes(15);
constexpr base::Nanos kSystemLimitsAge = minutes(1);
constexpr base::Nanos kNewLimitsAge = seconds(10);
constexpr base::Nanos kResizeTime = minutes(2);
// Everything is read again after one to two of these, each group at a time of its own.
constexpr base::Nanos kQuietAge = minutes(5);
// What reaches a pod that does nothing: pings and broadcasts, which the kernel answers.
constexpr base::Nanos kQuietNetworkAge = seconds(20);
constexpr base::Nanos kDescriptorsAge = seconds(30);
constexpr base::Nanos kSystemDescriptorsAge = minutes(5);  // thousands, of all services
constexpr base::Nanos kRootProcessesAge = minutes(1);
constexpr base::Nanos kSystemAge = minutes(1);
// A speed over less says little, one over more is no speed of now.
constexpr base::Nanos kShortest = milliseconds(400);
constexpr base::Nanos kLongest = minutes(2);

std::shared_ptr<const GroupLabels> Labels(const std::string& container, const std::string& id,
                                          const std::string& image, const std::string& name,
                                          const std::string& space, const std::string& pod) {
  GroupLabels out;
  auto label = [&text = out.text](const char* key, const std::string& value) {
    text += key;
    text += "=\"";
    base::AppendLabelValue(value, text);
    text += "\",";
  };
  out.text = '{';
  label("container", container);
  out.after_container = out.text.size();
  label("id", id);
  label("image", image);
  out.after_image = out.text.size();
  label("name", name);
  label("namespace", space);
  out.after_namespace = out.text.size();
  label("pod", pod);
  out.text.pop_back();
  out.end = out.text.size();
  out.text += "} ";
  out.text.shrink_to_fit();
  return std::make_shared<const GroupLabels>(std::move(out));
}

std::string ResourceLabels(const std::string& container, const runtime::ObservedPod& pod) {
  std::string out;
  if (!container.empty()) {
    out += "container=\"";
    base::AppendLabelValue(container, out);
    out += "\",";
  }
  out += "namespace=\"";
  base::AppendLabelValue(pod.namespace_, out);
  out += "\",pod=\"";
  base::AppendLabelValue(pod.name, out);
  return out + '"';
}

// containerd: ID, or cri-containerd-ID.scope; CRI-O: crio-ID, crio-ID.scope, and its monitor beside
// it as crio-conmon-ID.
bool IsGroupOf(const std::string& name, const std::string& id) {
  size_t at = name.find(id);
  if (at == std::string::npos || name.rfind("crio-conmon-", 0) == 0) return false;
  bool front = at == 0 || name[at - 1] == '-';
  std::string rest = name.substr(at + id.size());
  return front && (rest.empty() || rest == ".scope");
}

// The groups of the burstable and the best-effort pods, as either driver calls them.
bool IsClass(const std::string& name) {
  for (const char* qos : {"burstable", "besteffort"}) {
    std::string slice = std::string("-") + qos + ".slice";
    bool ends = name.size() > slice.size() &&
                name.compare(name.size() - slice.size(), slice.size(), slice) == 0;
    if (name == qos || ends) return true;
  }
  return false;
}

base::Nanos Spread(const std::string& path, base::Nanos most) {
  constexpr size_t kSteps = 64;
  return most / kSteps * static_cast<int64_t>(std::hash<std::string>()(path) % kSteps);
}

std::string Below(const std::string& parent, const std::string& name) {
  return parent == "/" ? "/" + name : parent + "/" + name;
}

}  // namespace

Collector::Collector(const Stats::Options& options)
    : options_(options), reader_(options.cgroups, options.proc) {}

bool Collector::Fresh(const std::optional<WallTime>& at, base::Nanos age) const {
  // A clock that was set back makes nothing fresh for ever.
  return at && *at <= now_ && now_ - *at < age;
}

Group& Collector::Keep(const std::string& key, GroupKind kind) {
  auto& place = groups_[key];
  if (!place) {
    place = std::make_unique<Group>();
    place->kind = kind;
  }
  place->round = round_;
  return *place;
}

void Collector::Collect(const Question& question, Depth depth, base::Nanos max_age) {
  ++round_;
  now_ = question.now;
  max_age_ = max_age;
  depth_ = depth;
  needs_speed_ = needs_runtime_ = false;
  pods_.clear();
  shown_.clear();
  system_views_.clear();
  limits_age_ = kSystemLimitsAge;
  quiet_pod_ = false;
  CollectSystem(question);
  for (const auto& input : question.pods) CollectPod(input, question);
  for (auto it = groups_.begin(); it != groups_.end();) {
    it = it->second->round == round_ ? std::next(it) : groups_.erase(it);
  }
  if (depth == Depth::kDetails) CollectFilesystems();
}

void Collector::CollectSystem(const Question& question) {
  if (!Fresh(system_at_, kSystemAge)) {
    system_at_ = now_;
    kubelet_group_ = options_.kubelet_cgroup;
    if (kubelet_group_.empty()) kubelet_group_ = os::CgroupOf(options_.proc, "self");
    runtime_group_ = options_.runtime_cgroup;
    if (runtime_group_.empty() && !options_.runtime_socket.empty()) {
      if (int pid = os::ListenerOf(options_.runtime_socket); pid > 0)
        runtime_group_ = os::CgroupOf(options_.proc, std::to_string(pid));
    }
  }
  root_ = System("/");
  auto named = [&](const char* name, const std::string& path) {
    if (path.empty()) return;
    if (Group* g = System(path); g->sampled) system_views_[name] = g;
  };
  named("kubelet", kubelet_group_);
  named("runtime", runtime_group_);
  named("misc", options_.system_cgroup);
  named("pods", question.pods_cgroup);
  if (question.pods_cgroup.empty()) return;
  for (const auto& name : reader_.Children(question.pods_cgroup)) {
    if (IsClass(name)) System(Below(question.pods_cgroup, name));
  }
}

Group* Collector::System(const std::string& path) {
  Group& group = Keep(path, path == "/" ? GroupKind::kRoot : GroupKind::kSystem);
  if (group.path.empty()) {
    group.path = path;
    group.labels = Labels("", path, "", "", "", "");
  }
  bool known = std::find(shown_.begin(), shown_.end(), &group) != shown_.end();
  if (!known) TakeSample(group);
  return &group;
}

void Collector::CollectPod(const PodInput& input, const Question& question) {
  const runtime::ObservedPod& pod = *input.observed;
  Group& group = Keep("pod " + pod.uid, GroupKind::kPod);
  auto it = question.pod_groups.find(pod.uid);
  if (group.path.empty() && it != question.pod_groups.end()) {
    group.path = it->second;
    group.labels = Labels("", group.path, "", "", pod.namespace_, pod.name);
    group.resource_labels = ResourceLabels("", pod);
  }
  children_.clear();
  PodView view;
  view.observed = &pod;
  if (group.spec != input.pod) {
    group.spec = input.pod;
    group.spec_at = now_;
  }
  limits_age_ = Fresh(group.spec_at, kResizeTime) ? kNewLimitsAge : kLimitsAge;
  quiet_pod_ = !Known(group) && Quiet(group);
  TakeSample(group);
  if (group.sampled) view.group = &group;
  if (!pod.sandboxes.empty()) view.created = pod.sandboxes.front().created_at;
  if (const auto* sandbox = pod.ReadySandbox(); sandbox != nullptr) {
    Group& g = Keep(sandbox->id.str(), GroupKind::kSandbox);
    Find(g, group, sandbox->id.str());
    if (!g.labels && !g.path.empty()) {
      g.labels =
          Labels("", g.path, question.sandbox_image, sandbox->id.str(), pod.namespace_, pod.name);
    }
    TakeSample(g);
    view.created = sandbox->created_at;
    if (g.sampled) view.sandbox = &g;
  }
  for (const auto& container : pod.containers) {
    if (container.state != runtime::ContainerState::kRunning) continue;
    Group& g = Keep(container.id.str(), GroupKind::kContainer);
    Find(g, group, container.id.str());
    if (!g.labels && !g.path.empty()) {
      g.labels = Labels(container.name, g.path, container.image, container.id.str(), pod.namespace_,
                        pod.name);
    }
    if (g.resource_labels.empty()) g.resource_labels = ResourceLabels(container.name, pod);
    TakeSample(g);
    Tell(g, question, container.id.str());
    view.containers.push_back({container.name, &container.id.str(), container.created_at,
                               g.sampled || g.told ? &g : nullptr});
  }
  pods_.push_back(std::move(view));
}

// Once for each container; the listing is for all of a pod's.
void Collector::Find(Group& group, const Group& pod, const std::string& id) {
  if (!group.path.empty() || !pod.sampled) return;
  if (children_.empty()) children_ = reader_.Children(pod.path);
  for (const auto& name : children_) {
    if (IsGroupOf(name, id)) group.path = Below(pod.path, name);
  }
}

// One that had a group is gone with it, whatever the runtime has not noticed yet.
void Collector::Tell(Group& group, const Question& question, const std::string& id) {
  group.told = false;
  if (!group.path.empty()) return;
  needs_runtime_ = true;
  if (!question.runtime) return;
  auto it = question.runtime->containers.find(id);
  if (it == question.runtime->containers.end() || !it->second.cpu || !it->second.memory) return;
  const auto& [container, layer, cpu, memory, swap] = it->second;
  group.told = true;
  group.at = cpu->at;
  group.usage.cpu_ns = cpu->used_ns;
  group.usage.memory = memory->usage;
  group.usage.working_set = memory->working_set;
  group.usage.rss = memory->rss;
  group.usage.page_faults = memory->page_faults;
  group.usage.major_page_faults = memory->major_page_faults;
  group.usage.swap = swap;
  group.limits = os::CgroupLimits();
  if (uint64_t left = memory->available.value_or(0); left > 0)
    group.limits.memory = memory->working_set + left;
  Speed(group, group.at);
  if (cpu->nano_cores) group.nano_cores = cpu->nano_cores;
}

void Collector::TakeSample(Group& group) {
  if (group.path.empty()) return;
  if (!group.sampled || !Known(group)) {
    auto read_at = group.read_at[static_cast<int>(depth_)];
    bool recent = group.sampled && Fresh(read_at, kQuietAge + Spread(group.path, kQuietAge));
    // A sandbox sleeps while its pod works.
    bool sandbox = group.kind == GroupKind::kSandbox;
    bool quiet = quiet_pod_ || (sandbox && Quiet(group));
    quiet&& recent ? Renew(group) : Read(group);
  }
  if (!group.sampled) return;
  if (!group.nano_cores) needs_speed_ = true;
  shown_.push_back(&group);
}

// Takes the pulse; true when it is that of the time when as much as now was read.
bool Collector::Quiet(Group& group) {
  if (group.path.empty()) return false;
  if (!group.pulse_files) group.pulse_files = reader_.OpenPulse(group.path);
  auto pulse = group.pulse_files->Read();
  if (!pulse.ok()) {
    group.pulse_files.reset();
    return false;
  }
  int depth = static_cast<int>(depth_);
  if (group.pulse[depth] == *pulse) return true;
  for (int less = 0; less <= depth; ++less) group.pulse[less] = *pulse;
  return false;
}

void Collector::Read(Group& group) {
  bool details = depth_ == Depth::kDetails, was = group.sampled;
  if (!Fresh(group.limits_at, limits_age_ + Spread(group.path, limits_age_))) ReadLimits(group);
  unsigned parts = os::CgroupReader::kCpu | os::CgroupReader::kMemory;
  if (details) parts |= os::CgroupReader::kDetails | os::CgroupReader::kIo;
  if (details && group.limits.cpu_quota_us != 0) parts |= os::CgroupReader::kBandwidth;
  if (depth_ != Depth::kUsage && options_.pressure) parts |= os::CgroupReader::kPressure;
  os::CgroupUsage usage = group.usage;
  group.sampled = reader_.ReadUsage(group.path, parts, usage).ok();
  if (!group.sampled) return;
  group.usage = std::move(usage);
  group.at = now_;
  for (int depth = 0; depth <= static_cast<int>(depth_); ++depth)
    group.at_depth[depth] = group.read_at[depth] = now_;
  if (!was) {
    auto made = reader_.MadeAt(group.path);
    group.made = made.ok() ? *made : now_;
    auto boot = os::BootTime(options_.proc);
    if (boot && (group.kind == GroupKind::kRoot || group.made < *boot)) group.made = *boot;
  }
  if (depth_ != Depth::kUsage) ReadProcesses(group);
  Speed(group, now_);
}

// Of a quiet group, only what moves without it.
void Collector::Renew(Group& group) {
  if (!Fresh(group.limits_at, limits_age_ + Spread(group.path, limits_age_))) ReadLimits(group);
  unsigned parts = 0;
  if (depth_ != Depth::kUsage && pressure()) parts |= os::CgroupReader::kPressure;
  if (depth_ == Depth::kDetails && reader_.v2()) parts |= os::CgroupReader::kIo;
  // A container's end is not quiet: it is known to be there.
  if (parts != 0) group.sampled = reader_.ReadUsage(group.path, parts, group.usage).ok();
  if (!group.sampled) return;
  group.at = now_;
  for (int depth = 0; depth <= static_cast<int>(depth_); ++depth) group.at_depth[depth] = now_;
  bool network = depth_ != Depth::kUsage && group.kind == GroupKind::kSandbox;
  base::Nanos age = kQuietNetworkAge + Spread(group.path, kQuietNetworkAge);
  if (network && !(quiet_pod_ && Fresh(group.interfaces_at, age))) ReadInterfaces(group);
  Speed(group, now_);
}

void Collector::ReadLimits(Group& group) {
  group.limits_at = now_;
  group.limits = os::CgroupLimits();
  (void)reader_.ReadLimits(group.path, group.limits);  // zeros are "unknown"
  if (group.kind != GroupKind::kRoot) return;
  group.limits.memory = static_cast<uint64_t>(options_.machine.memory_bytes);
  group.limits.swap = static_cast<uint64_t>(options_.machine.swap_bytes);
}

void Collector::ReadInterfaces(Group& group) {
  if (group.first_pid <= 0) return;
  auto interfaces = os::ReadInterfaces(options_.proc, group.first_pid);
  if (!interfaces.ok()) return;
  group.interfaces = *std::move(interfaces);
  group.interfaces_at = now_;
}

void Collector::ReadProcesses(Group& group) {
  bool details = depth_ == Depth::kDetails, root = group.kind == GroupKind::kRoot;
  bool network = root || group.kind == GroupKind::kSandbox;
  if (!details && !network && group.kind != GroupKind::kContainer) return;
  auto& counted_at = group.counted_at[details];
  if (root && Fresh(counted_at, kRootProcessesAge)) return ReadInterfaces(group);
  counted_at = now_;
  auto pids = reader_.Processes(group.path);
  group.processes = pids.size();
  group.first_pid = root ? 1 : pids.empty() ? 0 : pids.front();
  if (network) ReadInterfaces(group);
  bool system = root || group.kind == GroupKind::kSystem;
  if (!details || Fresh(group.descriptors_at, system ? kSystemDescriptorsAge : kDescriptorsAge))
    return;
  group.descriptors_at = now_;
  group.descriptors = group.sockets = 0;
  bool of_pod = network || group.kind == GroupKind::kContainer;
  if (of_pod && group.first_pid > 0)
    group.open_files_limit = os::OpenFilesLimit(options_.proc, group.first_pid);
  for (int pid : pids) {
    auto count = os::CountDescriptors(options_.proc, pid);
    group.descriptors += count.all;
    group.sockets += count.sockets;
  }
}

void Collector::Speed(Group& group, WallTime at) {
  uint64_t cpu = group.usage.cpu_ns;
  if (!group.before || *group.before > at || cpu < group.before_ns ||
      at - *group.before > kLongest) {
    group.nano_cores.reset();
    group.before = at;
    group.before_ns = cpu;
    return;
  }
  auto passed = at - *group.before;
  if (passed < kShortest) return;
  double share = static_cast<double>(cpu - group.before_ns) / static_cast<double>(passed.count());
  group.nano_cores = static_cast<uint64_t>(share * 1e9);
  group.before = at;
  group.before_ns = cpu;
}

}  // namespace kubelet::stats
