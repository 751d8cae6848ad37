#include "kubelet/base/async.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>

#include "kubelet/base/log.h"
#include "kubelet/base/promise.h"

namespace kubelet::base {

namespace asio = boost::asio;

// One wait at a time: `resume` holds it. A cancelled wait resumes at once and its task throws at the await.
struct WakeEvent::State {
  explicit State(Executor e, Clock& c) : executor(std::move(e)), clock(c) {}
  Executor executor;
  Clock& clock;
  bool notified = false;
  std::function<void(bool)> resume;
};

WakeEvent::WakeEvent(Executor executor, Clock& clock)
    : state_(std::make_shared<State>(std::move(executor), clock)) {}
WakeEvent::~WakeEvent() = default;

void WakeEvent::Notify() {
  if (state_->resume) {
    std::exchange(state_->resume, nullptr)(true);
  } else {
    state_->notified = true;
  }
}

Task<bool> WakeEvent::Wait(std::optional<MonoTime> deadline) {
  auto state = state_;
  if (state->notified) {
    state->notified = false;
    co_return true;
  }
  Promise<bool> promise(state->executor);
  Clock::TimerId timer{};
  state->resume = [promise](bool notified) { promise.Set(notified); };
  promise.OnCancel([weak = std::weak_ptr<State>(state)] {
    if (auto s = weak.lock(); s && s->resume) std::exchange(s->resume, nullptr)(false);
  });
  if (deadline) {
    timer = state->clock.Schedule(*deadline, [weak = std::weak_ptr<State>(state)] {
      if (auto s = weak.lock(); s && s->resume) std::exchange(s->resume, nullptr)(false);
    });
  }
  bool notified = co_await promise.Get();
  if (deadline) state->clock.Cancel(timer);
  co_await LeaveIfCancelled();
  co_return notified;
}

Task<void> LeaveIfCancelled() {
  auto cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != asio::cancellation_type::none) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
}

Task<void> SleepFor(Clock& clock, Nanos d) {
  auto executor = co_await asio::this_coro::executor;
  WakeEvent event(executor, clock);
  co_await event.Wait(clock.Mono() + d);
}

struct Semaphore::State {
  State(Executor e, Clock& c, int units) : executor(std::move(e)), clock(c), free(units) {}
  struct Waiter {
    Waiter(Executor e, Clock& c) : event(std::move(e), c) {}
    WakeEvent event;
    bool granted = false;
  };
  void Release() {
    if (queue.empty()) {
      ++free;
      return;
    }
    auto waiter = queue.front();
    queue.pop_front();
    waiter->granted = true;
    waiter->event.Notify();
  }
  Executor executor;
  Clock& clock;
  int free;
  std::list<std::shared_ptr<Waiter>> queue;
};

Semaphore::Semaphore(Executor executor, Clock& clock, int units)
    : state_(std::make_shared<State>(std::move(executor), clock, units)) {}
Semaphore::~Semaphore() = default;
int Semaphore::waiting() const { return static_cast<int>(state_->queue.size()); }
int Semaphore::free() const { return state_->free; }

void Semaphore::Permit::Release() {
  if (state_ != nullptr) std::exchange(state_, nullptr)->Release();
}

Task<Semaphore::Permit> Semaphore::Acquire() {
  auto state = state_;
  if (state->free > 0 && state->queue.empty()) {
    --state->free;
    Permit permit(state);
    co_return permit;
  }
  auto waiter = std::make_shared<State::Waiter>(state->executor, state->clock);
  auto position = state->queue.insert(state->queue.end(), waiter);
  // A cancelled task gives its place, or the unit already granted, back.
  struct Guard {
    State& state;
    std::shared_ptr<State::Waiter> waiter;
    std::list<std::shared_ptr<State::Waiter>>::iterator position;
    bool taken = false;
    ~Guard() {
      if (taken) return;
      if (waiter->granted) {
        state.Release();
      } else {
        state.queue.erase(position);
      }
    }
  };
  Guard guard{*state, waiter, position};
  co_await waiter->event.Wait();
  if (!waiter->granted) throw boost::system::system_error(asio::error::operation_aborted);
  guard.taken = true;
  Permit permit(state);
  co_return permit;
}

