#include "fakes/api_errors.h"

#include "absl/strings/cord.h"
#include "kubelet/base/status.h"

namespace kubelet::fakes {
namespace {

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

constexpr char kDetails[] = "test/details";

api::meta::StatusDetails Details(const ApiKind& kind, const std::string& what,
                                 const std::string& name) {
  api::meta::StatusDetails details;
  details.set_name(name);
  details.set_group(kind.group);
  details.set_kind(what);
  return details;
}

// The reason of a cause by the words that upstream's field errors begin with.
std::string CauseOf(const std::string& message) {
  for (const auto& [words, reason] :
       {std::pair("Required", "FieldValueRequired"), std::pair("Forbidden", "FieldValueForbidden"),
        std::pair("Unsupported", "FieldValueNotSupported"),
        std::pair("Duplicate", "FieldValueDuplicate"), std::pair("Not found", "FieldValueNotFound"),
        std::pair("Too long", "FieldValueTooLong"), std::pair("Too many", "FieldValueTooMany")})
    if (message.rfind(words, 0) == 0) return reason;
  return "FieldValueInvalid";
}

}  // namespace

absl::Status ApiProblem(int code, const std::string& reason, const std::string& message) {
  client::ApiError error;
  error.code = code;
  error.reason = reason;
  error.message = message;
  return client::ToStatus(error);
}

absl::Status ApiProblem(int code, const std::string& reason, const std::string& message,
                        const api::meta::StatusDetails& details) {
  absl::Status status = ApiProblem(code, reason, message);
  status.SetPayload(kDetails, absl::Cord(details.SerializeAsString()));
  return status;
}

absl::Status ApiNotFound(const ApiKind& kind, const std::string& name) {
  return ApiProblem(404, "NotFound", kind.resource() + " " + Quoted(name) + " not found",
                    Details(kind, kind.plural, name));
}

absl::Status ApiAlreadyExists(const ApiKind& kind, const std::string& name) {
  return ApiProblem(409, "AlreadyExists", kind.resource() + " " + Quoted(name) + " already exists",
                    Details(kind, kind.plural, name));
}

absl::Status ApiConflict(const ApiKind& kind, const std::string& name, const std::string& why) {
  return ApiProblem(
      409, "Conflict",
      "Operation cannot be fulfilled on " + kind.resource() + " " + Quoted(name) + ": " + why,
      Details(kind, kind.plural, name));
}

absl::Status ApiModified(const ApiKind& kind, const std::string& name) {
  return ApiConflict(kind, name,
                     "the object has been modified; please apply your changes to the latest "
                     "version and try again");
}

absl::Status ApiInvalid(const ApiKind& kind, const std::string& name, const std::string& problem) {
  return ApiInvalid(kind, name, std::vector<std::string>{problem});
}

absl::Status ApiInvalid(const ApiKind& kind, const std::string& name,
                        const std::vector<std::string>& problems) {
  std::string full = kind.group.empty() ? kind.kind : kind.kind + "." + kind.group;
  api::meta::StatusDetails details = Details(kind, kind.kind, name);
  std::string text;
  for (const std::string& problem : problems) {
    text += (text.empty() ? "" : ", ") + problem;
    auto colon = problem.find(": ");
    auto& cause = *details.add_causes();
    cause.set_field(problem.substr(0, colon));
    cause.set_message(colon == std::string::npos ? "" : problem.substr(colon + 2));
    cause.set_reason(CauseOf(cause.message()));
  }
  if (problems.size() > 1) text = "[" + text + "]";
  return ApiProblem(422, "Invalid", full + " " + Quoted(name) + " is invalid: " + text, details);
}

absl::Status ApiForbidden(const ApiKind& kind, const std::string& name, const std::string& why) {
  return ApiProblem(
      403, "Forbidden",
      kind.resource() + (name.empty() ? "" : " " + Quoted(name)) + " is forbidden: " + why,
      Details(kind, kind.plural, name));
}

absl::Status ApiBadRequest(const std::string& message) {
  return ApiProblem(400, "BadRequest", message);
}

absl::Status ApiExpired(uint64_t asked, uint64_t oldest) {
  return ApiProblem(
      410, "Expired",
      "too old resource version: " + std::to_string(asked) + " (" + std::to_string(oldest) + ")");
}

absl::Status ApiTooLargeVersion(const std::string& asked, uint64_t current) {
  api::meta::StatusDetails details;
  auto& cause = *details.add_causes();
  cause.set_reason("ResourceVersionTooLarge");
  cause.set_message("Too large resource version");
  details.set_retry_after_seconds(1);
  return ApiProblem(
      504, "Timeout",
      "Timeout: Too large resource version: " + asked + ", current: " + std::to_string(current),
      details);
}

api::meta::Status ApiStatusBody(const absl::Status& status) {
  auto error = client::ErrorOf(status);
  api::meta::Status body;
  body.mutable_metadata();
  body.set_status("Failure");
  body.set_message(error ? error->message : base::Message(status));
  body.set_reason(error ? error->reason : "InternalError");
  if (body.reason().empty()) body.clear_reason();
  body.set_code(error ? error->code : 500);
  if (auto details = status.GetPayload(kDetails))
    body.mutable_details()->ParseFromString(std::string(*details));
  if (error && error->retry_after)
    body.mutable_details()->set_retry_after_seconds(
        static_cast<int32_t>(std::chrono::ceil<std::chrono::seconds>(*error->retry_after).count()));
  return body;
}

}  // namespace kubelet::fakes
