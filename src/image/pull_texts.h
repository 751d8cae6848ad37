// What events, statuses and metrics say of a pull, in upstream's words. Pure; thread safe.
// Facts: pkg/kubelet/images/image_manager.go, pkg/kubelet/metrics (1.36).
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "kubelet/base/time.h"
#include "kubelet/runtime/ports.h"

namespace kubelet::image {

// An error of the runtime as Go prints it: `rpc error: code = NotFound desc = …`; of code Unknown
// the text alone.
std::string PullErrorText(const absl::Status& error);
// Several tries: one text as it is, more as `[a, b]`, each once.
std::string JoinErrors(const std::vector<std::string>& texts);
// Runtimes begin the text with the name of the reason when they know a special one (cri-api
// errors).
runtime::Waiting PullProblem(const std::string& image, const std::string& text);

std::string PulledText(const std::string& image, base::Nanos pulling, base::Nanos with_waiting,
                       uint64_t bytes);
std::string BackOffText(const std::string& image);

// Label `image_size_in_bytes`: `10MB-100MB`; `N/A` for 0.
std::string SizeBucket(uint64_t bytes);

}  // namespace kubelet::image
