#include "fakes/api_tokens.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <boost/json.hpp>

#include "fakes/api_errors.h"
#include "k8s/authentication/v1/authentication.pb.h"
#include "kubelet/api/time.h"
#include "kubelet/base/status.h"

namespace kubelet::fakes {
namespace {

namespace core = api::core;
namespace json = boost::json;
using ::k8s::io::api::authentication::v1::TokenRequest;

constexpr char kIssuer[] = "https://kubernetes.default.svc";

// A node may ask for what a volume of the pod asks for, no more (NodeRestriction); `asked` as in
// the request.
absl::Status CheckAudiences(const ApiKind& accounts, const std::string& account,
                            const ApiUser& user, const core::Pod& pod,
                            const std::vector<std::string>& asked) {
  if (asked.size() > 1)
    return ApiForbidden(accounts, account, "node may only request 0 or 1 audiences");
  std::string audience = asked.empty() ? "" : asked[0];
  for (const auto& volume : pod.spec().volumes())
    for (const auto& source : volume.volume_source().projected().sources())
      if (source.has_service_account_token() &&
          source.service_account_token().audience() == audience)
        return absl::OkStatus();
  return ApiForbidden(accounts, account,
                      "audience \"" + audience + "\" not found in pod spec volume, " + user.name +
                          " is not authorized to request tokens for this audience");
}

int64_t UnixSeconds(base::WallTime time) { return api::ToTime(time).seconds(); }

}  // namespace

std::string Base64(const std::string& bytes, bool url) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                          reinterpret_cast<const unsigned char*>(bytes.data()),
                          static_cast<int>(bytes.size()));
  out.resize(static_cast<size_t>(n));
  if (!url) return out;
  while (!out.empty() && out.back() == '=') out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

std::string FromBase64(std::string text) {
  for (char& c : text) c = c == '-' ? '+' : c == '_' ? '/' : c;
  size_t padding = (4 - text.size() % 4) % 4;
  text.append(padding, '=');
  std::string out(text.size() / 4 * 3 + 3, '\0');
  int n = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                          reinterpret_cast<const unsigned char*>(text.data()),
                          static_cast<int>(text.size()));
  if (n < 0) return "";
  out.resize(static_cast<size_t>(n) - padding);
  return out;
}

std::string ApiTokens::Sign(const std::string& claims) const {
  std::string text =
      Base64(R"({"alg":"HS256","kid":"test","typ":"JWT"})", true) + "." + Base64(claims, true);
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &length);
  return text + "." + Base64(std::string(reinterpret_cast<char*>(mac), length), true);
}

std::optional<ApiUser> ApiTokens::Find(const std::string& token,
                                       std::vector<std::string>* audiences) const {
  auto known = known_.find(token);
  if (known != known_.end()) return known->second;
  auto first = token.find('.');
  auto second = token.find('.', first + 1);
  if (first == std::string::npos || second == std::string::npos) return std::nullopt;
  std::string claims = FromBase64(token.substr(first + 1, second - first - 1));
  if (Sign(claims) != token) return std::nullopt;
  json::error_code error;
  json::value value = json::parse(claims, error);
  if (error || !value.is_object()) return std::nullopt;
  if (value.at("exp").to_number<int64_t>() <= UnixSeconds(store_.Now())) return std::nullopt;
  const json::object& bound = value.at("kubernetes.io").get_object();
  std::string ns(bound.at("namespace").get_string());
  ApiUser user;
  user.name = std::string(value.at("sub").get_string());
  user.uid = std::string(bound.at("serviceaccount").at("uid").get_string());
  user.groups = {"system:serviceaccounts", "system:serviceaccounts:" + ns, "system:authenticated"};
  if (audiences != nullptr)
    for (const json::value& audience : value.at("aud").get_array())
      audiences->emplace_back(audience.get_string());
  return user;
}

absl::StatusOr<ApiUser> ApiTokens::Authenticate(const HttpRequest& request) const {
  if (!request.peer_name.empty()) {
    ApiUser user{request.peer_name, "", request.peer_organizations};
    user.groups.push_back("system:authenticated");
    return user;
  }
  auto header = request.headers.find("authorization");
  if (header == request.headers.end())
    return ApiUser{"system:anonymous", "", {"system:unauthenticated"}};
  const std::string prefix = "Bearer ";
  if (header->second.rfind(prefix, 0) == 0) {
    auto user = Find(header->second.substr(prefix.size()), nullptr);
    if (user) return *user;
  }
  return ApiProblem(401, "Unauthorized", "Unauthorized");
}

