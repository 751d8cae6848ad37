#include "fakes/api_handler.h"

#include <utility>

#include "fakes/api_errors.h"
#include "fakes/api_table.h"
#include "k8s/policy/v1/policy.pb.h"
#include "kubelet/api/patch.h"
#include "kubelet/base/status.h"

namespace kubelet::fakes {
namespace {

absl::StatusOr<ApiForm> FormOf(const HttpRequest& http) {
  auto accept = http.headers.find("accept");
  return Negotiate(accept == http.headers.end() ? "" : accept->second);
}

std::string Header(const HttpRequest& http, const std::string& name) {
  auto found = http.headers.find(name);
  return found == http.headers.end() ? "" : found->second;
}

bool Public(const std::string& path) {
  for (const char* prefix : {"/healthz", "/livez", "/readyz", "/version"})
    if (path.rfind(prefix, 0) == 0) return true;
  return false;
}

absl::Status NoSuchPath() {
  return ApiProblem(404, "NotFound", "the server could not find the requested resource");
}

absl::Status NotAllowed() {
  return ApiProblem(405, "MethodNotAllowed",
                    "the server does not allow this method on the requested resource");
}

}  // namespace

void ReplyProblem(const HttpRequest& http, Responder& responder, const absl::Status& problem) {
  auto form = FormOf(http);
  ApiForm::Media media = form.ok() ? form->media : ApiForm::Media::kJson;
  api::meta::Status body = ApiStatusBody(problem);
  std::string text = EncodeBody(body, media);
  ApiForm plain;
  plain.media = media;
  Responder::Headers headers{{"content-type", plain.ContentType(false)},
                             {"content-length", std::to_string(text.size())},
                             {"cache-control", "no-cache, private"}};
  if (body.details().retry_after_seconds() > 0)
    headers.emplace_back("retry-after", std::to_string(body.details().retry_after_seconds()));
  responder.Head(body.code(), std::move(headers));
  responder.Body(std::move(text));
  responder.End();
}

ApiHandler::ApiHandler(ApiRegistry& registry, ApiTokens& tokens, base::Clock& clock,
                       Options options)
    : registry_(registry), tokens_(tokens), clock_(clock), options_(std::move(options)) {}

ApiHandler::~ApiHandler() {
  // A watch that ends takes itself out of the set.
  auto open = std::exchange(watches_, {});
}

void ApiHandler::EndWatches() {
  auto open = watches_;
  for (const auto& watch : open) watch->End();
}

void ApiHandler::Handle(const HttpRequest& http, const ApiRequest& request,
                        const ResponderPtr& responder) {
  Call call{http, request, responder, {}, {}, {}};
  absl::Status status = Dispatch(call);
  if (!status.ok()) ReplyProblem(http, *responder, status);
}

absl::Status ApiHandler::Dispatch(Call& call) {
  auto user = tokens_.Authenticate(call.http);
  RETURN_IF_ERROR(user.status());
  call.user = *std::move(user);
  const std::string& path = call.request.path;
  RETURN_IF_ERROR(Authorize(call));
  if (Public(path) && path != "/version") {
    ReplyText(call, 200, "text/plain; charset=utf-8", "ok");
    return absl::OkStatus();
  }
  if (auto body = DiscoveryBody(path, options_.address, options_.aggregated)) {
    ReplyText(call, 200, "application/json", *std::move(body));
    return absl::OkStatus();
  }
  const auto& segments = call.request.segments;
  if (options_.forward && segments.size() > 2 && segments[0] == "apis") {
    auto group = options_.aggregated.find(segments[1]);
    if (group != options_.aggregated.end()) {
      options_.forward(group->second, call.http, call.responder);
      return absl::OkStatus();
    }
  }
  if (!call.request.resource) return NoSuchPath();
  auto form = FormOf(call.http);
  RETURN_IF_ERROR(form.status());
  call.form = *form;
  if (call.request.kind == nullptr) return Review(call);
  return Resource(call);
}

absl::Status ApiHandler::Authorize(const Call& call) const {
  const ApiRequest& request = call.request;
  if (Public(request.path)) return absl::OkStatus();
  auto denied = [&] {
    std::string what = request.resource ? request.plural : "path \"" + request.path + "\"";
    return ApiProblem(
        403, "Forbidden",
        what + " is forbidden: User \"" + call.user.name + "\" cannot " + request.verb +
            (request.resource
                 ? " resource \"" + request.plural + "\" in API group \"" + request.group + "\"" +
                       (request.ns.empty() ? " at the cluster scope"
                                           : " in the namespace \"" + request.ns + "\"")
                 : " " + what));
  };
  if (call.user.name == "system:anonymous") return denied();
  bool own = request.plural == "certificatesigningrequests" || request.plural.rfind("self", 0) == 0;
  if (call.user.In("system:bootstrappers") && request.resource && !own) return denied();
  if (request.kind == nullptr) return absl::OkStatus();
  ApiRequestKind what{request.verb, request.kind, request.ns, request.name, request.subresource};
  bool read = request.verb == "get" || request.verb == "list" || request.verb == "watch";
  if (!read) return absl::OkStatus();  // judged with the object at hand
  if (what.name.empty()) {
    auto selector = ApiSelector::Parse(*request.kind, request.Query("fieldSelector"), "");
    if (selector.ok()) what.name = selector->name();
  }
  return CheckNodeAccess(registry_.store(), call.user, what, nullptr, nullptr);
}

absl::Status ApiHandler::Resource(Call& call) {
  const ApiRequest& request = call.request;
  if (request.kind->namespaced && request.ns.empty() && request.verb != "list" &&
      request.verb != "watch")
    return request.name.empty() && request.verb == "deletecollection" ? NotAllowed() : NoSuchPath();
  bool done = false;
  if (!request.subresource.empty()) {
    RETURN_IF_ERROR(Subresource(call, done));
    if (done) return absl::OkStatus();
  }
  if (request.verb == "get") return Read(call);
  if (request.verb == "list") return List(call);
  if (request.verb == "watch") return Watch(call);
  if (request.verb == "create") return request.name.empty() ? Create(call) : NotAllowed();
  if (request.verb == "update") return request.name.empty() ? NotAllowed() : Update(call);
  if (request.verb == "patch") return request.name.empty() ? NotAllowed() : Patch(call);
  if (request.verb == "delete") return Delete(call);
  if (request.verb == "deletecollection") return DeleteCollection(call);
  return NotAllowed();
}

absl::Status ApiHandler::Subresource(Call& call, bool& done) {
  const ApiRequest& request = call.request;
  std::string first = request.subresource.substr(0, request.subresource.find('/'));
  if (!request.kind->Has(first)) return NoSuchPath();
  done = true;
  if (first == "binding") return Bind(call);
  if (first == "eviction") return Evict(call);
  if (first == "token") return Token(call);
  bool stream = first == "log" || first == "exec" || first == "attach" || first == "portforward" ||
                first == "proxy";
  if (stream) {
    RETURN_IF_ERROR(registry_.Get(TargetOf(call)).status());
    if (!options_.stream)
      return ApiProblem(
          501, "NotImplemented",
          "the test API server does not proxy " + request.plural + "/" + first + " to the kubelet");
    options_.stream(call.user, request, call.http, call.responder);
    return absl::OkStatus();
  }
  done = false;
  if (request.verb != "get" && request.verb != "update" && request.verb != "patch")
    return NotAllowed();
  return absl::OkStatus();
}

absl::Status ApiHandler::Read(Call& call) {
  auto object = registry_.Get(TargetOf(call));
  RETURN_IF_ERROR(object.status());
  ReplyStored(call, 200, *object);
  return absl::OkStatus();
}

absl::Status ApiHandler::Decode(Call& call, Object& out) {
  std::vector<std::string> warnings;
  RETURN_IF_ERROR(DecodeBody(Header(call.http, "content-type"), call.http.body,
                             call.request.Query("fieldValidation"), out, &warnings));
  for (const std::string& warning : warnings) {
    std::string text;
    for (char c : warning) text += c == '"' ? std::string("\\\"") : std::string(1, c);
    call.headers.emplace_back("warning", "299 - \"" + text + "\"");
  }
  return absl::OkStatus();
}

absl::Status ApiHandler::Create(Call& call) {
  NewObject object = call.request.kind->New();
  RETURN_IF_ERROR(Decode(call, *object));
  auto& meta = MetaOf(*object);
  if (meta.namespace_().empty()) meta.set_namespace_(call.request.ns);
  if (call.request.kind->namespaced && meta.namespace_() != call.request.ns)
    return ApiBadRequest(
        "the namespace of the provided object does not match the namespace sent on the request");
  auto stored = registry_.Create(ContextOf(call), std::move(object));
  RETURN_IF_ERROR(stored.status());
  ReplyStored(call, 201, *stored);
  return absl::OkStatus();
}

absl::Status ApiHandler::Update(Call& call) {
  NewObject object = call.request.kind->New();
  RETURN_IF_ERROR(Decode(call, *object));
  const ApiKind& kind = *call.request.kind;
  auto& meta = MetaOf(*object);
  if (meta.name() != call.request.name)
    return ApiBadRequest("the name of the object (" + meta.name() +
                         ") does not match the name on the URL (" + call.request.name + ")");
  if (meta.namespace_().empty()) meta.set_namespace_(call.request.ns);
  bool there = registry_.Get(TargetOf(call)).ok();
  if (!there && kind.create_on_update && call.request.subresource.empty()) {
    meta.clear_resource_version();
    auto created = registry_.Create(ContextOf(call), std::move(object));
    RETURN_IF_ERROR(created.status());
    ReplyStored(call, 201, *created);
    return absl::OkStatus();
  }
  if (there && kind.plural == "leases" && meta.resource_version().empty())
    return ApiProblem(422, "Invalid",
                      kind.resource() + " \"" + meta.name() +
                          "\" is invalid: metadata.resourceVersion: Invalid value: 0: must be "
                          "specified for an update");
  auto change = [&](const Object&) -> absl::StatusOr<NewObject> { return std::move(object); };
  auto stored = registry_.Update(ContextOf(call), TargetOf(call), "update", change);
  RETURN_IF_ERROR(stored.status());
  ReplyStored(call, 200, *stored);
  return absl::OkStatus();
}

absl::Status ApiHandler::Patch(Call& call) {
  std::string type = Header(call.http, "content-type");
  type = type.substr(0, type.find(';'));
  auto apply = type == "application/strategic-merge-patch+json" ? api::ApplyStrategicMerge
               : type == "application/merge-patch+json"         ? api::ApplyMergePatch
               : type == "application/json-patch+json"          ? api::ApplyJsonPatch
                                                                : nullptr;
  if (apply == nullptr)
    return ApiProblem(415, "UnsupportedMediaType",
                      "the body of the request was in an unknown format - accepted media types "
                      "include: application/json-patch+json, application/merge-patch+json, "
                      "application/strategic-merge-patch+json");
  auto change = [&](const Object& current) -> absl::StatusOr<NewObject> {
    NewObject next = CopyOf(current);
    absl::Status status = apply(call.http.body, *next);
    if (absl::IsFailedPrecondition(status) && apply == api::ApplyStrategicMerge)
      return ApiProblem(500, "", base::Message(status));
    if (absl::IsFailedPrecondition(status))
      return ApiProblem(422, "Invalid",
                        "the server rejected our request due to an error in our request");
    if (!status.ok()) return ApiBadRequest(base::Message(status));
    return next;
  };
  auto stored = registry_.Update(ContextOf(call), TargetOf(call), "patch", change);
  RETURN_IF_ERROR(stored.status());
  ReplyStored(call, 200, *stored);
  return absl::OkStatus();
}

absl::StatusOr<ApiDeleteOptions> ApiHandler::DeleteOptions(Call& call, const std::string& body) {
  api::meta::DeleteOptions decoded;
  if (!body.empty())
    RETURN_IF_ERROR(
        DecodeBody(Header(call.http, "content-type"), body, "Ignore", decoded, nullptr));
  ApiDeleteOptions options;
  if (decoded.has_grace_period_seconds())
    options.grace_period_seconds = decoded.grace_period_seconds();
  std::string query = call.request.Query("gracePeriodSeconds");
  if (!query.empty()) options.grace_period_seconds = std::atoll(query.c_str());
  options.uid = decoded.preconditions().uid();
  options.resource_version = decoded.preconditions().resource_version();
  for (const std::string& dry : decoded.dry_run())
    if (dry == "All") call.headers.emplace_back("x-dry-run", "All");
  return options;
}

absl::Status ApiHandler::Delete(Call& call) {
  auto options = DeleteOptions(call, call.http.body);
  RETURN_IF_ERROR(options.status());
  auto deleted = registry_.Delete(ContextOf(call), TargetOf(call), *options);
  RETURN_IF_ERROR(deleted.status());
  if (call.request.kind->returns_deleted || !deleted->gone) {
    ReplyStored(call, 200, deleted->object);
    return absl::OkStatus();
  }
  api::meta::Status status;
  status.mutable_metadata();
  status.set_status("Success");
  status.mutable_details()->set_name(call.request.name);
  status.mutable_details()->set_group(call.request.group);
  status.mutable_details()->set_kind(call.request.plural);
  status.mutable_details()->set_uid(MetaOf(*deleted->object).uid());
  Reply(call, 200, status);
  return absl::OkStatus();
}

absl::Status ApiHandler::DeleteCollection(Call& call) {
  auto options = DeleteOptions(call, call.http.body);
  RETURN_IF_ERROR(options.status());
  auto selector = ApiSelector::Parse(*call.request.kind, call.request.Query("fieldSelector"),
                                     call.request.Query("labelSelector"));
  RETURN_IF_ERROR(selector.status());
  auto deleted = registry_.DeleteCollection(ContextOf(call), *call.request.kind, call.request.ns,
                                            *selector, *options);
  RETURN_IF_ERROR(deleted.status());
  Reply(call, 200, *MakeList(*call.request.kind, *deleted, registry_.store().revision(), "", 0));
  return absl::OkStatus();
}

ApiRegistry::Context ApiHandler::ContextOf(const Call& call) const {
  bool dry = call.request.Query("dryRun") == "All";
  for (const auto& [name, value] : call.headers) dry |= name == "x-dry-run";
  return {call.user, dry};
}

ApiRegistry::Target ApiHandler::TargetOf(const Call& call) const {
  const ApiRequest& request = call.request;
  return {request.kind, request.ns, request.name, request.subresource};
}

void ApiHandler::Reply(Call& call, int code, const Object& object) {
  ReplyText(call, code, call.form.ContentType(false), EncodeBody(object, call.form.media));
}

void ApiHandler::ReplyStored(Call& call, int code, const ObjectPtr& object) {
  if (call.form.as == ApiForm::As::kObject) return Reply(call, code, *object);
  std::string body;
  if (call.form.as == ApiForm::As::kPartial) {
    body = MakePartial(*object);
  } else {
    TableOptions table;
    table.now = clock_.Now();
    if (!call.request.Query("includeObject").empty())
      table.include_object = call.request.Query("includeObject");
    table.resource_version = MetaOf(*object).resource_version();
    body = MakeTable(ApiKindOf(*object), {object}, table);
  }
  ReplyText(call, code, "application/json", std::move(body));
}

void ApiHandler::ReplyText(Call& call, int code, const std::string& type, std::string body) {
  Responder::Headers headers{{"content-type", type},
                             {"content-length", std::to_string(body.size())},
                             {"cache-control", "no-cache, private"}};
  for (auto& header : call.headers) headers.push_back(header);
  call.responder->Head(code, std::move(headers));
  if (call.http.method != "HEAD" && !body.empty()) call.responder->Body(std::move(body));
  call.responder->End();
}

}  // namespace kubelet::fakes
