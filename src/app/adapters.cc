#include "app/adapters.h"

#include <filesystem>

#include "app/pod_files.h"

namespace kubelet::app {

using base::Task;

namespace {

class TempVolumes : public runtime::Volumes {
 public:
  explicit TempVolumes(std::string root) : root_(std::move(root)) {}
  Task<absl::StatusOr<std::map<std::string, std::string>>> Prepare(api::PodPtr pod) override {
    std::map<std::string, std::string> out;
    for (const auto& v : pod->spec().volumes()) {
      if (v.volume_source().has_host_path()) {
        out[v.name()] = v.volume_source().host_path().path();
      } else {
        std::string dir = root_ + "/pods/" + pod->metadata().uid() + "/volumes/kubernetes.io~empty-dir/" + v.name();
        std::filesystem::create_directories(dir);
        out[v.name()] = dir;
      }
    }
    co_return out;
  }
  Task<absl::Status> Teardown(std::string) override { co_return absl::OkStatus(); }
  std::string root_;
};

}  // namespace

struct Adapters::Parts {
  Parts(NodeCgroups::Deps deps)
      : volumes(deps.config.flags.root_dir),
        files(deps.pool, {deps.config.flags.root_dir, deps.config.kubelet.pod_logs_dir()},
              deps.config.kubelet.cluster_domain()),
        cgroups(std::move(deps)) {}
  TempVolumes volumes;
  PodFilesAdapter files;
  NodeCgroups cgroups;
};

Adapters::Adapters(NodeCgroups::Deps deps) : parts_(std::make_unique<Parts>(std::move(deps))) {}
Adapters::~Adapters() = default;
runtime::Volumes& Adapters::volumes() { return parts_->volumes; }
runtime::Cgroups& Adapters::cgroups() { return parts_->cgroups; }
runtime::PodFiles& Adapters::files() { return parts_->files; }
void Adapters::UseDriver(runtime::CgroupDriver driver) { parts_->cgroups.UseDriver(driver); }

}  // namespace kubelet::app
