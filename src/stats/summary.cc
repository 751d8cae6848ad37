#include "stats/summary.h"

#include <algorithm>

#include "stats/json_out.h"

namespace kubelet::stats {
namespace {

using base::WallTime;
constexpr char kDefaultInterface[] = "eth0";  // upstream's defaultNetworkInterfaceName
constexpr uint64_t kNoLimit = os::CgroupLimits::kNoLimit;

void PressureLine(JsonOut& out, const char* key, const os::PressureLine& line) {
  out.Open(key);
  out.Number("total", line.total_us);
  out.Real("avg10", line.avg10);
  out.Real("avg60", line.avg60);
  out.Real("avg300", line.avg300);
  out.Close();
}

class Writer {
 public:
  Writer(const Collector& collector, const SummaryInput& input, std::string& text)
      : collector_(collector), input_(input), out_(text) {}

  void Summary() {
    out_.Open();
    Node();
    out_.OpenList("pods");
    for (const auto& pod : collector_.pods()) {
      if (!pod.containers.empty()) Pod(pod);
    }
    out_.CloseList();
    out_.Close();
  }

 private:
  // What ephemeral storage adds up to.
  struct Sum {
    uint64_t bytes = 0, inodes = 0;
    WallTime at;
    void Add(uint64_t more_bytes, uint64_t more_inodes, WallTime when) {
      bytes += more_bytes;
      inodes += more_inodes;
      at = std::max(at, when);
    }
  };

  void Pressure(const Group& g, const std::optional<os::Pressure>& pressure) {
    if (!collector_.options().pressure || g.told) return;
    // Zeros where the kernel has none (cgroup v1), as upstream.
    os::Pressure shown = pressure.value_or(os::Pressure());
    out_.Open("psi");
    PressureLine(out_, "full", shown.full);
    PressureLine(out_, "some", shown.some);
    out_.Close();
  }

  void Cpu(const Group& g) {
    out_.Open("cpu");
    out_.Time("time", g.at);
    if (g.nano_cores || !g.told) out_.Number("usageNanoCores", g.nano_cores.value_or(0));
    out_.Number("usageCoreNanoSeconds", g.usage.cpu_ns);
    Pressure(g, g.usage.cpu_pressure);
    out_.Close();
  }

  void Memory(const Group& g) {
    const auto& u = g.usage;
    out_.Open("memory");
    out_.Time("time", g.at);
    if (g.limits.memory != kNoLimit) {
      out_.Number("availableBytes",
                  g.limits.memory > u.working_set ? g.limits.memory - u.working_set : 0);
    }
    out_.Number("usageBytes", u.memory);
    out_.Number("workingSetBytes", u.working_set);
    out_.Number("rssBytes", u.rss);
    out_.Number("pageFaults", u.page_faults);
    out_.Number("majorPageFaults", u.major_page_faults);
    Pressure(g, u.memory_pressure);
    out_.Close();
  }

  void Swap(const Group& g) {
    out_.Open("swap");
    out_.Time("time", g.at);
    if (g.limits.swap != kNoLimit) {
      out_.Number("swapAvailableBytes",
                  g.limits.swap > g.usage.swap ? g.limits.swap - g.usage.swap : 0);
    }
    out_.Number("swapUsageBytes", g.usage.swap);
    out_.Close();
  }

  void Io(const Group& g) {
    if (!collector_.options().pressure) return;
    out_.Open("io");
    out_.Time("time", g.at);
    Pressure(g, g.usage.io_pressure);
    out_.Close();
  }

  // All that a group tells by itself.
  void Usage(const Group& g) {
    Cpu(g);
    Memory(g);
    if (!input_.only_cpu_and_memory && !g.told) Io(g);
    Swap(g);
  }

  void Interface(const os::InterfaceUsage& i) {
    out_.Text("name", i.name);
    out_.Number("rxBytes", i.rx_bytes);
    out_.Number("rxErrors", i.rx_errors);
    out_.Number("txBytes", i.tx_bytes);
    out_.Number("txErrors", i.tx_errors);
  }

