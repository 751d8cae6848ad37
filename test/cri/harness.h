// A loop polled by hand and a connection to a CRI socket; gRPC's threads are real, so waiting is
// bounded polling.
#pragma once

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "fakes/cri_server.h"
#include "kubelet/base/async.h"
#include "kubelet/base/clock.h"
#include "kubelet/cri/connection.h"
#include "kubelet/cri/container_runtime.h"
#include "kubelet/cri/image_service.h"
#include "kubelet/runtime/config.h"

namespace kubelet::cri {

using namespace std::chrono_literals;

class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "cri_test_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
    path_ = name;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

template <typename T>
base::Task<void> StoreResult(base::Task<T> task, std::optional<T>& out) {
  T value = co_await std::move(task);
  out.emplace(std::move(value));
}

struct Loop {
  base::ManualClock clock;  // outlives the tasks that io holds
  boost::asio::io_context io{1};

  // Polls until `done`; false after `limit` of real time.
  bool RunUntil(const std::function<bool()>& done, std::chrono::seconds limit = 30s) {
    auto end = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      io.restart();
      io.run_one_for(5ms);
    }
    return true;
  }
  // Cancels the tasks of `scope` and waits for their end.
  void StopScope(base::TaskScope& scope) {
    base::TaskScope stopper(io.get_executor());
    stopper.Spawn("stop", scope.Stop());
    RunUntil([&] { return stopper.size() == 0; });
  }
  void Advance(base::Nanos d) {
    clock.Advance(d, [this] {
      io.restart();
      io.poll();
    });
  }
};

// Connection and ports to one endpoint.
struct Client {
  explicit Client(Options options) {
    auto made = CriConnection::Create(loop.io.get_executor(), loop.clock, std::move(options));
    if (!made.ok()) throw std::runtime_error(made.status().ToString());
    connection = *std::move(made);
    runtime = std::make_unique<GrpcContainerRuntime>(*connection);
    images = std::make_unique<GrpcImageService>(*connection);
    scope = std::make_unique<base::TaskScope>(loop.io.get_executor());
  }
  ~Client() {
    loop.StopScope(*scope);
    connection.reset();
    loop.Advance(0s);  // what the connection's end has posted
  }

  template <typename T>
  T Await(base::Task<T> task) {
    std::optional<T> result;
    scope->Spawn("await", StoreResult<T>(std::move(task), result));
    if (!loop.RunUntil([&] { return result.has_value(); }, 60s))
      throw std::runtime_error("a call did not end");
    return std::move(*result);
  }

  Loop loop;
  std::unique_ptr<CriConnection> connection;
  std::unique_ptr<GrpcContainerRuntime> runtime;
  std::unique_ptr<GrpcImageService> images;
  std::unique_ptr<base::TaskScope> scope;
};

inline Options EndpointOptions(const std::string& endpoint, base::Nanos timeout = 30s) {
  Options options;
  options.endpoint = endpoint;
  options.request_timeout = timeout;
  return options;
}

// A fake and a client of it.
struct Fake {
  explicit Fake(base::Nanos timeout = 30s, bool events = true) {
    fakes::FakeCriOptions options;
    options.socket = dir / "cri.sock";
    options.events = events;
    server = std::make_unique<fakes::FakeCriServer>(options);
    if (!server->Start()) throw std::runtime_error("the fake does not listen");
    client = std::make_unique<Client>(EndpointOptions(server->socket(), timeout));
  }
  TempDir dir;
  std::unique_ptr<fakes::FakeCriServer> server;
  std::unique_ptr<Client> client;
};

inline runtime::SandboxConfig PodNamed(const std::string& name, const std::string& uid) {
  runtime::SandboxConfig config;
  config.name = name;
  config.namespace_ = "default";
  config.uid = uid;
  config.labels[runtime::kPodNameLabel] = name;
  config.labels[runtime::kPodNamespaceLabel] = "default";
  config.labels[runtime::kPodUidLabel] = uid;
  return config;
}

inline runtime::ContainerConfig ContainerNamed(const std::string& name,
                                               const runtime::SandboxConfig& pod,
                                               const std::string& image,
                                               const std::string& script) {
  runtime::ContainerConfig config;
  config.name = name;
  config.image = image;
  config.user_specified_image = image;
  config.command = {"sh", "-c", script};
  config.labels = pod.labels;
  config.labels[runtime::kContainerNameLabel] = name;
  return config;
}

}  // namespace kubelet::cri
