// What is asked rather than stored: reviews, tokens, bindings, evictions.
#include "fakes/api_errors.h"
#include "fakes/api_handler.h"
#include "k8s/authentication/v1/authentication.pb.h"
#include "k8s/authorization/v1/authorization.pb.h"
#include "k8s/core/v1/options.pb.h"
#include "k8s/policy/v1/policy.pb.h"
#include "kubelet/base/status.h"

namespace kubelet::fakes {
namespace {

namespace authentication = ::k8s::io::api::authentication::v1;
namespace authorization = ::k8s::io::api::authorization::v1;

void Fill(const ApiUser& user, authentication::UserInfo& info) {
  info.set_username(user.name);
  info.set_uid(user.uid);
  for (const std::string& group : user.groups) info.add_groups(group);
}

template <typename Spec>
void AskedFor(const Spec& spec, std::string& verb, std::string& resource) {
  verb = spec.has_resource_attributes() ? spec.resource_attributes().verb()
                                        : spec.non_resource_attributes().verb();
  resource = spec.non_resource_attributes().path();
  if (!spec.has_resource_attributes()) return;
  resource = spec.resource_attributes().resource();
  if (!spec.resource_attributes().subresource().empty())
    resource += "/" + spec.resource_attributes().subresource();
}

api::meta::Status Success() {
  api::meta::Status status;
  status.mutable_metadata();
  status.set_status("Success");
  status.set_code(201);
  return status;
}

}  // namespace

absl::Status ApiHandler::Review(Call& call) {
  const ApiRequest& request = call.request;
  auto may = [&](const std::string& user, const std::string& verb, const std::string& resource) {
    return !options_.allow || options_.allow(user, verb, resource);
  };
  std::string verb, resource;
  bool create = request.verb == "create";
  if (create && request.plural == "tokenreviews") {
    authentication::TokenReview review;
    RETURN_IF_ERROR(Decode(call, review));
    std::vector<std::string> audiences;
    auto user = tokens_.Find(review.spec().token(), &audiences);
    auto& status = *review.mutable_status();
    status.Clear();
    status.set_authenticated(user.has_value());
    if (user) Fill(*user, *status.mutable_user());
    if (!user) status.set_error("invalid bearer token");
    for (const std::string& audience : audiences) status.add_audiences(audience);
    Reply(call, 201, review);
  } else if (create && request.plural == "selfsubjectreviews") {
    authentication::SelfSubjectReview review;
    Fill(call.user, *review.mutable_status()->mutable_user_info());
    Reply(call, 201, review);
  } else if (create && request.plural == "subjectaccessreviews") {
    authorization::SubjectAccessReview review;
    RETURN_IF_ERROR(Decode(call, review));
    AskedFor(review.spec(), verb, resource);
    review.mutable_status()->set_allowed(may(review.spec().user(), verb, resource));
    Reply(call, 201, review);
  } else if (create && request.plural == "localsubjectaccessreviews") {
    authorization::LocalSubjectAccessReview review;
    RETURN_IF_ERROR(Decode(call, review));
    AskedFor(review.spec(), verb, resource);
    review.mutable_status()->set_allowed(may(review.spec().user(), verb, resource));
    Reply(call, 201, review);
  } else if (create && request.plural == "selfsubjectaccessreviews") {
    authorization::SelfSubjectAccessReview review;
    RETURN_IF_ERROR(Decode(call, review));
    AskedFor(review.spec(), verb, resource);
    review.mutable_status()->set_allowed(may(call.user.name, verb, resource));
    Reply(call, 201, review);
  } else if (create && request.plural == "bindings") {
    return Bind(call);
  } else {
    return ApiProblem(404, "NotFound", "the server could not find the requested resource");
  }
  return absl::OkStatus();
}

absl::Status ApiHandler::Bind(Call& call) {
  api::core::Binding binding;
  RETURN_IF_ERROR(Decode(call, binding));
  std::string name = call.request.name.empty() ? binding.metadata().name() : call.request.name;
  RETURN_IF_ERROR(registry_.Bind(ContextOf(call), call.request.ns, name, binding.metadata().uid(),
                                 binding.target().name()));
  Reply(call, 201, Success());
  return absl::OkStatus();
}

absl::Status ApiHandler::Evict(Call& call) {
  ::k8s::io::api::policy::v1::Eviction eviction;
  RETURN_IF_ERROR(Decode(call, eviction));
  auto current = registry_.Get(TargetOf(call));
  RETURN_IF_ERROR(current.status());
  ApiRequestKind what{"create", call.request.kind, call.request.ns, call.request.name, "eviction"};
  RETURN_IF_ERROR(CheckNodeAccess(registry_.store(), call.user, what, current->get(), nullptr));
  ApiDeleteOptions options;
  if (eviction.delete_options().has_grace_period_seconds())
    options.grace_period_seconds = eviction.delete_options().grace_period_seconds();
  options.uid = eviction.delete_options().preconditions().uid();
  options.resource_version = eviction.delete_options().preconditions().resource_version();
  RETURN_IF_ERROR(registry_.Evict(ContextOf(call), call.request.ns, call.request.name, options));
  Reply(call, 201, Success());
  return absl::OkStatus();
}

absl::Status ApiHandler::Token(Call& call) {
  if (call.request.verb != "create")
    return ApiProblem(405, "MethodNotAllowed",
                      "the server does not allow this method on the requested resource");
  authentication::TokenRequest request;
  RETURN_IF_ERROR(Decode(call, request));
  RETURN_IF_ERROR(tokens_.Issue(call.user, call.request.ns, call.request.name, request));
  Reply(call, 201, request);
  return absl::OkStatus();
}

}  // namespace kubelet::fakes
