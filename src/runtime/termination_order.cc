#include "runtime/termination_order.h"

#include <algorithm>

#include "kubelet/api/pod.h"

namespace kubelet::runtime {

std::set<std::string> EndsBefore(const api::core::Pod& pod, const std::string& name) {
  const auto& init = pod.spec().init_containers();
  auto self = std::find_if(init.begin(), init.end(), [&](const auto& c) { return c.name() == name; });
  std::set<std::string> before;
  if (self == init.end() || !api::IsRestartableInit(*self)) return before;
  for (const auto& c : pod.spec().containers()) before.insert(c.name());
  for (auto it = std::next(self); it != init.end(); ++it) {
    if (api::IsRestartableInit(*it)) before.insert(it->name());
  }
  return before;
}

TerminationOrder::TerminationOrder(base::Executor executor, base::Clock& clock, api::PodPtr pod,
                                   std::set<std::string> running)
    : executor_(std::move(executor)), clock_(clock), pod_(std::move(pod)), running_(std::move(running)) {}

bool TerminationOrder::Turn(const std::set<std::string>& before) const {
  return std::none_of(before.begin(), before.end(), [&](const auto& name) { return running_.contains(name); });
}

base::Task<void> TerminationOrder::WaitForTurn(std::string name, base::MonoTime until) {
  auto before = EndsBefore(*pod_, name);
  auto wake = std::make_shared<base::WakeEvent>(executor_, clock_);
  waiting_.push_back(wake);
  while (!Turn(before)) {
    bool woken = co_await wake->Wait(until);
    if (!woken) co_return;
  }
}

void TerminationOrder::Ended(const std::string& name) {
  running_.erase(name);
  for (const auto& waiting : waiting_) {
    if (auto wake = waiting.lock()) wake->Notify();
  }
}

}  // namespace kubelet::runtime
