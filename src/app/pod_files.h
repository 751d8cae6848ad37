// volume::pod_files behind the runtime's port.
#pragma once

#include <string>

#include "kubelet/base/blocking_pool.h"
#include "kubelet/runtime/config.h"
#include "kubelet/runtime/ports.h"
#include "kubelet/volume/pod_files.h"

namespace kubelet::app {

class PodFilesAdapter : public runtime::PodFiles {
 public:
  PodFilesAdapter(base::BlockingPool& pool, volume::PodDirs dirs, std::string cluster_domain)
      : pool_(pool), dirs_(std::move(dirs)), cluster_domain_(std::move(cluster_domain)) {}

  base::Task<absl::StatusOr<PodPaths>> PreparePod(api::PodPtr pod) override;
  base::Task<absl::StatusOr<ContainerPaths>> PrepareContainer(
      api::PodPtr pod, std::string container, std::vector<std::string> pod_ips) override;
  base::Task<void> LinkLog(api::PodPtr pod, std::string container, std::string id,
                           uint32_t attempt) override;
  base::Task<absl::Status> RemovePod(std::string uid, std::string name,
                                     std::string namespace_) override;

 private:
  base::BlockingPool& pool_;
  volume::PodDirs dirs_;
  std::string cluster_domain_;
};

}  // namespace kubelet::app
