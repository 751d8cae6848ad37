// From the server loop to the core loop and back.
#pragma once

#include <boost/asio/post.hpp>
#include <functional>
#include <memory>
#include <string>

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
  static base::Task<void> Run(std::function<base::Task<T>()> make, base::Promise<T> promise) {
    T result = co_await make();
    promise.Set(std::move(result));
  }

  base::Executor core_, server_;
  std::shared_ptr<base::TaskScope> scope_;
};

}  // namespace kubelet::server
