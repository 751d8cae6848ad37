// What this room does in a process of its own (os/child_call.h): `main` serves these calls.
#pragma once

#include "kubelet/os/child_call.h"

namespace kubelet::volume {

const os::CallTable& ChildCallTable();

}  // namespace kubelet::volume