  void Network(const Group& g) {
    out_.Open("network");
    out_.Time("time", g.interfaces.empty() ? g.at : g.interfaces_at);
    auto standard = std::find_if(g.interfaces.begin(), g.interfaces.end(),
                                 [](const auto& i) { return i.name == kDefaultInterface; });
    if (standard != g.interfaces.end()) {
      Interface(*standard);
    } else {
      out_.Text("name", "");
    }
    if (!g.interfaces.empty()) {
      out_.OpenList("interfaces");
      for (const auto& i : g.interfaces) {
        out_.Open();
        Interface(i);
        out_.Close();
      }
      out_.CloseList();
    }
    out_.Close();
  }

  // Fields of FsStats. `room`: of the filesystem; null: unknown.
  void Fs(WallTime at, const os::Filesystem* room, std::optional<uint64_t> used,
          std::optional<uint64_t> inodes_used) {
    out_.Time("time", at);
    if (room != nullptr) {
      out_.Number("availableBytes", room->available);
      out_.Number("capacityBytes", room->capacity);
    }
    if (used) out_.Number("usedBytes", *used);
    if (room != nullptr) {
      out_.Number("inodesFree", room->inodes_free);
      out_.Number("inodes", room->inodes);
    }
    if (inodes_used) out_.Number("inodesUsed", *inodes_used);
  }

  const os::Filesystem* NodeFs() const { return input_.node_fs ? &*input_.node_fs : nullptr; }
  const os::Filesystem* RoomAt(const std::string& point) const {
    auto it = input_.runtime->filesystems.find(point);
    return it == input_.runtime->filesystems.end() ? nullptr : &it->second;
  }

  void System(const char* name, const Group& g) {
    out_.Open();
    out_.Text("name", name);
    bool kubelet = std::string(name) == "kubelet";
    out_.Time("startTime", kubelet ? input_.kubelet_started : g.made);
    Usage(g);
    out_.Close();
  }

  void Node() {
    const Group& root = collector_.root();
    out_.Open("node");
    out_.Text("nodeName", collector_.options().node_name);
    if (!collector_.system().empty()) {
      out_.OpenList("systemContainers");
      for (const auto& [name, group] : collector_.system()) System(name.c_str(), *group);
      out_.CloseList();
    }
    out_.Time("startTime", input_.boot.value_or(root.made));
    if (root.sampled) Usage(root);
    if (!input_.only_cpu_and_memory) {
      if (!root.interfaces.empty()) Network(root);
      NodeDisks(root);
      Rlimit();
    }
    out_.Close();
  }

  void NodeDisks(const Group& root) {
    if (const auto* room = NodeFs()) {
      out_.Open("fs");
      Fs(root.at, room, room->capacity - room->free, room->inodes - room->inodes_free);
      out_.Close();
    }
    if (!input_.runtime->images || !input_.runtime->layers) return;
    out_.Open("runtime");
    RuntimeFs("imageFs", *input_.runtime->images);
    RuntimeFs("containerFs", ContainerFs());
    out_.Close();
  }

  // On one disk the two are one, as upstream has it.
  const runtime::FilesystemUsage& ContainerFs() const {
    const auto& images = *input_.runtime->images;
    const auto& layers = *input_.runtime->layers;
    const auto* a = RoomAt(images.mountpoint);
    const auto* b = RoomAt(layers.mountpoint);
    bool same = a != nullptr && b != nullptr && a->major == b->major && a->minor == b->minor;
    return same || images.mountpoint == layers.mountpoint ? images : layers;
  }

  void RuntimeFs(const char* key, const runtime::FilesystemUsage& usage) {
    out_.Open(key);
    Fs(usage.timestamp, RoomAt(usage.mountpoint), usage.used_bytes, usage.inodes_used);
    out_.Close();
  }

  void Rlimit() {
    out_.Open("rlimit");
    out_.Time("time", input_.now);
    out_.Number("maxpid", static_cast<uint64_t>(collector_.options().machine.max_pids));
    if (input_.tasks) out_.Number("curproc", static_cast<uint64_t>(*input_.tasks));
    out_.Close();
  }

