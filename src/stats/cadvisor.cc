#include "stats/cadvisor.h"

#include <algorithm>
#include <array>

#include "stats/family.h"
#include "stats/machine.h"

namespace kubelet::stats {
namespace {

using base::WallTime;
constexpr uint64_t kMicro = 1000;

struct Scene {
  const Storage& storage;
  bool pressure;  // the kernel tells of it
  FamilyWriter& out;
  WallTime now;
};
// Writes the series that one group has in the family.
using Write = void (*)(Scene& scene, const Sample& group);

struct Family {
  const char* name;
  const char* type;
  const char* help;
  Write write;
};

constexpr char kCounter[] = "counter";
constexpr char kGauge[] = "gauge";

uint64_t Limit(uint64_t value) { return value == os::CgroupLimits::kNoLimit ? 0 : value; }

// A number of the sample as it is.
template <auto Member>
void Usage(Scene& s, const Sample& g) {
  s.out.Whole(g, g.usage.*Member, g.at);
}
template <auto Member>
void Nanos(Scene& s, const Sample& g) {
  s.out.Seconds(g, g.usage.*Member, g.at);
}
template <auto Member>
void Count(Scene& s, const Sample& g) {
  s.out.Whole(g, g.*Member, g.at);
}
void Zero(Scene& s, const Sample& g) { s.out.Whole(g, 0, g.at); }

// Figures of the CPU controller's bandwidth control mean something where there is a quota only.
template <auto Member>
void Throttle(Scene& s, const Sample& g) {
  if (g.limits.cpu_quota_us != 0) s.out.Whole(g, g.usage.*Member, g.at);
}
template <auto Member>
void ThrottleTime(Scene& s, const Sample& g) {
  if (g.limits.cpu_quota_us != 0) s.out.Seconds(g, g.usage.*Member, g.at);
}

void CpuTotal(Scene& s, const Sample& g) {
  if (g.usage.cpu_ns > 0) s.out.Seconds(g, g.usage.cpu_ns, g.at, {"cpu=\"total\",", "", "", ""});
}

void TaskStates(Scene& s, const Sample& g) {
  for (const char* state : {",state=\"iowaiting\"", ",state=\"running\"", ",state=\"sleeping\"",
                            ",state=\"stopped\"", ",state=\"uninterruptible\""})
    s.out.Whole(g, 0, g.at, {"", "", "", state});
}

void MemoryFailures(Scene& s, const Sample& g) {
  for (const char* scope : {",scope=\"container\"", ",scope=\"hierarchy\""}) {
    s.out.Whole(g, g.usage.page_faults, g.at, {"failure_type=\"pgfault\",", "", "", scope});
    s.out.Whole(g, g.usage.major_page_faults, g.at,
                {"failure_type=\"pgmajfault\",", "", "", scope});
  }
}

std::string DeviceLabel(const Scene& s, const os::IoTraffic& io) {
  std::string label = "device=\"";
  base::AppendLabelValue(s.storage.DeviceName(io.major, io.minor), label);
  return label + "\",";
}

template <auto Values, auto Seen, int Operation>
void Traffic(Scene& s, const Sample& g) {
  for (const auto& io : g.usage.io) {
    if (io.*Seen != 0)
      s.out.Whole(g, (io.*Values)[Operation], g.at, {DeviceLabel(s, io), "", "", ""});
  }
}

// Of the machine's filesystems, under the root group.
template <auto Member>
void DiskCount(Scene& s, const Sample& g) {
  if (g.kind != GroupKind::kRoot) return;
  for (const auto& fs : s.storage.filesystems)
    s.out.Whole(g, fs.disk.*Member, g.at, {fs.labels, "", "", ""});
}
// cAdvisor takes the milliseconds of /proc/diskstats for nanoseconds; so do dashboards by now.
template <auto Member>
void DiskTime(Scene& s, const Sample& g) {
  if (g.kind != GroupKind::kRoot) return;
  for (const auto& fs : s.storage.filesystems)
    s.out.Seconds(g, fs.disk.*Member, g.at, {fs.labels, "", "", ""});
}
template <auto Member>
void Room(Scene& s, const Sample& g) {
  if (g.kind != GroupKind::kRoot) return;
  for (const auto& fs : s.storage.filesystems)
    s.out.Whole(g, fs.room.*Member, g.at, {fs.labels, "", "", ""});
}
void RoomUsed(Scene& s, const Sample& g) {
  if (g.kind != GroupKind::kRoot) return;
  for (const auto& fs : s.storage.filesystems)
    s.out.Whole(g, fs.room.capacity - fs.room.free, g.at, {fs.labels, "", "", ""});
}

// By the control group, else by the disk: a device is told once.
template <int Operation, auto Member>
void Operations(Scene& s, const Sample& g) {
  Traffic<&os::IoTraffic::count, &os::IoTraffic::seen_count, Operation>(s, g);
  if (g.kind != GroupKind::kRoot) return;
  for (const auto& fs : s.storage.filesystems) {
    bool told = std::any_of(g.usage.io.begin(), g.usage.io.end(), [&fs](const auto& io) {
      return io.seen_count != 0 && io.major == fs.partition.major && io.minor == fs.partition.minor;
    });
    if (!told) s.out.Whole(g, fs.disk.*Member, g.at, {fs.labels, "", "", ""});
  }
}

void BlockDevices(Scene& s, const Sample& g) {
  for (const auto& io : g.usage.io) {
    std::string device = DeviceLabel(s, io);
    std::string numbers =
        "major=\"" + std::to_string(io.major) + "\",minor=\"" + std::to_string(io.minor) + "\",";
    for (int i = 0; i < os::IoTraffic::kOperations; ++i) {
      if ((io.seen_bytes & (1u << i)) == 0) continue;
      std::string operation = std::string("operation=\"") + os::IoOperationName(i) + "\",";
      s.out.Whole(g, io.bytes[static_cast<size_t>(i)], g.at, {device, numbers, operation, ""});
    }
  }
}

template <auto Member>
void Network(Scene& s, const Sample& g) {
  for (const auto& interface : g.interfaces) {
    std::string label = "interface=\"";
    base::AppendLabelValue(interface.name, label);
    label += "\",";
    s.out.Whole(g, interface.*Member, g.interfaces_at, {"", label, "", ""});
  }
}

void OpenFiles(Scene& s, const Sample& g) {
  if (!g.open_files_limit) return;
  s.out.Real(g, static_cast<double>(*g.open_files_limit), g.at,
             {"", "", "", ",ulimit=\"max_open_files\""});
}

template <auto Resource, auto Line>
void PressureTime(Scene& s, const Sample& g) {
  if (!s.pressure) return;
  const auto& pressure = g.usage.*Resource;
  s.out.Seconds(g, pressure ? ((*pressure).*Line).total_us * kMicro : 0, g.at);
}

void CpuQuota(Scene& s, const Sample& g) {
  if (g.limits.cpu_quota_us != 0) s.out.Whole(g, g.limits.cpu_quota_us, {});
}
template <auto Member>
void SpecOf(Scene& s, const Sample& g) {
  s.out.Whole(g, Limit(g.limits.*Member), {});
}

using U = os::CgroupUsage;
using D = os::DiskUsage;
using I = os::InterfaceUsage;
using L = os::CgroupLimits;
using P = os::Pressure;
using T = os::IoTraffic;

// In the order of their names.
const Family kFamilies[] = {
    {"container_blkio_device_usage_total", kCounter, "Blkio Device bytes usage", BlockDevices},
    {"container_cpu_cfs_burst_periods_total", kCounter, "Number of periods when burst occurs.",
     Throttle<&U::burst_periods>},
    {"container_cpu_cfs_burst_seconds_total", kCounter,
     "Total time duration the container has been bursted.", ThrottleTime<&U::burst_ns>},
    {"container_cpu_cfs_periods_total", kCounter, "Number of elapsed enforcement period intervals.",
     Throttle<&U::periods>},
    {"container_cpu_cfs_throttled_periods_total", kCounter, "Number of throttled period intervals.",
     Throttle<&U::throttled_periods>},
    {"container_cpu_cfs_throttled_seconds_total", kCounter,
     "Total time duration the container has been throttled.", ThrottleTime<&U::throttled_ns>},
    {"container_cpu_load_average_10s", kGauge,
     "Value of container cpu load average over the last 10 seconds.", Zero},
    {"container_cpu_load_d_average_10s", kGauge,
     "Value of container cpu load.d average over the last 10 seconds.", Zero},
    {"container_cpu_system_seconds_total", kCounter,
     "Cumulative system cpu time consumed in seconds.", Nanos<&U::cpu_system_ns>},
    {"container_cpu_usage_seconds_total", kCounter, "Cumulative cpu time consumed in seconds.",
     CpuTotal},
    {"container_cpu_user_seconds_total", kCounter, "Cumulative user cpu time consumed in seconds.",
     Nanos<&U::cpu_user_ns>},
    {"container_file_descriptors", kGauge, "Number of open file descriptors for the container.",
     Count<&Sample::descriptors>},
    {"container_fs_inodes_free", kGauge, "Number of available Inodes",
     Room<&os::Filesystem::inodes_free>},
    {"container_fs_inodes_total", kGauge, "Number of Inodes", Room<&os::Filesystem::inodes>},
    {"container_fs_io_current", kGauge, "Number of I/Os currently in progress",
     DiskCount<&D::in_progress>},
    {"container_fs_io_time_seconds_total", kCounter, "Cumulative count of seconds spent doing I/Os",
     DiskTime<&D::io_ms>},
    {"container_fs_io_time_weighted_seconds_total", kCounter,
     "Cumulative weighted I/O time in seconds", DiskTime<&D::weighted_ms>},
    {"container_fs_limit_bytes", kGauge,
     "Number of bytes that can be consumed by the container on this filesystem.",
     Room<&os::Filesystem::capacity>},
    {"container_fs_read_seconds_total", kCounter, "Cumulative count of seconds spent reading",
     DiskTime<&D::read_ms>},
    {"container_fs_reads_bytes_total", kCounter, "Cumulative count of bytes read",
     Traffic<&T::bytes, &T::seen_bytes, T::kRead>},
    {"container_fs_reads_merged_total", kCounter, "Cumulative count of reads merged",
     DiskCount<&D::reads_merged>},
    {"container_fs_reads_total", kCounter, "Cumulative count of reads completed",
     Operations<T::kRead, &D::reads>},
    {"container_fs_sector_reads_total", kCounter, "Cumulative count of sector reads completed",
     DiskCount<&D::sectors_read>},
    {"container_fs_sector_writes_total", kCounter, "Cumulative count of sector writes completed",
     DiskCount<&D::sectors_written>},
    {"container_fs_usage_bytes", kGauge,
     "Number of bytes that are consumed by the container on this filesystem.", RoomUsed},
    {"container_fs_write_seconds_total", kCounter, "Cumulative count of seconds spent writing",
     DiskTime<&D::write_ms>},
    {"container_fs_writes_bytes_total", kCounter, "Cumulative count of bytes written",
     Traffic<&T::bytes, &T::seen_bytes, T::kWrite>},
    {"container_fs_writes_merged_total", kCounter, "Cumulative count of writes merged",
     DiskCount<&D::writes_merged>},
    {"container_fs_writes_total", kCounter, "Cumulative count of writes completed",
     Operations<T::kWrite, &D::writes>},
    {"container_health_state", kGauge, "The result of the container's health check",
     [](Scene& s, const Sample& g) { s.out.Real(g, -1, g.at); }},
    {"container_last_seen", kGauge, "Last time a container was seen by the exporter",
     [](Scene& s, const Sample& g) {
       s.out.Whole(g, static_cast<uint64_t>(base::UnixNanos(s.now) / 1'000'000'000), s.now);
     }},
    {"container_memory_cache", kGauge, "Number of bytes of page cache memory.", Usage<&U::cache>},
    {"container_memory_failcnt", kCounter, "Number of memory usage hits limits",
     Usage<&U::memory_failures>},
    {"container_memory_failures_total", kCounter, "Cumulative count of memory allocation failures.",
     MemoryFailures},
    {"container_memory_kernel_usage", kGauge, "Size of kernel memory allocated in bytes.",
     Usage<&U::kernel_memory>},
    {"container_memory_mapped_file", kGauge, "Size of memory mapped files in bytes.",
     Usage<&U::mapped_file>},
    {"container_memory_max_usage_bytes", kGauge, "Maximum memory usage recorded in bytes",
     Usage<&U::max_memory>},
    {"container_memory_rss", kGauge, "Size of RSS in bytes.", Usage<&U::rss>},
    {"container_memory_swap", kGauge, "Container swap usage in bytes.", Usage<&U::swap>},
    {"container_memory_total_active_file_bytes", kGauge, "Current total active file in bytes.",
     Usage<&U::active_file>},
    {"container_memory_total_inactive_file_bytes", kGauge, "Current total inactive file in bytes.",
     Usage<&U::inactive_file>},
    {"container_memory_usage_bytes", kGauge,
     "Current memory usage in bytes, including all memory regardless of when it was accessed",
     Usage<&U::memory>},
    {"container_memory_working_set_bytes", kGauge, "Current working set in bytes.",
     Usage<&U::working_set>},
    {"container_network_receive_bytes_total", kCounter, "Cumulative count of bytes received",
     Network<&I::rx_bytes>},
    {"container_network_receive_errors_total", kCounter,
     "Cumulative count of errors encountered while receiving", Network<&I::rx_errors>},
    {"container_network_receive_packets_dropped_total", kCounter,
     "Cumulative count of packets dropped while receiving", Network<&I::rx_dropped>},
    {"container_network_receive_packets_total", kCounter, "Cumulative count of packets received",
     Network<&I::rx_packets>},
    {"container_network_transmit_bytes_total", kCounter, "Cumulative count of bytes transmitted",
     Network<&I::tx_bytes>},
    {"container_network_transmit_errors_total", kCounter,
     "Cumulative count of errors encountered while transmitting", Network<&I::tx_errors>},
    {"container_network_transmit_packets_dropped_total", kCounter,
     "Cumulative count of packets dropped while transmitting", Network<&I::tx_dropped>},
    {"container_network_transmit_packets_total", kCounter,
     "Cumulative count of packets transmitted", Network<&I::tx_packets>},
    {"container_oom_events_total", kCounter,
     "Count of out of memory events observed for the container", Usage<&U::oom_kills>},
    {"container_pressure_cpu_stalled_seconds_total", kCounter,
     "Total time duration no tasks in the container could make progress due to CPU congestion.",
     PressureTime<&U::cpu_pressure, &P::full>},
    {"container_pressure_cpu_waiting_seconds_total", kCounter,
     "Total time duration tasks in the container have waited due to CPU congestion.",
     PressureTime<&U::cpu_pressure, &P::some>},
    {"container_pressure_io_stalled_seconds_total", kCounter,
     "Total time duration no tasks in the container could make progress due to IO congestion.",
     PressureTime<&U::io_pressure, &P::full>},
    {"container_pressure_io_waiting_seconds_total", kCounter,
     "Total time duration tasks in the container have waited due to IO congestion.",
     PressureTime<&U::io_pressure, &P::some>},
    {"container_pressure_memory_stalled_seconds_total", kCounter,
     "Total time duration no tasks in the container could make progress due to memory congestion.",
     PressureTime<&U::memory_pressure, &P::full>},
    {"container_pressure_memory_waiting_seconds_total", kCounter,
     "Total time duration tasks in the container have waited due to memory congestion.",
     PressureTime<&U::memory_pressure, &P::some>},
    {"container_processes", kGauge, "Number of processes running inside the container.",
     Count<&Sample::processes>},
    {"container_scrape_error", kGauge,
     "1 if there was an error while getting container metrics, 0 otherwise", nullptr},
    {"container_sockets", kGauge, "Number of open sockets for the container.",
     Count<&Sample::sockets>},
    {"container_spec_cpu_period", kGauge, "CPU period of the container.",
     SpecOf<&L::cpu_period_us>},
    {"container_spec_cpu_quota", kGauge, "CPU quota of the container.", CpuQuota},
    {"container_spec_cpu_shares", kGauge, "CPU share of the container.", SpecOf<&L::cpu_shares>},
    {"container_spec_memory_limit_bytes", kGauge, "Memory limit for the container.",
     SpecOf<&L::memory>},
    {"container_spec_memory_reservation_limit_bytes", kGauge,
     "Memory reservation limit for the container.", SpecOf<&L::memory_reservation>},
    {"container_spec_memory_swap_limit_bytes", kGauge, "Memory swap limit for the container.",
     SpecOf<&L::swap>},
    {"container_start_time_seconds", kGauge,
     "Start time of the container since unix epoch in seconds.",
     [](Scene& s, const Sample& g) {
       s.out.Whole(g, static_cast<uint64_t>(base::UnixNanos(g.made) / 1'000'000'000), {});
     }},
    {"container_tasks_state", kGauge, "Number of tasks in given state", TaskStates},
    {"container_threads", kGauge, "Number of threads running inside the container",
     Usage<&U::threads>},
    {"container_threads_max", kGauge,
     "Maximum number of threads allowed inside the container, infinity if value is zero",
     [](Scene& s, const Sample& g) { s.out.Whole(g, g.limits.threads, g.at); }},
    {"container_ulimits_soft", kGauge,
     "Soft ulimit values for the container root process. Unlimited if -1, except priority and nice",
     OpenFiles},
};

// Of the families one after the other, a few groups at a time.
class Page {
 public:
  Page(const Collector& collector, const MachineFacts& machine, base::MetricForm form, WallTime now)
      : storage_(collector.storage()),
        machine_(machine),
        form_(form),
        scene_{storage_, collector.pressure(), out_, now},
        out_(form, text_) {
    samples_.reserve(collector.shown().size());
    for (const Group* group : collector.shown()) samples_.push_back(*group);
  }
  Page(const Page&) = delete;  // its parts know each other

  bool Next(std::string& out) {
    text_.clear();
    text_.reserve(kPiece + kPiece / 8);
    while (text_.size() < kPiece && !ended_) Step();
    out.swap(text_);
    return !out.empty();
  }

 private:
  // Asio hands the kernel 64 KB at most at once: a piece and what frames it are to stay below.
  static constexpr size_t kPiece = 58 * 1024;
  static constexpr size_t kGroups = 16;

  void Step() {
    if (family_ == 0 && sample_ == 0) Version();
    const Family& family = kFamilies[family_];
    if (sample_ == 0) out_.Begin(family.name, family.help, family.type);
    if (family.write == nullptr) {
      out_.Plain("", 0);
      sample_ = samples_.size();
    }
    size_t end = std::min(samples_.size(), sample_ + kGroups);
    for (; sample_ < end; ++sample_) family.write(scene_, samples_[sample_]);
    if (sample_ < samples_.size()) return;
    sample_ = 0;
    if (++family_ < std::size(kFamilies)) return;
    WriteMachine(machine_, out_);
    base::AppendEnd(form_, text_);
    ended_ = true;
  }

  void Version() {
    out_.Begin("cadvisor_version_info",
               "A metric with a constant '1' value labeled by kernel version, OS version, docker "
               "version, cadvisor version & cadvisor revision.",
               kGauge);
    out_.Plain(machine_.version, 1);
  }

  const Storage storage_;
  const MachineFacts machine_;
  const base::MetricForm form_;
  std::vector<Sample> samples_;
  std::string text_;
  Scene scene_;
  FamilyWriter out_;
  size_t family_ = 0, sample_ = 0;
  bool ended_ = false;
};

}  // namespace

base::TextPieces CadvisorText(const Collector& collector, const MachineFacts& machine,
                              base::MetricForm form, WallTime now) {
  auto page = std::make_shared<Page>(collector, machine, form, now);
  return [page](std::string& out) { return page->Next(out); };
}

}  // namespace kubelet::stats