struct TaskScope::State : std::enable_shared_from_this<TaskScope::State> {
  struct Entry {
    std::string name;
    asio::cancellation_signal cancel;
  };
  struct Ended;
  explicit State(Executor e) : executor(std::move(e)) {}

  void CancelAll() {
    stopping = true;
    // A cancelled task may end inside emit and erase itself: walk a copy of the handles.
    std::vector<std::shared_ptr<Entry>> copy(tasks.begin(), tasks.end());
    for (auto& entry : copy) entry->cancel.emit(asio::cancellation_type::terminal);
  }

  Executor executor;
  std::list<std::shared_ptr<Entry>> tasks;
  std::vector<std::function<void()>> on_empty;
  bool stopping = false;
};

TaskScope::TaskScope(Executor executor) : state_(std::make_shared<State>(std::move(executor))) {}
TaskScope::~TaskScope() { state_->CancelAll(); }

namespace {

// Runs `task`; after it no await throws for a cancel. asio's entry point awaits once more behind a task that has never
// been suspended, and what is thrown there leaves the loop.
Task<void> EndQuietly(Task<void> task) {
  std::exception_ptr error;
  try {
    co_await std::move(task);
  } catch (...) {
    error = std::current_exception();
  }
  co_await asio::this_coro::throw_if_cancelled(false);
  if (error) std::rethrow_exception(error);
}

}  // namespace

// What asio calls when a task has ended. It has a cancellation slot of its own and no executor: then asio cancels inside
// emit, wherever that is called. With bind_cancellation_slot it would post the cancel when the scope goes outside of the
// loop, and what is queued before that would wake the task as if its owner still lived.
struct TaskScope::State::Ended {
  using cancellation_slot_type = asio::cancellation_slot;
  cancellation_slot_type get_cancellation_slot() const noexcept { return entry->cancel.slot(); }

  void operator()(std::exception_ptr error) {
    state->tasks.remove(entry);
    if (error) {
      try {
        std::rethrow_exception(error);
      } catch (const boost::system::system_error& e) {
        if (e.code() != asio::error::operation_aborted) {
          LOG_ERROR("Task failed", "task", entry->name, "err", e.what());
        }
      } catch (const std::exception& e) {
        LOG_ERROR("Task failed", "task", entry->name, "err", e.what());
      }
    }
    if (state->tasks.empty()) {
      auto waiters = std::exchange(state->on_empty, {});
      for (auto& waiter : waiters) waiter();
    }
  }

  std::shared_ptr<State> state;
  std::shared_ptr<Entry> entry;
};

void TaskScope::Spawn(std::string name, Task<void> task) {
  if (state_->stopping) return;
  auto state = state_;
  auto entry = std::make_shared<State::Entry>();
  entry->name = std::move(name);
  state->tasks.push_back(entry);
  State::Ended ended{state, entry};
  // co_spawn would run the task inside this call when it is made on the loop; callers rely on it not being so.
  asio::post(state->executor, [state, task = std::move(task), ended = std::move(ended)]() mutable {
    if (state->stopping) {
      ended(nullptr);
      return;
    }
    asio::co_spawn(state->executor, EndQuietly(std::move(task)), std::move(ended));
  });
}

Task<void> TaskScope::Stop() {
  state_->CancelAll();
  co_await Join();
}

Task<void> TaskScope::Join() {
  auto state = state_;
  if (state->tasks.empty()) co_return;
  Promise<bool> promise(state->executor);
  state->on_empty.push_back([promise] { promise.Set(true); });
  co_await promise.Get();
}

Task<void> TaskScope::JoinAsPart() {
  auto state = state_;
  if (state->tasks.empty()) co_return;
  Promise<bool> promise(state->executor);
  state->on_empty.push_back([promise] { promise.Set(true); });
  promise.OnCancel([weak = std::weak_ptr<State>(state)] {
    if (auto s = weak.lock()) s->CancelAll();
  });
  co_await promise.Get();
  auto cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != asio::cancellation_type::none) {
    throw boost::system::system_error(asio::error::operation_aborted);
  }
}

size_t TaskScope::size() const { return state_->tasks.size(); }

}  // namespace kubelet::base
