// Where system calls that may block run: file trees, mounts, statfs, fsync. Never the core loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>

#include "absl/status/statusor.h"
#include "kubelet/base/promise.h"

namespace kubelet::base {

// A few threads and, per kind of work, a limit on how many of them that kind may hold: a dead mount fills its
// own kind's share and nothing else. Run is called on the core loop.
class BlockingPool {
 public:
  struct Options {
    int threads = 4;
    int per_kind = 2;
  };
  BlockingPool(Executor executor, Clock& clock, Options options);
  ~BlockingPool();

  // Runs `work` on a pool thread. DeadlineExceeded when it has not finished after `timeout`: work that still waits for
  // a thread is dropped, and never runs; else the thread stays with the call until the kernel lets go (`work` must own
  // what it touches).
  template <typename T>
  Task<absl::StatusOr<T>> Run(std::string kind, Nanos timeout, std::function<absl::StatusOr<T>()> work) {
    Promise<absl::StatusOr<T>> promise(executor_);
    uint64_t ticket = Submit(kind, [promise, work = std::move(work)] { promise.Set(work()); });
    auto timer = clock_.After(timeout, [promise, kind, ticket, state = std::weak_ptr(state_)] {
      Withdraw(state, ticket);
      promise.Set(absl::DeadlineExceededError(kind + ": did not finish in time"));
    });
    auto result = co_await promise.Get();
    clock_.Cancel(timer);
    co_return result;
  }
  Task<absl::Status> RunStatus(std::string kind, Nanos timeout, std::function<absl::Status()> work);

  // No work runs or waits for a thread, and every result is on its way to the loop. Thread safe.
  bool Quiet() const;

 private:
  struct State;
  uint64_t Submit(const std::string& kind, std::function<void()> work);
  // Of what no thread has taken.
  static void Withdraw(const std::weak_ptr<State>& state, uint64_t ticket);
  Executor executor_;
  Clock& clock_;
  std::shared_ptr<State> state_;
};

}  // namespace kubelet::base
