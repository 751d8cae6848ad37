// volume::pod_files behind the runtime's port.
#pragma once

#include <functional>
#include <string>

#include "kubelet/base/blocking_pool.h"
#include "kubelet/runtime/config.h"
#include "kubelet/runtime/ports.h"
#include "kubelet/volume/pod_files.h"

namespace kubelet::app {

class PodFilesAdapter : public runtime::PodFiles {
 public:
  // `resolv_conf` empty: there is none to read.
  PodFilesAdapter(base::BlockingPool& pool, volume::PodDirs dirs, const runtime::NodeContext& node,
                  std::string resolv_conf, std::function<void(runtime::DnsConfig)> on_resolv_conf)
      : pool_(pool),
        dirs_(std::move(dirs)),
        node_(node),
        resolv_conf_(std::move(resolv_conf)),
        on_resolv_conf_(std::move(on_resolv_conf)) {}

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
  const runtime::NodeContext& node_;
  std::string resolv_conf_;
  std::function<void(runtime::DnsConfig)> on_resolv_conf_;
};

}  // namespace kubelet::app
