#include "app/memory_alarm.h"

#include <unistd.h>

#include "kubelet/base/log.h"
#include "kubelet/os/memory_alarm.h"

namespace kubelet::app {

using base::Task;
using std::chrono::seconds;

namespace {

constexpr base::Nanos kRenewal = seconds(10);  // pkg/kubelet/eviction: notifierRefreshInterval

using Fds = std::vector<int>;

// Those that could be had, and why not the others.
struct Watched {
  Fds fds;
  absl::Status problem;
};

absl::StatusOr<Watched> WatchAll(const std::string& memory,
                                 const std::vector<MemoryAlarm::Limit>& limits) {
  Watched out;
  for (const auto& limit : limits) {
    auto fd = os::WatchWorkingSet(memory, limit.group, limit.working_set);
    if (fd.ok()) {
      out.fds.push_back(*fd);
    } else {
      out.problem = fd.status();
    }
  }
  return out;
}

}  // namespace

MemoryAlarm::MemoryAlarm(Deps deps) : deps_(std::move(deps)), scope_(deps_.executor) {}

void MemoryAlarm::Start() {
  bool v2 = deps_.cgroups.mode == os::CgroupMode::kV2;
  scope_.Spawn("memory alarm", v2 ? WatchPressure() : Renew());
}

Task<void> MemoryAlarm::Renew() {
  auto mount = deps_.cgroups.v1.find("memory");
  if (mount == deps_.cgroups.v1.end()) co_return;
  for (;;) {
    std::function<absl::StatusOr<Watched>()> work =
        [memory = mount->second, limits = deps_.limits()] { return WatchAll(memory, limits); };
    auto watched = co_await deps_.pool.Run<Watched>("node pressure", kRenewal, std::move(work));
    if (watched.ok()) {
      armed_.clear();
      for (int fd : watched->fds) {
        armed_.push_back(std::make_shared<Descriptor>(deps_.executor, fd));
        Wait(armed_.back(), false);
      }
      if (!watched->problem.ok() && !failed_)
        LOG_WARNING("The kernel gives no alarm of memory", "err", watched->problem);
      failed_ = !watched->problem.ok();
    }
    co_await base::SleepFor(deps_.clock, kRenewal);
  }
}

Task<void> MemoryAlarm::WatchPressure() {
  std::function<absl::StatusOr<int>()> work = [] { return os::WatchMemoryPressure(); };
  auto fd = co_await deps_.pool.Run<int>("node pressure", kRenewal, std::move(work));
  if (!fd.ok()) {
    LOG_WARNING("The kernel gives no alarm of memory", "err", fd.status());
    co_return;
  }
  armed_.push_back(std::make_shared<Descriptor>(deps_.executor, *fd));
  Wait(armed_.back(), true);
}

void MemoryAlarm::Wait(const std::shared_ptr<Descriptor>& descriptor, bool exceptional) {
  auto type = exceptional ? Descriptor::wait_error : Descriptor::wait_read;
  std::weak_ptr<Descriptor> weak = descriptor;
  descriptor->async_wait(type, [this, weak, exceptional](boost::system::error_code error) {
    auto alive = weak.lock();
    if (error || !alive) return;
    uint64_t count = 0;
    if (!exceptional && read(alive->native_handle(), &count, sizeof count) < 0) return;
    LOG_V(2, "Memory gets short: an alarm of the kernel");
    deps_.on_alarm();
    Wait(alive, exceptional);
  });
}

}  // namespace kubelet::app
