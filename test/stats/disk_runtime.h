// A runtime for the statistics: it tells what containers have written.
#pragma once

#include <boost/asio/io_context.hpp>
#include <optional>

#include "kubelet/base/blocking_pool.h"
#include "kubelet/stats/stats.h"

namespace kubelet::stats::test {

// What the statistics ask of a runtime; nothing else is ever called.
struct DiskRuntime : runtime::WritableLayers, runtime::ImageService {
  template <typename T>
  using Result = base::Task<absl::StatusOr<T>>;
  std::vector<runtime::WritableLayer> layers;
  FsInfo info;
  absl::Status fail;
  int asked = 0;

  Result<std::vector<runtime::WritableLayer>> ListWritableLayers() override {
    ++asked;
    if (!fail.ok()) co_return fail;
    co_return layers;
  }
  Result<FsInfo> ImageFsInfo() override {
    if (!fail.ok()) co_return fail;
    co_return info;
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
