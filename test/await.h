// Waits for a task in a test whose other half is real: the pool's threads, files, mounts. Where time matters a ManualClock and
// polling by hand belong instead.
#pragma once

#include <boost/asio/io_context.hpp>
#include <optional>
#include <utility>

#include "kubelet/base/async.h"

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
  return *out;
}

}  // namespace kubelet::test
