// A loop turned by hand, real threads of a blocking pool behind it, and a clock that stands still.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <optional>

#include "catch.h"
#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/clock.h"

namespace kubelet::image::test {

struct Loop {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};

  // Until `done`: threads of the pool and other programs post when they have something; nothing is
  // polled.
  void RunUntil(const std::function<bool()>& done) {
    auto work = boost::asio::make_work_guard(io);
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    io.restart();
    while (!done() && std::chrono::steady_clock::now() < end) io.run_one_until(end);
    REQUIRE(done());
  }
  template <typename T>
  static base::Task<void> Into(base::Task<T> task, std::optional<T>* out) {
    auto value = co_await std::move(task);
    out->emplace(std::move(value));
  }
  static base::Task<void> Mark(base::Task<void> task, bool* done) {
    co_await std::move(task);
    *done = true;
  }
  template <typename T>
  T Await(base::Task<T> task) {
    std::optional<T> out;
    base::TaskScope scope(io.get_executor());
    scope.Spawn("await", Into(std::move(task), &out));
    RunUntil([&] { return out.has_value(); });
    return *std::move(out);
  }
  void Await(base::Task<void> task) {
    bool done = false;
    base::TaskScope scope(io.get_executor());
    scope.Spawn("await", Mark(std::move(task), &done));
    RunUntil([&] { return done; });
  }
};

}  // namespace kubelet::image::test
