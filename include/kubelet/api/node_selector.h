// Node selectors: of a pod's required node affinity, and of a PersistentVolume. Pure. Facts:
// component-helpers scheduling/corev1/nodeaffinity of 1.36.
#pragma once

#include <map>
#include <string>

#include "kubelet/api/types.h"

namespace kubelet::api {

// Whether one of the terms matches a node with this name and these labels. A term that asks for
// nothing matches no node, nor does one with a requirement that is not valid (upstream: an error,
// when no other term matches). With an empty name matchFields are passed over, as upstream does for
// volumes.
bool MatchesNodeSelector(const core::NodeSelector& selector, const std::string& name,
                         const std::map<std::string, std::string>& labels);

}  // namespace kubelet::api
