#include "app/pod_files.h"

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/resolv_conf.h"

namespace kubelet::app {

using base::Task;
using Attempts = std::map<std::string, uint32_t>;

namespace {
constexpr auto kTimeout = std::chrono::seconds(30);
constexpr char kKind[] = "pod files";

struct Prepared {
  Attempts next_attempt;
  absl::StatusOr<os::ResolvConf> resolv_conf = absl::NotFoundError("not read");
};
}  // namespace

Task<absl::StatusOr<runtime::PodFiles::PodPaths>> PodFilesAdapter::PreparePod(api::PodPtr pod) {
  std::vector<std::string> names;
  for (const auto& c : pod->spec().init_containers()) names.push_back(c.name());
  for (const auto& c : pod->spec().containers()) names.push_back(c.name());
  for (const auto& c : pod->spec().ephemeral_containers())
    names.push_back(c.ephemeral_container_common().name());
  std::string logs = runtime::PodLogDirectory(*pod, dirs_.pod_logs_dir);
  std::function<absl::StatusOr<Prepared>()> work =
      [dirs = dirs_, uid = pod->metadata().uid(), logs, names,
       resolv_conf = resolv_conf_]() -> absl::StatusOr<Prepared> {
    Prepared out;
    ASSIGN_OR_RETURN(out.next_attempt, volume::MakePodDirectories(dirs, uid, logs, names));
    if (!resolv_conf.empty()) out.resolv_conf = os::ReadResolvConf(resolv_conf);
    return out;
  };
  auto prepared = co_await pool_.Run<Prepared>(kKind, kTimeout, std::move(work));
  if (!prepared.ok()) co_return prepared.status();
  // It may change under a running kubelet (DHCP). One that cannot be read leaves what was known.
  if (const auto& dns = prepared->resolv_conf; dns.ok()) {
    runtime::DnsConfig now{dns->nameservers, dns->searches, dns->options};
    on_resolv_conf_(std::move(now));
  } else if (!resolv_conf_.empty()) {
    LOG_ERROR("Cannot read resolvConf; pods get what it held before", "file", resolv_conf_, "err",
              dns.status());
  }
  PodPaths paths;
  paths.next_attempt = prepared->next_attempt;
  co_return paths;
}

Task<absl::StatusOr<runtime::PodFiles::ContainerPaths>> PodFilesAdapter::PrepareContainer(
    api::PodPtr pod, std::string container, std::vector<std::string> pod_ips) {
  std::string logs = runtime::PodLogDirectory(*pod, dirs_.pod_logs_dir);
  bool on_host = pod->spec().host_network();
  std::optional<std::string> own;
  if (!on_host && !pod_ips.empty()) own = runtime::MakeEtcHosts(*pod, pod_ips, "", node_);
  std::function<absl::StatusOr<volume::ContainerFiles>()> work =
      [dirs = dirs_, pod, logs, container, own, on_host]() -> absl::StatusOr<volume::ContainerFiles> {
    std::optional<std::string> hosts = own;
    if (on_host) {
      ASSIGN_OR_RETURN(std::string node_file, os::ReadHostsFile());
      hosts = runtime::MakeEtcHosts(*pod, {}, node_file, {});
    }
    return volume::MakeContainerFiles(dirs, pod->metadata().uid(), logs, container, hosts, true);
  };
  auto files = co_await pool_.Run<volume::ContainerFiles>(kKind, kTimeout, std::move(work));
  if (!files.ok()) co_return files.status();
  ContainerPaths paths;
  paths.etc_hosts = files->etc_hosts;
  paths.termination_log = files->termination_log;
  co_return paths;
}

Task<void> PodFilesAdapter::LinkLog(api::PodPtr pod, std::string container, std::string id,
                                    uint32_t attempt) {
  std::string log = runtime::PodLogDirectory(*pod, dirs_.pod_logs_dir) + "/" + container + "/" +
                    std::to_string(attempt) + ".log";
  std::string link = runtime::LegacyLogLink(*pod, container, id);
  std::function<absl::Status()> work = [dirs = dirs_, link, log] {
    return volume::LinkContainerLog(dirs, link, log);
  };
  auto status = co_await pool_.RunStatus(kKind, kTimeout, std::move(work));
  if (!status.ok()) {
    LOG_WARNING("Cannot link container log", "pod", api::PodKey(*pod), "container", container,
                "err", status);
  }
}

Task<absl::Status> PodFilesAdapter::RemovePod(std::string uid, std::string name,
                                              std::string namespace_) {
  std::string logs = dirs_.pod_logs_dir + "/" + namespace_ + "_" + name + "_" + uid;
  std::function<absl::Status()> work = [dirs = dirs_, uid, logs] {
    return volume::RemovePodFiles(dirs, uid, logs);
  };
  co_return co_await pool_.RunStatus(kKind, kTimeout, std::move(work));
}

}  // namespace kubelet::app
