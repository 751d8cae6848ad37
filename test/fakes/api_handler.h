// HTTP requests to the registry and back: authentication, paths, negotiation, verbs, watches,
// reviews. Single thread; answers come from inside Handle, but for watches.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "fakes/api_codec.h"
#include "fakes/api_discovery.h"
#include "fakes/api_registry.h"
#include "fakes/api_request.h"
#include "fakes/api_tokens.h"
#include "fakes/api_watch.h"
#include "fakes/http2_server.h"

namespace kubelet::fakes {

class ApiHandler {
 public:
  struct Options {
    base::Nanos bookmark_interval = std::chrono::minutes(1);
    bool watch_list = true;  // false: sendInitialEvents is refused, as older servers do
    std::string address;     // host:port, for discovery
    // What SubjectAccessReview answers; empty allows everything.
    std::function<bool(const std::string& user, const std::string& verb,
                       const std::string& resource)>
        allow;
    // Takes requests for streams of a pod (log, exec, attach, portforward) and for the proxy of a
    // node. Empty: 501.
    std::function<void(const ApiUser&, const ApiRequest&, const HttpRequest&, ResponderPtr)> stream;
    AggregatedGroups aggregated;
    // Takes requests for what is in those groups.
    std::function<void(const AggregatedGroup&, const HttpRequest&, ResponderPtr)> forward;
  };

  ApiHandler(ApiRegistry& registry, ApiTokens& tokens, base::Clock& clock, Options options);
  ~ApiHandler();
  void Handle(const HttpRequest& http, const ApiRequest& request, const ResponderPtr& responder);
  Options& options() { return options_; }
  size_t open_watches() const { return watches_.size(); }
  void EndWatches();

 private:
  struct Call {
    const HttpRequest& http;
    const ApiRequest& request;
    ResponderPtr responder;
    ApiUser user;
    ApiForm form;
    Responder::Headers headers;  // to be sent besides
  };
  absl::Status Dispatch(Call& call);
  absl::Status Authorize(const Call& call) const;
  absl::Status Resource(Call& call);
  absl::Status Subresource(Call& call, bool& done);
  absl::Status Review(Call& call);
  absl::Status Read(Call& call);
  absl::Status List(Call& call);
  absl::Status Watch(Call& call);
  absl::Status Create(Call& call);
  absl::Status Update(Call& call);
  absl::Status Patch(Call& call);
  absl::Status Delete(Call& call);
  absl::Status DeleteCollection(Call& call);
  absl::Status Bind(Call& call);
  absl::Status Evict(Call& call);
  absl::Status Token(Call& call);
  absl::Status Decode(Call& call, Object& out);
  absl::StatusOr<ApiDeleteOptions> DeleteOptions(Call& call, const std::string& body);
  ApiRegistry::Context ContextOf(const Call& call) const;
  ApiRegistry::Target TargetOf(const Call& call) const;
  void Reply(Call& call, int code, const Object& object);
  void ReplyStored(Call& call, int code, const ObjectPtr& object);
  void ReplyText(Call& call, int code, const std::string& type, std::string body);

  ApiRegistry& registry_;
  ApiTokens& tokens_;
  base::Clock& clock_;
  Options options_;
  std::set<std::shared_ptr<ApiWatch>> watches_;
};

// Answers with a Status in the form that was asked for, Retry-After included.
void ReplyProblem(const HttpRequest& http, Responder& responder, const absl::Status& problem);

}  // namespace kubelet::fakes
