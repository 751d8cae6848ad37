// What the loopback tests share: a loop on the real clock, a server, credentials, a client.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "catch.h"
#include "fakes/certificates.h"
#include "fakes/http2_server.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/types.h"
#include "kubelet/base/status.h"
#include "kubelet/client/http_api.h"

namespace kubelet::client {

using namespace std::chrono_literals;

class TestCredentials : public Credentials {
 public:
  base::Task<absl::StatusOr<Presented>> Get() override {
    ++gets;
    if (!problem.ok()) co_return problem;
    co_return presented;
  }
  uint64_t generation() const override { return presented.generation; }
  void Rejected(uint64_t generation) override {
    rejected.push_back(generation);
    if (on_rejected) on_rejected();
  }
  Presented presented;
  absl::Status problem;
  std::vector<uint64_t> rejected;
  std::function<void()> on_rejected;
  int gets = 0;
};

// One authority for all tests: making keys takes time.
inline const fakes::CertificateAuthority& ServersCa() {
  static const fakes::CertificateAuthority ca;
  return ca;
}

inline fakes::KeyPair ServerPair(std::chrono::seconds until = std::chrono::hours(1),
                                 const std::string& names = "DNS:api.test,IP:127.0.0.1") {
  fakes::CertificateOptions options;
  options.common_name = "kube-apiserver";
  options.names = names;
  options.valid_until = until;
  return ServersCa().Issue(options);
}

inline fakes::KeyPair NodePair(const std::string& name) {
  fakes::CertificateOptions options;
  options.common_name = name;
  options.organizations = {"system:nodes"};
  return ServersCa().Issue(options);
}

struct Outcome {
  bool done = false;
  absl::Status status;
  api::core::Pod pod;
};

struct Watched {
  bool opened = false, done = false;
  std::unique_ptr<WatchStream> stream;
  std::vector<std::string> names;  // of the objects that came
  absl::Status end;
};

struct HttpBench {
  using Handler = fakes::HttpServer::Handler;
  boost::asio::io_context io{1};
  base::RealClock clock{io};
  base::BlockingPool pool{io.get_executor(), clock, {}};
  TestCredentials credentials;
  fakes::HttpServerOptions server_options;
  std::vector<fakes::HttpRequest> requests;
  Handler handler;  // after `requests` has taken it
  std::unique_ptr<fakes::HttpServer> server;
  ClientConfig config;
  HttpApiOptions options;
  base::Registry metrics;
  std::unique_ptr<HttpApi> api;
  std::unique_ptr<base::TaskScope> scope;

  HttpBench() {
    static const fakes::KeyPair pair = ServerPair();
    server_options.certificate = pair.certificate;
    server_options.key = pair.key;
    server_options.client_ca = ServersCa().certificate();
    options.user_agent = "kubelet/test";
    config.ca_pem = ServersCa().certificate();
    handler = [](const fakes::HttpRequest& request, fakes::ResponderPtr responder) {
      ReplyPod(responder, request.path.substr(request.path.rfind('/') + 1));
    };
  }
  ~HttpBench() {
    scope.reset();
    api.reset();
    server.reset();
    io.restart();
    io.poll();
  }

  void Start() {
    auto handle = [this](const fakes::HttpRequest& request, fakes::ResponderPtr responder) {
      requests.push_back(request);
      handler(request, std::move(responder));
    };
    server = std::make_unique<fakes::HttpServer>(io.get_executor(), server_options, handle);
    if (config.server.empty()) {
      config.server = (server_options.certificate.empty() ? "http" : "https") +
                      std::string("://127.0.0.1:") + std::to_string(server->port());
    }
    HttpApi::Deps deps{io.get_executor(), clock, pool, credentials, &metrics};
    api = std::make_unique<HttpApi>(deps, config, options);
    scope = std::make_unique<base::TaskScope>(io.get_executor());
  }

  // False: it did not come to be in time.
  bool RunUntil(const std::function<bool()>& done, std::chrono::seconds limit = 20s) {
    auto end = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      io.restart();
      io.run_one_for(10ms);
    }
    return true;
  }

  static void ReplyPod(const fakes::ResponderPtr& responder, const std::string& name) {
    api::core::Pod pod;
    pod.mutable_metadata()->set_name(name);
    responder->Reply(200, "application/vnd.kubernetes.protobuf", api::EncodeProtobuf(pod));
  }
  static Call GetPod(const std::string& name) {
    Call call;
    call.path = {kPods, "default", name, ""};
    return call;
  }

  static base::Task<void> DoTask(HttpApi& api, Call call, Outcome* out) {
    out->status = co_await api.Do(std::move(call), &out->pod);
    out->done = true;
  }
  void Begin(Call call, Outcome& out) { scope->Spawn("call", DoTask(*api, std::move(call), &out)); }
  // A whole call.
  Outcome Do(Call call) {
    Outcome out;
    Begin(std::move(call), out);
    REQUIRE(RunUntil([&] { return out.done; }, 40s));
    return out;
  }

  static base::Task<void> WatchTask(HttpApi& api, Watched* out) {
    ObjectPath path{kPods, "", "", ""};
    std::vector<std::pair<std::string, std::string>> query;
    query.emplace_back("allowWatchBookmarks", "true");
    auto stream =
        co_await api.Watch(std::move(path), std::move(query), &api::core::Pod::default_instance());
    out->opened = stream.ok();
    if (!stream.ok()) out->end = stream.status();
    while (out->end.ok()) {
      if (!out->stream) out->stream = *std::move(stream);
      auto event = co_await out->stream->Next();
      if (event.ok()) {
        out->names.push_back(static_cast<api::core::Pod&>(*event->object).metadata().name());
      } else {
        out->end = event.status();
      }
    }
    out->done = true;
  }
  void BeginWatch(Watched& out) { scope->Spawn("watch", WatchTask(*api, &out)); }
  static std::string Event(const std::string& name, const std::string& type = "ADDED") {
    return "{\"type\":\"" + type + "\",\"object\":{\"metadata\":{\"name\":\"" + name + "\"}}}\n";
  }
};

}  // namespace kubelet::client