absl::StatusOr<std::string> ApiTokens::Claims(const ApiUser& user, const Object& account,
                                              const Object& token_request,
                                              const std::vector<std::string>& audiences,
                                              int64_t expires) {
  const auto& request = static_cast<const TokenRequest&>(token_request);
  const auto& meta = MetaOf(account);
  json::object bound{{"namespace", meta.namespace_()}};
  bound["serviceaccount"] = json::object{{"name", meta.name()}, {"uid", meta.uid()}};
  const ApiKind& accounts = ApiKindOf(account);
  const auto& reference = request.spec().bound_object_ref();
  if (reference.kind() == "Pod") {
    const ApiKind& pods = *FindApiKind("", "v1", "pods");
    ObjectPtr pod = store_.Get(pods, meta.namespace_(), reference.name());
    if (pod == nullptr) return ApiNotFound(pods, reference.name());
    const std::string& uid = MetaOf(*pod).uid();
    if (!reference.uid().empty() && reference.uid() != uid)
      return ApiForbidden(accounts, meta.name(),
                          "the UID in the bound object reference (" + reference.uid() +
                              ") does not match the UID in record. The object might have been "
                              "deleted and then recreated");
    bound["pod"] = json::object{{"name", reference.name()}, {"uid", uid}};
    const std::string& node = static_cast<const core::Pod&>(*pod).spec().node_name();
    if (!user.node().empty() && node != user.node())
      return ApiForbidden(accounts, meta.name(),
                          "node requested token bound to a pod scheduled on a different node");
    if (!user.node().empty())
      RETURN_IF_ERROR(CheckAudiences(accounts, meta.name(), user,
                                     static_cast<const core::Pod&>(*pod), audiences));
    if (ObjectPtr host = store_.Get(*FindApiKind("", "v1", "nodes"), "", node))
      bound["node"] = json::object{{"name", node}, {"uid", MetaOf(*host).uid()}};
  } else if (!user.node().empty()) {
    return ApiForbidden(accounts, meta.name(), "node requested token not bound to a pod");
  }
  int64_t now = UnixSeconds(store_.Now());
  const auto& wanted = request.spec().audiences();
  json::object claims{{"aud", json::array(wanted.begin(), wanted.end())},
                      {"exp", expires},
                      {"iat", now},
                      {"iss", kIssuer},
                      {"jti", store_.NewUid()},
                      {"kubernetes.io", bound},
                      {"nbf", now},
                      {"sub", "system:serviceaccount:" + meta.namespace_() + ":" + meta.name()}};
  return json::serialize(claims);
}

absl::Status ApiTokens::Issue(const ApiUser& user, const std::string& ns, const std::string& name,
                              Object& token_request) {
  auto& request = static_cast<TokenRequest&>(token_request);
  const ApiKind& accounts = *FindApiKind("", "v1", "serviceaccounts");
  ObjectPtr account = store_.Get(accounts, ns, name);
  if (account == nullptr) return ApiNotFound(accounts, name);
  auto& spec = *request.mutable_spec();
  std::vector<std::string> audiences(spec.audiences().begin(), spec.audiences().end());
  if (spec.audiences_size() == 0) spec.add_audiences(kIssuer);
  if (!spec.has_expiration_seconds()) spec.set_expiration_seconds(3600);
  int64_t asked = spec.expiration_seconds();
  if (life_.count() > 0) spec.set_expiration_seconds(life_.count());
  base::WallTime expires = store_.Now() + std::chrono::seconds(spec.expiration_seconds());
  auto claims = Claims(user, *account, request, audiences, UnixSeconds(expires));
  RETURN_IF_ERROR(claims.status());
  if (asked < 600)
    return ApiProblem(422, "Invalid",
                      "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: "
                      "Invalid value: " +
                          std::to_string(asked) +
                          ": may not specify a duration less than 10 minutes");
  request.mutable_metadata()->set_name(name);
  request.mutable_metadata()->set_namespace_(ns);
  *request.mutable_metadata()->mutable_creation_timestamp() = api::ToTime(store_.Now());
  request.mutable_status()->set_token(Sign(*claims));
  *request.mutable_status()->mutable_expiration_timestamp() = api::ToTime(expires);
  return absl::OkStatus();
}

}  // namespace kubelet::fakes
