// The cells of a pod's row in `kubectl get pods` (upstream pkg/printers/internalversion printPod).
#pragma once

#include <boost/json.hpp>
#include <string>

#include "kubelet/api/types.h"
#include "kubelet/base/time.h"

namespace kubelet::fakes {

boost::json::array PodCells(const api::core::Pod& pod, base::WallTime now);
// `<unknown>` for the zero time.
std::string TimeSince(const api::meta::Time& time, base::WallTime now);

}  // namespace kubelet::fakes
