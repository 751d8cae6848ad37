// From the server loop to the core loop and back.
#pragma once

#include <boost/asio/post.hpp>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/base/promise.h"

namespace kubelet::server {

// Tasks of the server that run on the core loop. Made and ended there.
class CoreCalls {
 public:
  CoreCalls(base::Executor core, base::Executor server)
      : core_(std::move(core)),
        server_(std::move(server)),
        scope_(std::make_shared<base::TaskScope>(core_)) {}

  // Runs what `make` makes on the core loop; resumes on the server loop. A caller that goes away is
  // not missed.
  template <typename T>
  base::Task<T> Call(std::string name, std::function<base::Task<T>()> make) {
    base::Promise<T> promise(server_);
    boost::asio::post(core_, [scope = scope_, name = std::move(name), make = std::move(make),
                              promise] { scope->Spawn(name, Run<T>(make, promise)); });
    T result = co_await promise.Get();
    co_return result;
  }

 private:
  template <typename T>
  friend class EndingCall;
  template <typename T>
  static base::Task<void> Run(std::function<base::Task<T>()> make, base::Promise<T> promise) {
    T result = co_await make();
    promise.Set(std::move(result));
  }

  base::Executor core_, server_;
  std::shared_ptr<base::TaskScope> scope_;
};

// One call that does not outlive its caller's interest: End cancels its task on the core loop, and
// the caller goes on with Cancelled. Server loop; hold it by shared pointer where End is a hook.
template <typename T>
class EndingCall {
 public:
  explicit EndingCall(const CoreCalls& calls)
      : core_(calls.core_), promise_(calls.server_), task_(std::make_shared<OnCore>()) {}
  ~EndingCall() { End(); }
  EndingCall(const EndingCall&) = delete;
  EndingCall& operator=(const EndingCall&) = delete;

  // Once.
  base::Task<absl::StatusOr<T>> Run(std::string name,
                                    std::function<base::Task<absl::StatusOr<T>>()> make) {
    boost::asio::post(core_, [core = core_, task = task_, name = std::move(name),
                              make = std::move(make), promise = promise_] {
      if (task->ended) return;
      task->scope = std::make_unique<base::TaskScope>(core);
      task->scope->Spawn(name, CoreCalls::Run<absl::StatusOr<T>>(make, promise));
    });
    auto result = co_await promise_.Get();
    co_return result;
  }
  void End() {
    promise_.Set(absl::CancelledError("nobody waits for it any more"));
    boost::asio::post(core_, [task = task_] {
      task->ended = true;
      task->scope.reset();
    });
  }

 private:
  struct OnCore {
    bool ended = false;
    std::unique_ptr<base::TaskScope> scope;
  };
  base::Executor core_;
  base::Promise<absl::StatusOr<T>> promise_;
  std::shared_ptr<OnCore> task_;
};

}  // namespace kubelet::server