  void Pod(const PodView& pod) {
    const auto& observed = *pod.observed;
    auto it = input_.disk.find(observed.uid);
    disk_ = it == input_.disk.end() ? nullptr : it->second.get();
    auto own = input_.own.find(observed.uid);
    own_ = own == input_.own.end() ? nullptr : own->second.get();
    sum_ = Sum();
    out_.Open();
    out_.Open("podRef");
    out_.Text("name", observed.name);
    out_.Text("namespace", observed.namespace_);
    out_.Text("uid", observed.uid);
    out_.Close();
    out_.Time("startTime", pod.created);
    out_.OpenList("containers");
    uint64_t processes = 0;
    for (const auto& container : pod.containers) {
      Container(container);
      if (container.group != nullptr) processes += container.group->processes;
    }
    out_.CloseList();
    if (pod.group != nullptr) Usage(*pod.group);
    if (!input_.only_cpu_and_memory) {
      if (pod.sandbox != nullptr) Network(*pod.sandbox);
      Volumes();
      EphemeralStorage();
      out_.Open("process_stats");
      out_.Number("process_count", processes);
      out_.Close();
    }
    out_.Close();
  }

  void Container(const ContainerView& container) {
    out_.Open();
    out_.Text("name", container.name);
    out_.Time("startTime", container.created);
    if (container.group != nullptr) Usage(*container.group);
    if (!input_.only_cpu_and_memory) {
      Rootfs(container);
      Logs(container);
    }
    out_.Close();
  }

  void Rootfs(const ContainerView& container) {
    if (container.id == nullptr) return;
    auto it = input_.runtime->containers.find(*container.id);
    if (it == input_.runtime->containers.end() || !it->second.layer) return;
    const auto& usage = *it->second.layer;
    out_.Open("rootfs");
    Fs(usage.timestamp, RoomAt(usage.mountpoint), usage.used_bytes, usage.inodes_used);
    out_.Close();
    sum_.Add(usage.used_bytes, usage.inodes_used, usage.timestamp);
  }

  void Logs(const ContainerView& container) {
    if (disk_ == nullptr) return;
    auto it = disk_->logs.find(container.name);
    if (it == disk_->logs.end()) return;
    out_.Open("logs");
    Fs(disk_->at, NodeFs(), it->second.bytes, it->second.inodes);
    out_.Close();
    sum_.Add(it->second.bytes, it->second.inodes, disk_->at);
  }

  void Volumes() {
    bool any = disk_ != nullptr && !disk_->volumes.empty();
    if (!any && own_ == nullptr) return;
    out_.OpenList("volume");
    if (any) {
      for (const auto& volume : disk_->volumes) {
        out_.Open();
        Fs(disk_->at, &volume.room, volume.used.bytes, volume.used.inodes);
        out_.Text("name", volume.dir.name);
        out_.Close();
        if (volume.dir.ephemeral) sum_.Add(volume.used.bytes, volume.used.inodes, disk_->at);
      }
    }
    if (own_ != nullptr)
      for (const auto& volume : own_->volumes) OwnVolumeOf(volume);
    out_.CloseList();
  }

  void OwnVolumeOf(const OwnVolume& volume) {
    const auto& room = volume.room;
    out_.Open();
    Fs(own_->at, &room, room.capacity - room.free, room.inodes - room.inodes_free);
    out_.Text("name", volume.name);
    if (!volume.claim.empty()) {
      out_.Open("pvcRef");
      out_.Text("name", volume.claim);
      out_.Text("namespace", volume.claim_namespace);
      out_.Close();
    }
    out_.Close();
  }

  void EphemeralStorage() {
    if (disk_ != nullptr) {
      sum_.Add(disk_->other_logs.bytes, disk_->other_logs.inodes, disk_->at);
      sum_.Add(disk_->etc_hosts.bytes, disk_->etc_hosts.inodes, disk_->at);
    }
    if (NodeFs() == nullptr && sum_.at == WallTime()) return;
    out_.Open("ephemeral-storage");
    Fs(std::max(sum_.at, collector_.root().at), NodeFs(), sum_.bytes, sum_.inodes);
    out_.Close();
  }

  const Collector& collector_;
  const SummaryInput& input_;
  JsonOut out_;
  const PodDisk* disk_ = nullptr;
  const OwnRooms* own_ = nullptr;
  Sum sum_;
};

}  // namespace

std::string SummaryJson(const Collector& collector, const SummaryInput& input) {
  std::string text;
  text.reserve(collector.shown().size() * 1500 + 8000);
  Writer(collector, input, text).Summary();
  return text;
}

}  // namespace kubelet::stats
