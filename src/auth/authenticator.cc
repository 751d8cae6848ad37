#include "kubelet/auth/authenticator.h"

#include <algorithm>

#include "auth/review_cache.h"
#include "k8s/authentication/v1/authentication.pb.h"
#include "kubelet/base/status.h"

namespace kubelet::auth {
namespace {

namespace v1 = ::k8s::io::api::authentication::v1;
constexpr char kAuthenticated[] = "system:authenticated";
constexpr auto kReviewTime = std::chrono::seconds(10);

std::string Trim(const std::string& text) {
  size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

int Sextet(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '-') return 62;
  return c == '_' ? 63 : -1;
}

// base64url without padding; empty when it is none.
std::string Base64Url(const std::string& text) {
  std::string out;
  uint32_t bits = 0;
  int have = 0;
  for (char c : text) {
    int value = Sextet(c);
    if (value < 0) return "";
    bits = (bits << 6 | static_cast<uint32_t>(value)) & 0xffffff;
    have += 6;
    if (have < 8) continue;
    have -= 8;
    out += static_cast<char>(bits >> have & 0xff);
  }
  return out;
}

std::string ProtocolToken(const std::string& protocols) {
  for (size_t begin = 0; begin < protocols.size();) {
    size_t end = std::min(protocols.find(',', begin), protocols.size());
    std::string protocol = Trim(protocols.substr(begin, end - begin));
    if (protocol.rfind(kTokenProtocol, 0) == 0)
      return Base64Url(protocol.substr(sizeof kTokenProtocol - 1));
    begin = end + 1;
  }
  return "";
}

User WithGroup(User user) {
  if (std::find(user.groups.begin(), user.groups.end(), kAuthenticated) == user.groups.end())
    user.groups.push_back(kAuthenticated);
  return user;
}

// nullopt: the API server does not know this token.
using Known = std::optional<User>;

base::Task<absl::StatusOr<Known>> Review(client::Api* api, std::string token) {
  auto review = std::make_shared<v1::TokenReview>();
  review->mutable_spec()->set_token(token);
  client::Call call;
  call.verb = client::Call::Verb::kCreate;
  call.path.resource = client::kTokenReviews;
  call.body = review;
  call.timeout = kReviewTime;
  v1::TokenReview answer;
  auto status = co_await api->Do(std::move(call), &answer);
  if (!status.ok()) co_return base::Annotate(status, "TokenReview");
  if (!answer.status().authenticated()) {
    if (!answer.status().error().empty())
      co_return absl::UnauthenticatedError(answer.status().error());
    Known nobody;
    co_return nobody;
  }
  User user;
  user.name = answer.status().user().username();
  user.uid = answer.status().user().uid();
  user.groups.assign(answer.status().user().groups().begin(),
                     answer.status().user().groups().end());
  for (const auto& [key, values] : answer.status().user().extra())
    user.extra[key].assign(values.items().begin(), values.items().end());
  Known known(std::move(user));
  co_return known;
}

}  // namespace

std::string TokenOf(const Claim& claim) {
  std::string text = Trim(claim.authorization);
  size_t space = text.find(' ');
  if (space != std::string::npos) {
    std::string scheme = text.substr(0, space);
    std::transform(scheme.begin(), scheme.end(), scheme.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    // Words after the token are passed over, as upstream does.
    if (scheme == "bearer")
      return Trim(text.substr(space + 1, text.find(' ', space + 1) - space - 1));
  }
  return ProtocolToken(claim.websocket_protocols);
}

struct Authenticator::State {
  State(Deps d, Options o)
      : deps(std::move(d)),
        options(o),
        tokens(
            deps.executor, deps.clock, o.cached_tokens,
            [ttl = o.token_ttl](const Known&) { return ttl; },
            [](const Known& known) { return known.has_value(); }) {}
  Deps deps;
  Options options;
  ReviewCache<Known> tokens;
};

Authenticator::Authenticator(Deps deps, Options options)
    : state_(std::make_shared<State>(std::move(deps), options)) {}
Authenticator::~Authenticator() = default;

base::Task<absl::StatusOr<User>> Authenticator::Authenticate(Claim claim) {
  auto state = state_;
  absl::Status failed;
  if (claim.certificate) {
    if (claim.certificate->ok()) co_return WithGroup(**claim.certificate);
    failed = claim.certificate->status();
  }
  std::string token = TokenOf(claim);
  if (!token.empty() && state->options.tokens) {
    if (state->deps.api == nullptr)
      co_return absl::UnauthenticatedError("no API server to ask about a token");
    std::function<base::Task<absl::StatusOr<Known>>()> ask = [api = state->deps.api, token] {
      return Review(api, token);
    };
    auto known = co_await state->tokens.Get(token, std::move(ask));
    if (known.ok() && *known) co_return WithGroup(**known);
    failed = known.ok() ? absl::UnauthenticatedError("invalid bearer token") : known.status();
  }
  if (!failed.ok()) co_return absl::UnauthenticatedError(base::Message(failed));
  if (!state->options.anonymous) co_return absl::UnauthenticatedError("no credentials");
  User anonymous;
  anonymous.name = "system:anonymous";
  anonymous.groups.push_back("system:unauthenticated");
  co_return anonymous;
}

}  // namespace kubelet::auth
