// A value that arrives later, often from another thread (gRPC callback, blocking pool).
#pragma once

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "kubelet/base/async.h"

namespace kubelet::base {

// Set from any thread; the waiter resumes on the executor. Copies share one state.
template <typename T>
class Promise {
 public:
  explicit Promise(Executor executor) : state_(std::make_shared<State>(executor)) {}

  // The first value counts, later ones are dropped. Thread safe: the work happens on the executor.
  void Set(T value) const {
    auto state = state_;
    boost::asio::post(state->executor, [state, value = std::move(value)]() mutable {
      if (state->value) return;
      state->value.emplace(std::move(value));
      state->on_cancel = nullptr;
      if (state->resume) std::exchange(state->resume, nullptr)();
    });
  }

  // Called on the executor when the waiting task is cancelled; the promise still has to be Set (once), and the
  // task goes on only then. Use it to cancel the operation behind the promise. Set before Get. The hook goes when there
  // is a value, so it may hold a copy of the promise.
  void OnCancel(std::function<void()> hook) const {
    if (!state_->value) state_->on_cancel = std::move(hook);
  }

  // Waits for the value; core loop only, once.
  Task<T> Get() const {
    auto state = state_;
    co_await Suspend(state);
    co_return std::move(*state->value);
  }

 private:
  struct State {
    explicit State(Executor e) : executor(std::move(e)) {}
    Executor executor;
    std::optional<T> value;
    std::function<void()> resume;
    std::function<void()> on_cancel;
  };

  // A plain function: g++ 12 miscompiles async_initiate inside a coroutine.
  static auto Suspend(std::shared_ptr<State> state) {
    return boost::asio::async_initiate<const boost::asio::use_awaitable_t<Executor>, void()>(
        [](auto handler, std::shared_ptr<State> s) {
          auto shared = std::make_shared<decltype(handler)>(std::move(handler));
          auto slot = boost::asio::get_associated_cancellation_slot(*shared);
          auto finish = [shared, executor = s->executor] {
            boost::asio::post(executor, [shared] { (*shared)(); });
          };
          if (s->value) {
            finish();
            return;
          }
          if (slot.is_connected() && s->on_cancel) {
            slot.assign([s](boost::asio::cancellation_type) {
              if (s->on_cancel) s->on_cancel();
            });
          }
          s->resume = [finish, slot]() mutable {
            if (slot.is_connected()) slot.clear();
            finish();
          };
        },
        boost::asio::use_awaitable_t<Executor>(), std::move(state));
  }

  std::shared_ptr<State> state_;
};

}  // namespace kubelet::base
