#include <malloc.h>

#include <iostream>

#include "absl/synchronization/mutex.h"
#include "app/cli.h"
#include "app/kubelet.h"

int main(int argc, char** argv) {
  // One arena per thread would cost megabytes that a mostly idle process never uses.
  mallopt(M_ARENA_MAX, 2);
  // Debian builds Abseil with its debugging on: each lock that gRPC takes would look for a cycle.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  std::vector<std::string> args(argv + 1, argv + argc);
  if (auto code = kubelet::app::RunSubcommand(args)) return *code;
  kubelet::config::LoadedConfig config;
  if (auto code = kubelet::config::LoadOrExit(args, kubelet::config::FileReader(), std::cout,
                                              std::cerr, config)) {
    return *code;
  }
  kubelet::app::Kubelet kubelet(std::move(config), args);
  return kubelet.Run();
}
