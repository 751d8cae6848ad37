// Coroutines of the core loop: the awaitable type, a wake-up event, a counting semaphore, owned tasks.
// Everything here belongs to one io_context run by one thread and takes no locks.
//
// g++ 12 destroys some temporaries of a co_await expression twice; the rules stand in ARCHITECTURE.md and
// test/lint/coawait.sh enforces them. In short: name lambdas with captures and aggregates before co_await.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "kubelet/base/clock.h"

namespace kubelet::base {

template <typename T = void>
using Task = boost::asio::awaitable<T, boost::asio::any_io_executor>;

using Executor = boost::asio::any_io_executor;

// Auto-reset event for one waiter. Notify before Wait is remembered once, so a wake-up is never lost and
// never counted twice. Cancelling the waiting task ends the wait (it throws operation_aborted, which
// TaskScope swallows).
class WakeEvent {
 public:
  WakeEvent(Executor executor, Clock& clock);
  ~WakeEvent();
  void Notify();
  // True when notified, false when `deadline` passed first.
  Task<bool> Wait(std::optional<MonoTime> deadline = std::nullopt);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Throws operation_aborted in a task that was cancelled. Asio itself does so only at the next co_await that suspends: a
// task whose wait ended just before would go on till then, in objects that may be gone.
Task<void> LeaveIfCancelled();

// Suspends for `d`; the only sleep of the core loop.
Task<void> SleepFor(Clock& clock, Nanos d);

// FIFO counting semaphore. `Acquire` suspends until a unit is free; the Permit gives it back. A Permit may outlive the
// semaphore: a task that is cancelled with its owner still unwinds later.
class Semaphore {
  struct State;

 public:
  class Permit {
   public:
    Permit() = default;
    Permit(Permit&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
    Permit& operator=(Permit&& other) noexcept {
      Release();
      state_ = std::exchange(other.state_, nullptr);
      return *this;
    }
    ~Permit() { Release(); }
    void Release();

   private:
    friend class Semaphore;
    explicit Permit(std::shared_ptr<State> state) : state_(std::move(state)) {}
    std::shared_ptr<State> state_;
  };

  Semaphore(Executor executor, Clock& clock, int units);
  ~Semaphore();
  Task<Permit> Acquire();
  int waiting() const;
  int free() const;

 private:
  std::shared_ptr<State> state_;
};

// Owns coroutines: nothing is detached. Declare it last in its owner. Destroying the scope cancels what still
// runs; Stop() cancels and waits. An exception that leaves a task is logged with the task's name; it never
// reaches the loop.
class TaskScope {
 public:
  explicit TaskScope(Executor executor);
  ~TaskScope();
  TaskScope(const TaskScope&) = delete;
  TaskScope& operator=(const TaskScope&) = delete;

  // Runs `task` from the loop, never inside the call. Refused (dropped) once Stop has begun.
  void Spawn(std::string name, Task<void> task);
  // Cancels every task and returns when all have ended.
  Task<void> Stop();
  // Returns when all tasks have ended by themselves.
  Task<void> Join();
  // The same for tasks that are part of the waiter: cancelling the waiter cancels them, and it goes on (throws, as
  // every cancelled wait) when they have ended.
  Task<void> JoinAsPart();
  size_t size() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Completes once with a value; what a callback of another thread or library uses to resume a coroutine.
// Set may be called from any thread, at most once counts; Get from the core loop, by one waiter.
template <typename T>
class Promise;

}  // namespace kubelet::base
