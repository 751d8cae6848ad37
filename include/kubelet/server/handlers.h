// Which endpoints of the HTTPS port are switched on.
#pragma once

namespace kubelet::server {

struct Handlers {
  bool debugging = true;    // enableDebuggingHandlers; those below only with it
  bool system_logs = true;  // enableSystemLogHandler: /logs/
  bool log_query = false;   // enableSystemLogQuery and gate NodeLogQuery: /logs/?query=
  bool profiling = true;    // enableProfilingHandler: /debug/pprof/
  bool debug_flags = true;  // enableDebugFlagsHandler: /debug/flags/v
  bool checkpoint = true;   // gate ContainerCheckpoint
  bool statusz = true, flagz = true;  // gates ComponentStatusz, ComponentFlagz
};

}  // namespace kubelet::server
