// Keeps the number of gRPC's threads independent of the machine.
//
// gRPC 1.51 starts threads in proportion to sysconf(_SC_NPROCESSORS_CONF) (event engine, callback
// pollers, executors: 54 of them on 64 cores) and has no knob for it. The kubelet's work does not
// grow with the cores, so the linker sends every sysconf of the program here (-Wl,--wrap=sysconf),
// and both processor counts read as 2 at most. glibc's own get_nprocs and
// std::thread::hardware_concurrency are not affected; ask those for real counts.
#include <unistd.h>

extern "C" {
long __real_sysconf(int name);  // NOLINT: the linker's name
long __wrap_sysconf(int name);  // NOLINT

long __wrap_sysconf(int name) {
  constexpr long kMaxProcessors = 2;
  long value = __real_sysconf(name);
  bool processors = name == _SC_NPROCESSORS_CONF || name == _SC_NPROCESSORS_ONLN;
  return processors && value > kMaxProcessors ? kMaxProcessors : value;
}
}
