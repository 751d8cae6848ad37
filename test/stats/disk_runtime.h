// A runtime for the statistics: it tells what containers use.
#pragma once

#include <boost/asio/io_context.hpp>
#include <optional>

#include "kubelet/base/blocking_pool.h"
#include "kubelet/stats/stats.h"

namespace kubelet::stats::test {

// What the statistics ask of a runtime; nothing else is ever called.
struct DiskRuntime : runtime::ContainerStatsSource, runtime::ImageService {
  template <typename T>
  using Result = base::Task<absl::StatusOr<T>>;
  std::vector<runtime::ContainerStats> containers;
  FsInfo info;
  absl::Status fail;
  int asked = 0;

  Result<std::vector<runtime::ContainerStats>> ListContainerStats() override {
    ++asked;
    if (!fail.ok()) co_return fail;
    co_return containers;
  }
  Result<FsInfo> ImageFsInfo() override {
    if (!fail.ok()) co_return fail;
    co_return info;
  }
  void Wrote(const std::string& id, runtime::FilesystemUsage usage) {
    runtime::ContainerStats one;
    one.container = runtime::ContainerId(id);
    one.layer = std::move(usage);
    containers.push_back(std::move(one));
  }
  // 2.5 s of CPU time, a tenth of a core, and 3 MB, 2 of them rss, 5 MB below the limit.
  void Used(const std::string& id, base::WallTime at) {
    runtime::ContainerStats one;
    one.container = runtime::ContainerId(id);
    one.cpu = runtime::CpuStats{at, 2'500'000'000, 100'000'000};
    one.memory = runtime::MemoryStats{at, 3'000'000, 4'000'000, 2'000'000, 11, 12, 5'000'000};
    one.swap = 13;
    containers.push_back(std::move(one));
  }
  static absl::Status No() { return absl::UnimplementedError("not asked by statistics"); }
  Result<std::vector<runtime::Image>> ListImages() override { co_return No(); }
  Result<std::optional<runtime::Image>> ImageStatus(runtime::ImageSpec) override { co_return No(); }
  Result<std::string> PullImage(runtime::ImageSpec, std::optional<runtime::AuthConfig>,
                                runtime::SandboxConfig) override {
    co_return No();
  }
  base::Task<absl::Status> RemoveImage(std::string) override { co_return No(); }
};

}  // namespace kubelet::stats::test
