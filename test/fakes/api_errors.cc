#include "fakes/api_errors.h"

#include "kubelet/base/status.h"

namespace kubelet::fakes {
namespace {

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

}  // namespace

absl::Status ApiProblem(int code, const std::string& reason, const std::string& message) {
  client::ApiError error;
  error.code = code;
  error.reason = reason;
  error.message = message;
  return client::ToStatus(error);
}

absl::Status ApiNotFound(const ApiKind& kind, const std::string& name) {
  return ApiProblem(404, "NotFound", kind.resource() + " " + Quoted(name) + " not found");
}

absl::Status ApiAlreadyExists(const ApiKind& kind, const std::string& name) {
  return ApiProblem(409, "AlreadyExists", kind.resource() + " " + Quoted(name) + " already exists");
}

absl::Status ApiConflict(const ApiKind& kind, const std::string& name, const std::string& why) {
  return ApiProblem(
      409, "Conflict",
      "Operation cannot be fulfilled on " + kind.resource() + " " + Quoted(name) + ": " + why);
}

absl::Status ApiModified(const ApiKind& kind, const std::string& name) {
  return ApiConflict(kind, name,
                     "the object has been modified; please apply your changes to the latest "
                     "version and try again");
}

absl::Status ApiInvalid(const ApiKind& kind, const std::string& name, const std::string& what) {
  std::string full = kind.group.empty() ? kind.kind : kind.kind + "." + kind.group;
  return ApiProblem(422, "Invalid", full + " " + Quoted(name) + " is invalid: " + what);
}

absl::Status ApiForbidden(const ApiKind& kind, const std::string& name, const std::string& why) {
  return ApiProblem(
      403, "Forbidden",
      kind.resource() + (name.empty() ? "" : " " + Quoted(name)) + " is forbidden: " + why);
}

absl::Status ApiBadRequest(const std::string& message) {
  return ApiProblem(400, "BadRequest", message);
}

absl::Status ApiExpired(uint64_t asked, uint64_t oldest) {
  return ApiProblem(
      410, "Expired",
      "too old resource version: " + std::to_string(asked) + " (" + std::to_string(oldest) + ")");
}

api::meta::Status ApiStatusBody(const absl::Status& status) {
  auto error = client::ErrorOf(status);
  api::meta::Status body;
  body.mutable_metadata();
  body.set_status("Failure");
  body.set_message(error ? error->message : base::Message(status));
  body.set_reason(error ? error->reason : "InternalError");
  body.set_code(error ? error->code : 500);
  if (error && error->retry_after)
    body.mutable_details()->set_retry_after_seconds(
        static_cast<int32_t>(std::chrono::ceil<std::chrono::seconds>(*error->retry_after).count()));
  return body;
}

}  // namespace kubelet::fakes
