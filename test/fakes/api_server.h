// The test API server as one object: HTTPS on loopback, a control port beside it, everything in the
// caller's loop. test-apiserver is this with flags; a test may have it in its own process.
//
// Control (plain HTTP/1.1, `control_url`), also while the API itself is frozen:
//   GET|POST|DELETE /_test/faults    scripted faults (api_faults.h)
//   GET|DELETE      /_test/calls     calls so far: {"patch pods/status": 3}
//   GET             /_test/info      {"url", "revision", "watches", "connections", "accepted",
//   "pings"} GET             /_test/state     everything that is stored, as a state file POST
//   /_test/do        {"action": ...} and its arguments:
//     compact [revision]   drop-connections   freeze   thaw   goaway   refuse   accept end-watches
//     certificate {validFrom, validUntil}: seconds from now; the server presents it from now on
//     aggregate {group, version, port}: an API group that a server on loopback has, with TLS
//     csr {name, approve}   save   token {token, user, groups} (no user: forgotten)
//     set {approval: auto|manual|deny, approvalDelayMs, certificateSeconds, schedule, watchList,
//     bookmarkMs} deny {rules: [{user, verb, resource}]}: what SubjectAccessReview refuses; empty
//     fields match all
#pragma once

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "fakes/api_controllers.h"
#include "fakes/api_faults.h"
#include "fakes/api_handler.h"
#include "fakes/api_pki.h"
#include "fakes/api_streams.h"
#include "fakes/http2_server.h"

namespace kubelet::fakes {

struct ApiServerOptions {
  std::string dir;  // pki, kubeconfigs and the files `url` and `control`
  std::string node = "n1";
  uint16_t port = 0, control_port = 0;  // 0: any
  std::string state_file;               // read at the start when it is there; written by `save`
  std::chrono::seconds kubelet_certificate_life = std::chrono::hours(24);
  std::chrono::seconds token_life{0};  // of service accounts; 0: as asked for
  uint64_t seed = 1;
  ApiControllers::Options controllers;  // `sign` and `ca_certificate` are filled in
  ApiHandler::Options handler;
};

class ApiServer {
 public:
  // Unavailable when a file or port cannot be had.
  static absl::StatusOr<std::unique_ptr<ApiServer>> Start(base::Executor executor,
                                                          base::Clock& clock,
                                                          ApiServerOptions options);
  ~ApiServer();

  const std::string& url() const { return url_; }
  const std::string& control_url() const { return control_url_; }
  ApiStore& store() { return store_; }
  ApiRegistry& registry() { return registry_; }
  ApiControllers& controllers() { return *controllers_; }
  ApiFaults& faults() { return faults_; }
  HttpServer& http() { return *http_; }
  ApiHandler& handler() { return *handler_; }
  const ApiPki& pki() const { return pki_; }
  const std::map<std::string, int64_t>& calls() const { return calls_; }
  // Writes the state file.
  absl::Status Save() const;

 private:
  ApiServer(base::Executor executor, base::Clock& clock, ApiServerOptions options, ApiPki pki);
  absl::Status Open();
  void Handle(const HttpRequest& http, ResponderPtr responder);
  void Serve(const HttpRequest& http, const ApiRequest& request, const ApiFault& fault,
             const ResponderPtr& responder);
  void Control(const HttpRequest& http, ResponderPtr responder);
  std::string Info() const;
  absl::Status Do(const std::string& body);
  absl::Status Set(const std::string& body);
  absl::Status Deny(const std::string& body);
  absl::Status NewCertificate(const std::string& body);

  base::Executor executor_;
  base::Clock& clock_;
  ApiServerOptions options_;
  ApiPki pki_;
  std::string url_, control_url_;
  ApiStore store_;
  ApiRegistry registry_;
  ApiTokens tokens_;
  ApiFaults faults_;
  std::map<std::string, int64_t> calls_;
  std::vector<ResponderPtr> hanging_;
  std::unique_ptr<ApiStreams> streams_;
  std::unique_ptr<ApiControllers> controllers_;
  std::unique_ptr<ApiHandler> handler_;
  std::unique_ptr<HttpServer> http_, control_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace kubelet::fakes
