// A static pod as Go's spew prints it for a hash: the input of the uid that the Go kubelet computes
// (pkg/kubelet/config/common.go applyDefaults; k8s.io/utils/dump ForHash: `%#v`, sorted keys, no
// methods, no addresses). Equal text gives equal uids, so that a node can go from one kubelet to
// the other without a restart of its static pods.
#pragma once

#include <string>
#include <string_view>

#include "kubelet/api/types.h"

namespace kubelet::source {

// `pod`: decoded and defaulted, not yet named; `json`: the text it was decoded from. What messages
// do not keep comes from the text: whether an empty list or map was written down (`[]`) or is
// absent
// (`<nil>`), how quantities were written, fractions of seconds. The prefix and grammar:
// `(*core.Pod){Field:(type)value ...}`; elements of lists and maps without types.
//
// Not reproducible: a time (creationTimestamp, status) is printed with Go's table of the local time
// zone. It is printed as on a node in UTC.
std::string GoPodDump(const api::core::Pod& pod, std::string_view json);

}  // namespace kubelet::source
