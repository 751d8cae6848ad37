#include "app/node.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "app/cluster.h"
#include "kubelet/base/log.h"
#include "kubelet/base/metrics.h"
#include "kubelet/base/status.h"
#include "kubelet/os/node_address.h"
#include "kubelet/os/oom.h"
#include "kubelet/os/proc_stats.h"
#include "kubelet/os/resolv_conf.h"
#include "kubelet/os/security.h"
#include "kubelet/os/signals.h"

namespace kubelet::app {
namespace {

// What this process takes; for all that is asked in one scrape it is read once.
os::OwnUsage Usage() {
  static std::chrono::steady_clock::time_point read;
  static os::OwnUsage usage;
  auto now = std::chrono::steady_clock::now();
  if (now - read > std::chrono::milliseconds(100)) {
    usage = os::ReadOwnUsage();
    read = now;
  }
  return usage;
}

double LimitOf(int which) {
  rlimit limit{};
  getrlimit(static_cast<__rlimit_resource>(which), &limit);
  // As upstream's client library shows "unlimited".
  return limit.rlim_cur == RLIM_INFINITY ? 18446744073709551615.0
                                         : static_cast<double>(limit.rlim_cur);
}

#if defined(__x86_64__)
constexpr char kPlatform[] = "linux/amd64";
#elif defined(__aarch64__)
constexpr char kPlatform[] = "linux/arm64";
#else
constexpr char kPlatform[] = "linux";
#endif

// `36` of `v1.36.2`.
std::string VersionPart(const std::string& version, int index) {
  size_t begin = version.find_first_of("0123456789");
  for (int i = 0; i < index && begin != std::string::npos; ++i)
    begin = version.find('.', begin) + 1;
  if (begin == std::string::npos) return "";
  return version.substr(begin, version.find('.', begin) - begin);
}

// As upstream: the kernel's name, without blanks around it and in lower case.
std::string HostName() {
  char buffer[256] = {};
  gethostname(buffer, sizeof buffer - 1);
  std::string name = buffer;
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

runtime::SwapContext SwapOfNode(const config::LoadedConfig& config, const Node& node) {
  runtime::SwapContext swap;
  swap.controlled = os::CountsSwap(*node.hierarchy, os::CgroupOf("/proc", "self"));
  swap.memory_bytes = node.machine.memory_bytes;
  swap.swap_bytes = node.machine.swap_bytes;
  bool asked = config.kubelet.memory_swap().swap_behavior() == "LimitedSwap" &&
               config.gates.Enabled("NodeSwap");
  swap.limited = asked && swap.controlled && node.hierarchy->v2();
  if (asked && !swap.limited)
    LOG_WARNING(
        "memorySwap.swapBehavior: LimitedSwap needs cgroup v2 with memory.swap.max; acting "
        "as with NoSwap",
        "cgroupV2", node.hierarchy->v2(), "swapController", swap.controlled);
  return swap;
}

}  // namespace

absl::Status InspectMachine(const config::LoadedConfig& config, Node& node) {
  const auto& kc = config.kubelet;
  node.name = config.flags.hostname_override.empty() ? HostName() : config.flags.hostname_override;
  ASSIGN_OR_RETURN(node.machine, os::ReadMachine());
  ASSIGN_OR_RETURN(node.hierarchy, os::CgroupHierarchy::OpenHost());
  if (!node.hierarchy->v2() && kc.fail_cgroup_v1()) {
    return absl::FailedPreconditionError(
        "failCgroupV1: kubelet is configured to not run on a host using cgroup v1 (set "
        "failCgroupV1: false to run here)");
  }
  if (kc.fail_swap_on() && !node.machine.swaps.empty()) {
    return absl::FailedPreconditionError(
        "failSwapOn: running with swap on is not supported, please disable swap or set "
        "failSwapOn: false; active: " +
        node.machine.swaps.front());
  }
  node.cgroup_driver = kc.cgroup_driver() == "systemd" ? runtime::CgroupDriver::kSystemd
                                                       : runtime::CgroupDriver::kCgroupfs;
  runtime::NodeContext& context = node.context;
  context.node_name = node.name;
  node.addresses = NodeAddresses(config, node.name, true);
  if (node.addresses.ok() && !ProviderSaysAddresses(config)) context.host_ips = *node.addresses;
  context.cluster_dns.assign(kc.cluster_dns().begin(), kc.cluster_dns().end());
  context.cluster_domain = kc.cluster_domain();
  if (!kc.resolv_conf().empty()) {
    auto dns = os::ReadResolvConf(kc.resolv_conf());
    if (dns.ok()) {
      context.host_dns = {dns->nameservers, dns->searches, dns->options};
    } else {
      LOG_ERROR("Cannot read resolvConf; pods get no DNS servers of the node", "file",
                kc.resolv_conf(), "err", dns.status());
    }
  }
  context.container_stop_signals = config.gates.Enabled("ContainerStopSignals");
  context.no_resolv_conf = kc.resolv_conf().empty();
  context.selinux = os::SelinuxEnabled();
  context.masked_paths = os::ThermalThrottlePaths();
  context.env_files = config.gates.Enabled("EnvFiles");
  context.hostname_override = config.gates.Enabled("HostnameOverride");
  context.seccomp_default = kc.seccomp_default();
  context.seccomp_root = config.flags.root_dir + "/seccomp";
  context.pod_logs_dir = kc.pod_logs_dir();
  context.cpu_cfs_quota = kc.cpu_cfs_quota();
  if (kc.cpu_cfs_quota_period().duration() > 0) {
    context.cpu_cfs_quota_period_us = kc.cpu_cfs_quota_period().duration() / 1000;
  }
  context.memory_capacity = node.machine.memory_bytes;
  context.cgroup_v2 = node.hierarchy->v2();
  context.single_process_oom_kill = kc.single_process_oom_kill();
  context.swap = SwapOfNode(config, node);
  // Without the controller there is nothing that a limit could be set on, and a runtime may fail
  // over it.
  if (node.hierarchy->controllers().contains("hugetlb")) {
    for (const auto& [size, bytes] : node.machine.huge_pages)
      context.hugepage_sizes.push_back(os::HugetlbSizeName(size));
  }
  if (auto bytes = os::FilesystemBytes(config.flags.root_dir); bytes.ok())
    node.root_fs_bytes = *bytes;
  node.apparmor = os::AppArmorEnabled();
  const auto& unsafe = kc.allowed_unsafe_sysctls();
  ASSIGN_OR_RETURN(node.sysctls, admission::SysctlAllowlist::Make({unsafe.begin(), unsafe.end()},
                                                                  node.machine.kernel_version));
  auto oom = os::SetOwnOomScoreAdj(kc.oom_score_adj());
  if (!oom.ok())
    LOG_WARNING("Cannot set oomScoreAdj of the kubelet; going on", "value", kc.oom_score_adj(),
                "err", oom);
  return absl::OkStatus();
}

bool NameMatters(const config::LoadedConfig& config) {
  auto given = os::ParseNodeIps(config.flags.node_ip);
  return given.empty() || given[0] == "0.0.0.0" || given[0] == "::";
}

bool ProviderSaysAddresses(const config::LoadedConfig& config) {
  return config.flags.cloud_provider == "external" && Cluster::Configured(config) &&
         os::ParseNodeIps(config.flags.node_ip).empty();
}

absl::StatusOr<std::vector<std::string>> NodeAddresses(const config::LoadedConfig& config,
                                                       const std::string& node_name, bool quick,
                                                       const std::vector<std::string>& last) {
  bool look_up = !quick && NameMatters(config);
  ASSIGN_OR_RETURN(auto network, os::ObserveHostNetwork(look_up ? node_name : ""));
  return os::ChooseNodeAddresses(os::ParseNodeIps(config.flags.node_ip), node_name, network, last);
}

void AddProcessMetrics(base::Registry& metrics, const std::string& node_name) {
  struct Row {
    bool counter;
    const char *name, *help;
    double (*read)(const os::OwnUsage&);
  };
  using U = os::OwnUsage;
  const Row rows[] = {
      {true, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
       [](const U& u) { return u.cpu_seconds; }},
      {true, "process_network_receive_bytes_total",
       "Number of bytes received by the process over the network.",
       [](const U& u) { return static_cast<double>(u.received_bytes); }},
      {true, "process_network_transmit_bytes_total",
       "Number of bytes sent by the process over the network.",
       [](const U& u) { return static_cast<double>(u.sent_bytes); }},
      {false, "process_open_fds", "Number of open file descriptors.",
       [](const U& u) { return static_cast<double>(u.open_files); }},
      {false, "process_resident_memory_bytes", "Resident memory size in bytes.",
       [](const U& u) { return static_cast<double>(u.resident_bytes); }},
      {false, "process_start_time_seconds",
       "Start time of the process since unix epoch in seconds.",
       [](const U& u) { return u.started; }},
      {false, "process_threads", "Number of threads of the process.",
       [](const U& u) { return static_cast<double>(u.threads); }},
      {false, "process_virtual_memory_bytes", "Virtual memory size in bytes.",
       [](const U& u) { return static_cast<double>(u.virtual_bytes); }},
  };
  for (const Row& row : rows) {
    auto read = [read = row.read] { return read(Usage()); };
    if (row.counter) {
      metrics.AddCounterFunction(row.name, row.help, read);
    } else {
      metrics.AddGaugeFunction(row.name, row.help, read);
    }
  }
  metrics.AddGauge("process_max_fds", "Maximum number of open file descriptors.")
      .Only()
      .Set(LimitOf(RLIMIT_NOFILE));
  metrics
      .AddGauge("process_virtual_memory_max_bytes",
                "Maximum amount of virtual memory available in bytes.")
      .Only()
      .Set(LimitOf(RLIMIT_AS));
  metrics.AddGauge("kubelet_node_name", "The node's name. The count is always 1.", {"node"})
      .With({node_name})
      .Set(1);
  std::string version = config::OwnVersion();
  metrics
      .AddGauge(
          "kubernetes_build_info",
          "A metric with a constant '1' value labeled by major, minor, git version, git "
          "commit, git tree state, build date, Go version, and compiler from which Kubernetes "
          "was built, and platform on which it is running.",
          {"build_date", "compiler", "git_commit", "git_tree_state", "git_version", "go_version",
           "major", "minor", "platform"})
      .With({"", "c++ " __VERSION__, "", "", version, "", VersionPart(version, 0),
             VersionPart(version, 1), kPlatform})
      .Set(1);
}

void NotifyServiceManager(const std::string& state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr || (path[0] != '/' && path[0] != '@')) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  size_t length = std::strlen(path);
  if (length >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  if (sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address),
             size) < 0) {
    LOG_WARNING("Cannot notify the service manager", "state", state, "err", std::strerror(errno));
  }
  close(fd);
}

}  // namespace kubelet::app
