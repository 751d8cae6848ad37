// Waits for a task in a test whose other half is real: the pool's threads, files, mounts. Where time matters a ManualClock and
// polling by hand belong instead.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"

namespace kubelet::test {

template <typename T>
base::Task<void> StoreResult(base::Task<T> task, std::optional<T>& out) {
  out = co_await std::move(task);
}

// Turns the loop until the task has ended.
template <typename T>
T Await(boost::asio::io_context& io, base::Task<T> task) {
  std::optional<T> out;
  base::TaskScope scope(io.get_executor());
  scope.Spawn("test", StoreResult(std::move(task), out));
  io.restart();
  while (scope.size() > 0) io.run_one();
  return std::move(*out);
}

// Turns the loop until the pool has nothing to do and nothing follows from what it has done, a minute at most. Before an
// object with tasks of its own goes: one that waits for the pool outlives its cancel, wakes without its object when the loop
// turns on, and is a leak when it does not.
inline void Settle(boost::asio::io_context& io, const base::BlockingPool& pool) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (std::chrono::steady_clock::now() < end) {
    const bool quiet = pool.Quiet();
    io.restart();
    if (io.poll() == 0 && quiet) return;
    if (!quiet) io.run_one_for(std::chrono::milliseconds(5));
  }
}

// Declared before a TaskScope: when that has gone, what its tasks do on being cancelled is done. A loop that just went would
// leave suspended tasks, which own themselves, to the leak checker.
class LastTurns {
 public:
  explicit LastTurns(boost::asio::io_context& io) : io_(io) {}
  LastTurns(const LastTurns&) = delete;
  LastTurns& operator=(const LastTurns&) = delete;
  ~LastTurns() {
    io_.restart();
    io_.poll();
  }

 private:
  boost::asio::io_context& io_;
};

}  // namespace kubelet::test
