// /statusz and /flagz: the process and its flags, as text or, when Accept asks for it, as
// config.k8s.io objects. Facts: apiserver pkg/server/statusz and flagz of 1.36 (gates
// ComponentStatusz, ComponentFlagz). Pure.
#pragma once

#include <map>
#include <string>

#include "kubelet/base/time.h"
#include "kubelet/server/http_server.h"

namespace kubelet::app {

struct ProcessStatus {
  base::WallTime started, now;
  std::string version;    // of Kubernetes: v1.36.2
  std::string toolchain;  // in place of the Go version
};
server::Response Statusz(const ProcessStatus& status, const std::string& accept);
server::Response Flagz(const std::map<std::string, std::string>& flags, const std::string& accept);

}  // namespace kubelet::app
