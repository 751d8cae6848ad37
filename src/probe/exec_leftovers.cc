#include "kubelet/probe/exec_leftovers.h"

#include <algorithm>

#include "kubelet/base/log.h"

namespace kubelet::probe {

using base::Nanos;
using base::Task;
using Process = ContainerProcesses::Process;

namespace {

constexpr Nanos kLookAgain = std::chrono::milliseconds(250);
// Somebody who lives so shortly before the end of his time and not after it was killed.
constexpr Nanos kBefore = std::chrono::milliseconds(100), kAfter = std::chrono::milliseconds(500);
constexpr Nanos kStartSlack = std::chrono::milliseconds(50);

// The process that the runtime started for this exec: it leads its session, its parent is outside
// of the container.
const Process* Leader(const std::vector<Process>& all, const ExecRun& run, Nanos since_sent) {
  const Process* found = nullptr;
  for (const auto& p : all) {
    bool outside =
        std::none_of(all.begin(), all.end(), [&](const auto& q) { return q.pid == p.parent; });
    bool ours = p.pid == p.session && outside && !p.zombie && p.command == run.command &&
                p.age <= since_sent + kStartSlack;
    // Of several that look alike, the one that began right after we asked.
    if (ours && (found == nullptr || p.age > found->age)) found = &p;
  }
  return found;
}

bool Lives(const std::vector<Process>& all, int pid) {
  return std::any_of(all.begin(), all.end(),
                     [&](const auto& p) { return p.pid == pid && !p.zombie; });
}

}  // namespace

Task<void> EndLeftovers(ContainerProcesses& processes, std::shared_ptr<ExecRun> run) {
  if (!run->session) co_return;
  int session = *run->session;
  auto all = co_await processes.List(run->container);
  if (!all.ok() || Lives(*all, session)) co_return;
  bool any = std::any_of(all->begin(), all->end(),
                         [&](const auto& p) { return p.session == session && !p.zombie; });
  if (!any) co_return;
  LOG_INFO("Killing what an exec has left behind", "container", run->container.str(), "session",
           session);
  co_await processes.KillSession(run->container, session);
}

Task<void> WatchExec(ContainerProcesses& processes, base::Clock& clock,
                     std::shared_ptr<ExecRun> run) {
  Nanos timeout = run->timeout;
  base::MonoTime end{};
  int leader = 0;
  while (leader == 0) {
    if (run->over) co_return;
    auto all = co_await processes.List(run->container);
    base::MonoTime now = clock.Mono();
    const Process* found = all.ok() ? Leader(*all, *run, now - run->sent) : nullptr;
    if (found != nullptr) {
      leader = found->pid;
      end = now - found->age + timeout;
    } else {
      co_await base::SleepFor(clock, kLookAgain);
    }
  }
  if (clock.Mono() < end - kBefore) {
    co_await base::SleepFor(clock, end - kBefore - clock.Mono());
    if (run->over) co_return;
    auto all = co_await processes.List(run->container);
    if (run->over || !all.ok() || !Lives(*all, leader)) co_return;
  }
  run->session = leader;
  while (!run->over) {
    co_await base::SleepFor(clock, std::max<Nanos>(end + kAfter - clock.Mono(), kLookAgain));
    if (!run->over) co_await EndLeftovers(processes, run);
  }
}

}  // namespace kubelet::probe
