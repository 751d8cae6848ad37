#include "fakes/api_server.h"

#include <fstream>
#include <iterator>

#include "kubelet/base/status.h"

namespace kubelet::fakes {

absl::StatusOr<std::unique_ptr<ApiServer>> ApiServer::Start(base::Executor executor,
                                                            base::Clock& clock,
                                                            ApiServerOptions options) {
  ApiPkiOptions pki_options{options.dir, options.node, options.kubelet_certificate_life};
  auto pki = OpenPki(pki_options);
  RETURN_IF_ERROR(pki.status());
  std::unique_ptr<ApiServer> server(
      new ApiServer(std::move(executor), clock, std::move(options), *std::move(pki)));
  RETURN_IF_ERROR(server->Open());
  return server;
}

ApiServer::ApiServer(base::Executor executor, base::Clock& clock, ApiServerOptions options,
                     ApiPki pki)
    : executor_(std::move(executor)),
      clock_(clock),
      options_(std::move(options)),
      pki_(std::move(pki)),
      store_(clock_, options_.seed),
      registry_(store_),
      tokens_(store_, pki_.token_key) {
  options_.controllers.ca_certificate = pki_.ca.certificate();
  options_.controllers.sign = [this](const std::string& csr, std::chrono::seconds life) {
    return pki_.ca.Sign(csr, life);
  };
  std::string id = pki_.bootstrap_token.substr(0, pki_.bootstrap_token.find('.'));
  tokens_.UseLife(options_.token_life);
  tokens_.Add(pki_.bootstrap_token,
              {"system:bootstrap:" + id,
               "",
               {"system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token",
                "system:authenticated"}});
  controllers_ = std::make_unique<ApiControllers>(registry_, clock_, options_.controllers);
  streams_ = std::make_unique<ApiStreams>(executor_, registry_, pki_.admin);
  options_.handler.stream = [this](const ApiUser&, const ApiRequest& request,
                                   const HttpRequest& http, ResponderPtr responder) {
    streams_->Serve(request, http, responder);
  };
  options_.handler.forward = [this](const AggregatedGroup& group, const HttpRequest& http,
                                    ResponderPtr responder) {
    streams_->Forward(group.port, http, responder);
  };
  handler_ = std::make_unique<ApiHandler>(registry_, tokens_, clock_, options_.handler);
}

ApiServer::~ApiServer() {
  *alive_ = false;
  handler_.reset();
  hanging_.clear();
}

absl::Status ApiServer::Open() {
  std::ifstream in(options_.state_file, std::ios::binary);
  std::string state{std::istreambuf_iterator<char>(in), {}};
  if (state.empty()) {
    registry_.Bootstrap();
  } else {
    RETURN_IF_ERROR(store_.Load(state));
  }
  HttpServerOptions http;
  http.certificate = pki_.server.certificate;
  http.key = pki_.server.key;
  http.client_ca = pki_.ca.certificate();
  http.port = options_.port;
  HttpServerOptions control;
  control.port = options_.control_port;
  try {
    http_ = std::make_unique<HttpServer>(
        executor_, http, [this](const HttpRequest& r, ResponderPtr p) { Handle(r, std::move(p)); });
    control_ = std::make_unique<HttpServer>(
        executor_, control,
        [this](const HttpRequest& r, ResponderPtr p) { Control(r, std::move(p)); });
  } catch (const std::exception& error) {
    return absl::UnavailableError(std::string("cannot listen: ") + error.what());
  }
  std::string address = "127.0.0.1:" + std::to_string(http_->port());
  url_ = "https://" + address;
  control_url_ = "http://127.0.0.1:" + std::to_string(control_->port());
  handler_->options().address = address;
  ApiPkiOptions files{options_.dir, options_.node, options_.kubelet_certificate_life};
  RETURN_IF_ERROR(WriteKubeconfigs(files, pki_, url_));
  RETURN_IF_ERROR(WriteTextFile(options_.dir + "/control", control_url_ + "\n", false));
  return WriteTextFile(options_.dir + "/url", url_ + "\n", false);
}

void ApiServer::Handle(const HttpRequest& http, ResponderPtr responder) {
  ApiRequest request = ParseApiRequest(http);
  std::string what = request.plural;
  if (!request.subresource.empty()) what += "/" + request.subresource;
  ++calls_[request.verb + " " + (request.resource ? what : request.path)];
  auto user = tokens_.Authenticate(http);
  ApiFault fault = faults_.Take(http, request, user.ok() ? user->name : "");
  if (fault.delay.count() == 0) {
    Serve(http, request, fault, responder);
    return;
  }
  clock_.After(fault.delay, [this, alive = alive_, http, request, fault, responder] {
    if (*alive) Serve(http, request, fault, responder);
  });
}

void ApiServer::Serve(const HttpRequest& http, const ApiRequest& request, const ApiFault& fault,
                      const ResponderPtr& responder) {
  if (!responder->open()) return;
  if (fault.hang) {
    hanging_.push_back(responder);
  } else if (fault.drop) {
    responder->Reset(2);
  } else if (fault.status != 0) {
    ReplyProblem(http, *responder, FaultStatus(fault));
  } else {
    handler_->Handle(http, request, responder);
  }
}

absl::Status ApiServer::Save() const {
  if (options_.state_file.empty()) return absl::FailedPreconditionError("no state file was named");
  return WriteTextFile(options_.state_file, store_.Save(), true);
}

}  // namespace kubelet::fakes
