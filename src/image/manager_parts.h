// What the sources of ImageManager share.
#pragma once

#include <optional>
#include <string>

#include "image/credential_finder.h"
#include "image/pull_records.h"
#include "kubelet/base/metrics.h"
#include "kubelet/image/image_manager.h"

namespace kubelet::image {

// How a pull ended: `problem` says why it failed.
struct ImageManager::Pulled {
  runtime::Waiting problem;
  std::string id;
  std::optional<Credential> used;
  bool ok() const { return problem.reason == runtime::WaitingReason::kNone; }
};

struct ImageManager::Metrics {
  explicit Metrics(base::Registry& registry);
  base::Family<base::Histogram>& pull_seconds;
  base::Family<base::Counter>& ensured;
};

}  // namespace kubelet::image
