// The log level of a running process. Thread safe.
#pragma once

namespace kubelet::base {

// -v from now on; the other options of SetLogOptions stay.
void SetLogVerbosity(int verbosity);

}  // namespace kubelet::base
