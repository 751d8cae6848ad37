// The control port.
#include <boost/json.hpp>

#include "fakes/api_server.h"
#include "kubelet/base/status.h"

namespace kubelet::fakes {
namespace {

namespace json = boost::json;

absl::StatusOr<json::object> Parse(const std::string& body) {
  json::error_code error;
  json::value value = json::parse(body, error);
  if (error || !value.is_object()) return absl::InvalidArgumentError("the body is no JSON object");
  return value.get_object();
}

std::string Text(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr || !value->is_string() ? "" : std::string(value->get_string());
}

int64_t Number(const json::object& object, const char* key, int64_t otherwise) {
  const json::value* value = object.if_contains(key);
  return value == nullptr || !value->is_int64() ? otherwise : value->get_int64();
}

bool Flag(const json::object& object, const char* key, bool otherwise) {
  const json::value* value = object.if_contains(key);
  return value == nullptr || !value->is_bool() ? otherwise : value->get_bool();
}

}  // namespace

void ApiServer::Control(const HttpRequest& http, ResponderPtr responder) {
  absl::Status status;
  std::string body = "{}";
  bool get = http.method == "GET";
  if (http.path == "/_test/faults") {
    if (http.method == "DELETE") faults_.Clear();
    if (http.method == "POST") status = faults_.Add(http.body);
    body = faults_.ToJson();
  } else if (http.path == "/_test/calls") {
    json::object calls;
    for (const auto& [what, count] : calls_) calls[what] = count;
    body = json::serialize(calls);
    if (http.method == "DELETE") calls_.clear();
  } else if (http.path == "/_test/info" && get) {
    body = Info();
  } else if (http.path == "/_test/state" && get) {
    body = store_.Save();
  } else if (http.path == "/_test/do" && http.method == "POST") {
    status = Do(http.body);
  } else {
    status = absl::NotFoundError("no such control path: " + http.method + " " + http.path);
  }
  if (!status.ok()) body = json::serialize(json::object{{"error", base::Message(status)}});
  responder->Reply(status.ok()                ? 200
                   : absl::IsNotFound(status) ? 404
                                              : 400,
                   "application/json", body);
}

std::string ApiServer::Info() const {
  return json::serialize(json::object{{"url", url_},
                                      {"revision", store_.revision()},
                                      {"watches", handler_->open_watches()},
                                      {"connections", http_->open_connections()},
                                      {"accepted", http_->accepted()},
                                      {"failedHandshakes", http_->failed_handshakes()},
                                      {"pings", http_->pings()}});
}

absl::Status ApiServer::Do(const std::string& body) {
  auto parsed = Parse(body);
  RETURN_IF_ERROR(parsed.status());
  const json::object& arguments = *parsed;
  std::string action = Text(arguments, "action");
  if (action == "compact") {
    int64_t revision = Number(arguments, "revision", -1);
    store_.Compact(revision < 0 ? UINT64_MAX : static_cast<uint64_t>(revision));
  } else if (action == "drop-connections") {
    http_->DropConnections();
  } else if (action == "freeze" || action == "thaw") {
    http_->Freeze(action == "freeze");
  } else if (action == "goaway") {
    http_->Goaway();
  } else if (action == "refuse") {
    http_->StopAccepting();
  } else if (action == "accept") {
    http_->Accept();
  } else if (action == "end-watches") {
    handler_->EndWatches();
  } else if (action == "save") {
    return Save();
  } else if (action == "certificate") {
    return NewCertificate(body);
  } else if (action == "csr") {
    return controllers_->Decide(Text(arguments, "name"), Flag(arguments, "approve", true));
  } else if (action == "set") {
    return Set(body);
  } else if (action == "deny") {
    return Deny(body);
  } else if (action == "aggregate") {
    AggregatedGroup group{Text(arguments, "version"),
                          static_cast<uint16_t>(Number(arguments, "port", 0))};
    handler_->options().aggregated[Text(arguments, "group")] = group;
  } else if (action == "token") {
    ApiUser user{Text(arguments, "user"), "", {"system:authenticated"}};
    if (const json::value* groups = arguments.if_contains("groups"); groups && groups->is_array())
      for (const json::value& group : groups->get_array())
        if (group.is_string()) user.groups.emplace_back(group.get_string());
    tokens_.Remove(Text(arguments, "token"));
    if (!user.name.empty()) tokens_.Add(Text(arguments, "token"), user);
  } else {
    return absl::InvalidArgumentError("unknown action \"" + action + "\"");
  }
  return absl::OkStatus();
}

absl::Status ApiServer::NewCertificate(const std::string& body) {
  auto arguments = Parse(body);
  RETURN_IF_ERROR(arguments.status());
  CertificateOptions wanted;
  wanted.common_name = "kube-apiserver";
  wanted.names = ServerNames();
  wanted.valid_from = std::chrono::seconds(Number(*arguments, "validFrom", -3600));
  wanted.valid_until = std::chrono::seconds(Number(*arguments, "validUntil", 86400));
  KeyPair pair = pki_.ca.Issue(wanted);
  http_->SetCertificate(pair.certificate, pair.key);
  return absl::OkStatus();
}

absl::Status ApiServer::Set(const std::string& body) {
  auto arguments = Parse(body);
  RETURN_IF_ERROR(arguments.status());
  auto& controllers = controllers_->options();
  using Approval = ApiControllers::Options::Approval;
  std::string approval = Text(*arguments, "approval");
  if (approval == "auto") controllers.approval = Approval::kAuto;
  if (approval == "manual") controllers.approval = Approval::kManual;
  if (approval == "deny") controllers.approval = Approval::kDeny;
  auto ms = [&](const char* key, base::Nanos now) -> base::Nanos {
    int64_t value = Number(*arguments, key, -1);
    return value < 0 ? now : std::chrono::milliseconds(value);
  };
  controllers.approval_delay = ms("approvalDelayMs", controllers.approval_delay);
  controllers.certificate_life = std::chrono::seconds(
      Number(*arguments, "certificateSeconds", controllers.certificate_life.count()));
  controllers.schedule = Flag(*arguments, "schedule", controllers.schedule);
  auto& handler = handler_->options();
  handler.watch_list = Flag(*arguments, "watchList", handler.watch_list);
  handler.bookmark_interval = ms("bookmarkMs", handler.bookmark_interval);
  return absl::OkStatus();
}

absl::Status ApiServer::Deny(const std::string& body) {
  auto arguments = Parse(body);
  RETURN_IF_ERROR(arguments.status());
  struct Rule {
    std::string user, verb, resource;
  };
  std::vector<Rule> rules;
  const json::value* list = arguments->if_contains("rules");
  if (list == nullptr || !list->is_array()) return absl::InvalidArgumentError("rules is no list");
  for (const json::value& one : list->get_array())
    if (const json::object* rule = one.if_object())
      rules.push_back({Text(*rule, "user"), Text(*rule, "verb"), Text(*rule, "resource")});
  handler_->options().allow = [rules](const std::string& user, const std::string& verb,
                                      const std::string& resource) {
    for (const Rule& rule : rules) {
      bool hit = (rule.user.empty() || rule.user == user) &&
                 (rule.verb.empty() || rule.verb == verb) &&
                 (rule.resource.empty() || rule.resource == resource);
      if (hit) return false;
    }
    return true;
  };
  return absl::OkStatus();
}

}  // namespace kubelet::fakes
