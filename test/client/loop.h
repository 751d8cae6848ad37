// An event loop polled by hand with an API server in memory, for the tests of this room.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>

#include "catch.h"
#include "fakes/memory_api.h"
#include "kubelet/base/async.h"

namespace kubelet::test {

namespace core = api::core;

struct ApiLoop {
  // Tasks that were cancelled at the end of a test still have to end.
  ~ApiLoop() { Run(); }
  boost::asio::io_context io{1};
  base::ManualClock clock;
  MemoryApi api{io.get_executor(), clock};
  std::list<base::TaskScope> scopes;

  void Run() {
    io.restart();
    io.poll();
  }
  void Advance(base::Nanos d) {
    clock.Advance(d, [this] { Run(); });
  }
  template <typename T>
  static base::Task<void> Store(base::Task<T> task, std::shared_ptr<std::optional<T>> out) {
    T value = co_await std::move(task);
    out->emplace(std::move(value));
  }
  static base::Task<void> Mark(base::Task<void> task, std::shared_ptr<bool> done) {
    co_await std::move(task);
    *done = true;
  }
  // Starts a task; the result is there when it has ended.
  template <typename T>
  std::shared_ptr<std::optional<T>> Begin(base::Task<T> task) {
    auto out = std::make_shared<std::optional<T>>();
    scopes.emplace_back(io.get_executor());
    scopes.back().Spawn("test", Store(std::move(task), out));
    Run();
    return out;
  }
  std::shared_ptr<std::optional<absl::Status>> Begin(client::Call call) {
    return Begin(api.Do(std::move(call), nullptr));
  }
  // The result of a task that needs no time.
  template <typename T>
  T Await(base::Task<T> task) {
    auto out = Begin(std::move(task));
    REQUIRE(*out);
    return std::move(**out);
  }
  void AwaitDone(base::Task<void> task) {
    auto done = std::make_shared<bool>(false);
    scopes.emplace_back(io.get_executor());
    scopes.back().Spawn("test", Mark(std::move(task), done));
    Run();
    REQUIRE(*done);
  }
  absl::Status Do(client::Call call, google::protobuf::Message* out = nullptr) {
    return Await(api.Do(std::move(call), out));
  }
};

inline core::Pod PodNamed(const std::string& name, const std::string& node) {
  core::Pod pod;
  pod.mutable_metadata()->set_name(name);
  pod.mutable_metadata()->set_namespace_("default");
  pod.mutable_spec()->set_node_name(node);
  pod.mutable_spec()->add_containers()->set_name("c");
  return pod;
}

}  // namespace kubelet::test
