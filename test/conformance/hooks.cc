#include "conformance/hooks.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <cstdlib>
#include <thread>

namespace kubelet::conformance {

// The default health service needs a completion queue that somebody polls.
struct Hooks::Grpc {
  std::unique_ptr<grpc::ServerCompletionQueue> queue;
  std::unique_ptr<grpc::Server> server;
  std::thread poller;
  void Poll() {
    void* tag = nullptr;
    for (bool ok = false; queue->Next(&tag, &ok);) continue;
  }
  ~Grpc() {
    if (server) server->Shutdown();
    if (queue) queue->Shutdown();
    if (poller.joinable()) poller.join();
  }
};

Hooks::Hooks(base::Executor executor, base::Clock& clock) : clock_(clock), grpc_(new Grpc) {
  auto handler = [this](bool https) {
    return [this, https](const fakes::HttpRequest& request, fakes::ResponderPtr responder) {
      Handle(https, request, std::move(responder));
    };
  };
  http_ = std::make_unique<fakes::HttpServer>(executor, fakes::HttpServerOptions(), handler(false));
  fakes::CertificateAuthority authority("conformance");
  fakes::CertificateOptions wanted;
  wanted.common_name = "hooks";
  wanted.names = "IP:127.0.0.1";
  auto pair = authority.Issue(wanted);
  fakes::HttpServerOptions tls;
  tls.certificate = pair.certificate;
  tls.key = pair.key;
  https_ = std::make_unique<fakes::HttpServer>(executor, std::move(tls), handler(true));

  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("0.0.0.0:0", grpc::InsecureServerCredentials(), &port);
  grpc_->queue = builder.AddCompletionQueue();
  grpc_->server = builder.BuildAndStart();
  // gRPC's own health service answers only while somebody waits in a queue, and that blocks: not
  // for the runner's loop.
  grpc_->poller = std::thread([grpc = grpc_.get()] { grpc->Poll(); });
  if (!grpc_->server) return;
  grpc_port_ = static_cast<uint16_t>(port);
  auto* health = grpc_->server->GetHealthCheckService();
  health->SetServingStatus("up", true);
  health->SetServingStatus("down", false);
}

Hooks::~Hooks() = default;

void Hooks::Serve(const std::string& path, int status) { status_[path] = status; }

int Hooks::count(const std::string& path) const {
  auto found = count_.find(path);
  return found == count_.end() ? 0 : found->second;
}

const std::map<std::string, std::string>* Hooks::last(const std::string& path) const {
  auto found = last_.find(path);
  return found == last_.end() ? nullptr : &found->second;
}

void Hooks::Handle(bool https, const fakes::HttpRequest& request, fakes::ResponderPtr responder) {
  const std::string& path = request.path;
  ++count_[path];
  auto& headers = last_[path];
  headers = request.headers;
  headers[":scheme"] = https ? "https" : "http";
  headers[":method"] = request.method;
  auto number = [&path](const std::string& prefix) {
    return path.rfind(prefix, 0) == 0 ? std::atoi(path.c_str() + prefix.size()) : 0;
  };
  auto scripted = status_.find(path);
  if (scripted != status_.end()) {
    responder->Reply(scripted->second, "text/plain", "scripted");
  } else if (int status = number("/status/")) {
    responder->Reply(status, "text/plain", "status " + std::to_string(status));
  } else if (int seconds = number("/slow/")) {
    clock_.After(std::chrono::seconds(seconds),
                 [responder] { responder->Reply(200, "text/plain", "slow"); });
  } else if (path.rfind("/redirect/", 0) == 0 || path.rfind("/away/", 0) == 0) {
    std::string target = path[1] == 'r' ? "/ok" : "http://203.0.113.1:81/";
    responder->Head(302, {{"location", target}, {"content-length", "0"}});
    responder->End();
  } else {
    responder->Reply(200, "text/plain", "ok");
  }
}

}  // namespace kubelet::conformance
