#include "app/node.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>

#include "kubelet/base/log.h"
#include "kubelet/base/metrics.h"

namespace kubelet::app {
namespace {

double CpuSeconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

double Resident() {
  std::ifstream statm("/proc/self/statm");
  long size = 0, resident = 0;
  statm >> size >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double Threads() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("Threads:", 0) == 0) return std::atof(line.c_str() + 8);
  }
  return 0;
}

}  // namespace

absl::Status InspectMachine(const config::LoadedConfig& config, Node& node) {
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  node.name = config.flags.hostname_override.empty() ? host : config.flags.hostname_override;
  node.context.node_name = node.name;
  node.context.host_ips = {"127.0.0.1"};
  node.context.pod_logs_dir = config.kubelet.pod_logs_dir();
  return absl::OkStatus();
}

void AddProcessMetrics(base::Registry& metrics, const std::string& node_name) {
  metrics.AddCounterFunction("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", CpuSeconds);
  metrics.AddGaugeFunction("process_resident_memory_bytes", "Resident memory size in bytes.", Resident);
  metrics.AddGaugeFunction("process_threads", "Number of threads of the process.", Threads);
  double start = static_cast<double>(std::time(nullptr));
  metrics.AddGaugeFunction("process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
                           [start] { return start; });
  metrics.AddGauge("kubelet_node_name", "The node's name. The count is always 1.", {"node"}).With({node_name}).Set(1);
  metrics.AddGauge("kubernetes_build_info", "A metric with a constant '1' value labeled by version.", {"git_version"})
      .With({config::OwnVersion()})
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
  if (sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), size) < 0) {
    LOG_WARNING("Cannot notify the service manager", "state", state, "err", std::strerror(errno));
  }
  close(fd);
}

}  // namespace kubelet::app
