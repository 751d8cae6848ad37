#include "app/kernel_oom.h"

#include "kubelet/base/log.h"
#include "kubelet/os/kernel_messages.h"

namespace kubelet::app {

namespace {

// A kernel that logs every packet must not wake us as often.
constexpr base::Nanos kAtMostEvery = std::chrono::seconds(1);

runtime::PodEvent EventOf(const os::OomKill& kill) {
  runtime::PodEvent event;
  event.warning = event.about_node = true;
  event.reason = "SystemOOM";
  event.message = "System OOM encountered";
  if (!kill.process.empty() && kill.pid != 0)
    event.message += ", victim process: " + kill.process + ", pid: " + std::to_string(kill.pid);
  return event;
}

}  // namespace

base::Task<void> TellOfOoms(base::Executor executor, base::Clock& clock,
                            std::function<void(const runtime::PodEvent&)> tell, std::string path) {
  auto log = os::KernelMessages::Open(std::move(executor), path);
  if (!log.ok()) {
    LOG_WARNING("The kernel's log cannot be read; events SystemOOM will be missing", "err",
                log.status());
    co_return;
  }
  for (;;) {
    auto kills = co_await (*log)->Read();
    if (!kills.ok()) {
      LOG_WARNING("Events SystemOOM will be missing from here on", "err", kills.status());
      co_return;
    }
    for (const auto& kill : *kills) tell(EventOf(kill));
    co_await base::SleepFor(clock, kAtMostEvery);
  }
}

}  // namespace kubelet::app
