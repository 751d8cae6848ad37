#include "fakes/api_faults.h"

#include <boost/json.hpp>

#include "kubelet/base/status.h"
#include "kubelet/client/api.h"

namespace kubelet::fakes {
namespace {

namespace json = boost::json;

bool Fits(const std::string& wanted, const std::string& value) {
  return wanted.empty() || wanted == value;
}

const char* ReasonOf(int status) {
  switch (status) {
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "NotFound";
    case 409:
      return "Conflict";
    case 410:
      return "Expired";
    case 429:
      return "TooManyRequests";
    case 503:
      return "ServiceUnavailable";
    case 504:
      return "Timeout";
    default:
      return "InternalError";
  }
}

absl::Status Text(const json::value& value, std::string& out) {
  if (!value.is_string()) return absl::InvalidArgumentError("not a string");
  out = std::string(value.get_string());
  return absl::OkStatus();
}

absl::Status Number(const json::value& value, int64_t& out) {
  if (!value.is_int64()) return absl::InvalidArgumentError("not a number");
  out = value.get_int64();
  return absl::OkStatus();
}

absl::Status Bool(const json::value& value, bool& out) {
  if (!value.is_bool()) return absl::InvalidArgumentError("not a bool");
  out = value.get_bool();
  return absl::OkStatus();
}

absl::Status SetField(const std::string& key, const json::value& value, ApiFault& fault) {
  const std::pair<const char*, std::string*> texts[] = {
      {"method", &fault.method},     {"verb", &fault.verb},
      {"resource", &fault.resource}, {"subresource", &fault.subresource},
      {"namespace", &fault.ns},      {"name", &fault.name},
      {"user", &fault.user},         {"path", &fault.path},
      {"reason", &fault.reason},     {"message", &fault.message}};
  for (const auto& [name, field] : texts)
    if (key == name) return Text(value, *field);
  if (key == "hang") return Bool(value, fault.hang);
  if (key == "drop") return Bool(value, fault.drop);
  if (key == "skip") return Number(value, fault.skip);
  if (key == "count") return Number(value, fault.count);
  if (key == "retryAfter") return Number(value, fault.retry_after);
  int64_t number = 0;
  if (key == "delayMs") {
    RETURN_IF_ERROR(Number(value, number));
    fault.delay = std::chrono::milliseconds(number);
    return absl::OkStatus();
  }
  if (key == "status") {
    RETURN_IF_ERROR(Number(value, number));
    fault.status = static_cast<int>(number);
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("unknown");
}

absl::StatusOr<ApiFault> Parse(const json::value& value) {
  if (!value.is_object()) return absl::InvalidArgumentError("a fault is no object");
  ApiFault fault;
  for (const json::key_value_pair& entry : value.get_object()) {
    absl::Status status = SetField(std::string(entry.key()), entry.value(), fault);
    if (!status.ok()) return base::Annotate(status, std::string(entry.key()));
  }
  return fault;
}

}  // namespace

absl::Status ApiFaults::Add(const std::string& text) {
  json::error_code error;
  json::value value = json::parse(text, error);
  if (error) return absl::InvalidArgumentError("not JSON: " + error.message());
  json::array list = value.is_array() ? value.get_array() : json::array(1, value);
  std::vector<ApiFault> parsed;
  for (const json::value& one : list) {
    auto fault = Parse(one);
    RETURN_IF_ERROR(fault.status());
    parsed.push_back(*std::move(fault));
  }
  for (ApiFault& fault : parsed) Add(std::move(fault));
  return absl::OkStatus();
}

ApiFault ApiFaults::Take(const HttpRequest& http, const ApiRequest& request,
                         const std::string& user) {
  ApiFault all;
  all.count = 0;
  std::vector<ApiFault> left;
  for (ApiFault& fault : faults_) {
    bool fits = Fits(fault.method, http.method) && Fits(fault.verb, request.verb) &&
                Fits(fault.resource, request.plural) &&
                Fits(fault.subresource, request.subresource) && Fits(fault.ns, request.ns) &&
                Fits(fault.name, request.name) && Fits(fault.user, user) &&
                request.path.find(fault.path) != std::string::npos;
    if (fits && fault.skip > 0) {
      --fault.skip;
    } else if (fits && fault.count != 0) {
      if (fault.count > 0) --fault.count;
      ++all.count;
      all.delay += fault.delay;
      all.hang |= fault.hang;
      all.drop |= fault.drop;
      if (all.status == 0 && fault.status != 0) {
        all.status = fault.status;
        all.reason = fault.reason;
        all.message = fault.message;
        all.retry_after = fault.retry_after;
      }
    }
    if (fault.count != 0) left.push_back(std::move(fault));
  }
  faults_ = std::move(left);
  return all;
}

std::string ApiFaults::ToJson() const {
  json::array list;
  for (const ApiFault& fault : faults_) {
    json::object one{{"method", fault.method},
                     {"verb", fault.verb},
                     {"resource", fault.resource},
                     {"subresource", fault.subresource},
                     {"namespace", fault.ns},
                     {"name", fault.name},
                     {"user", fault.user},
                     {"path", fault.path},
                     {"skip", fault.skip},
                     {"count", fault.count},
                     {"delayMs", fault.delay.count()},
                     {"hang", fault.hang},
                     {"drop", fault.drop},
                     {"status", fault.status}};
    list.push_back(one);
  }
  return json::serialize(list);
}

absl::Status FaultStatus(const ApiFault& fault) {
  client::ApiError error;
  error.code = fault.status;
  error.reason = fault.reason.empty() ? ReasonOf(fault.status) : fault.reason;
  error.message = fault.message.empty() ? "a scripted fault" : fault.message;
  if (fault.retry_after > 0) error.retry_after = std::chrono::seconds(fault.retry_after);
  return client::ToStatus(error);
}

}  // namespace kubelet::fakes
