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

class TempCgroups : public runtime::Cgroups {
 public:
  Task<absl::StatusOr<std::string>> EnsurePod(api::PodPtr) override { co_return std::string(); }
  Task<absl::Status> RemovePod(std::string) override { co_return absl::OkStatus(); }
  int64_t OomScoreAdj(const api::core::Pod&, const api::core::Container&) override { return 1000; }
};

}  // namespace

struct Adapters::Parts {
  Parts(base::BlockingPool& pool, const config::LoadedConfig& config)
      : volumes(config.flags.root_dir),
        files(pool, {config.flags.root_dir, config.kubelet.pod_logs_dir()}) {}
  TempVolumes volumes;
  TempCgroups cgroups;
  PodFilesAdapter files;
};

Adapters::Adapters(base::Executor, base::Clock&, base::BlockingPool& pool, const config::LoadedConfig& config,
                   const Node&)
    : parts_(std::make_unique<Parts>(pool, config)) {}
Adapters::~Adapters() = default;
runtime::Volumes& Adapters::volumes() { return parts_->volumes; }
runtime::Cgroups& Adapters::cgroups() { return parts_->cgroups; }
runtime::PodFiles& Adapters::files() { return parts_->files; }
void Adapters::UseDriver(runtime::CgroupDriver) {}

}  // namespace kubelet::app
