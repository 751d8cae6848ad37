#include "app/pod_files.h"

#include <fstream>
#include <sstream>

#include "kubelet/base/log.h"

namespace kubelet::app {

using base::Task;
using Attempts = std::map<std::string, uint32_t>;

namespace {
constexpr auto kTimeout = std::chrono::seconds(30);
constexpr char kKind[] = "pod files";

std::string HostFile(const char* path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}
}  // namespace

Task<absl::StatusOr<runtime::PodFiles::PodPaths>> PodFilesAdapter::PreparePod(api::PodPtr pod) {
  std::vector<std::string> names;
  for (const auto& c : pod->spec().init_containers()) names.push_back(c.name());
  for (const auto& c : pod->spec().containers()) names.push_back(c.name());
  for (const auto& c : pod->spec().ephemeral_containers())
    names.push_back(c.ephemeral_container_common().name());
  std::string logs = runtime::PodLogDirectory(*pod, dirs_.pod_logs_dir);
  std::function<absl::StatusOr<Attempts>()> work = [dirs = dirs_, uid = pod->metadata().uid(), logs,
                                                    names] {
    return volume::MakePodDirectories(dirs, uid, logs, names);
  };
  auto next = co_await pool_.Run<Attempts>(kKind, kTimeout, std::move(work));
  if (!next.ok()) co_return next.status();
  PodPaths paths;
  paths.next_attempt = *next;
  co_return paths;
}

Task<absl::StatusOr<runtime::PodFiles::ContainerPaths>> PodFilesAdapter::PrepareContainer(
    api::PodPtr pod, std::string container, std::vector<std::string> pod_ips) {
  std::string logs = runtime::PodLogDirectory(*pod, dirs_.pod_logs_dir);
  std::function<absl::StatusOr<volume::ContainerFiles>()> work = [dirs = dirs_, pod, logs,
                                                                  container, pod_ips,
                                                                  domain = cluster_domain_] {
    std::optional<std::string> hosts;
    if (pod->spec().host_network()) {
      hosts = runtime::MakeEtcHosts(*pod, pod_ips, HostFile("/etc/hosts"), domain);
    } else if (!pod_ips.empty()) {
      hosts = runtime::MakeEtcHosts(*pod, pod_ips, "", domain);
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
