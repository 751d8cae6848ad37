#include "kubelet/auth/authorizer.h"

#include "auth/review_cache.h"
#include "k8s/authorization/v1/authorization.pb.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::auth {
namespace {

namespace v1 = ::k8s::io::api::authorization::v1;
constexpr auto kReviewTime = std::chrono::seconds(10);
// Longer questions are not worth remembering (staging apiserver/plugin/pkg/authorizer/webhook).
constexpr size_t kLongQuestion = 10'000;

bool Under(const std::string& path, const std::string& root) {
  return path == root || path.rfind(root + "/", 0) == 0;
}

std::string VerbOf(const std::string& method) {
  if (method == "GET") return "get";
  if (method == "POST") return "create";
  if (method == "PUT") return "update";
  if (method == "PATCH") return "patch";
  return method == "DELETE" ? "delete" : "";
}

// Text that is the same for the same question only.
std::string KeyOf(const User& user, const std::string& verb, const std::string& subresource) {
  std::string key;
  auto add = [&key](const std::string& part) { key += std::to_string(part.size()) + ":" + part; };
  for (const auto* part : {&verb, &subresource, &user.name, &user.uid}) add(*part);
  add(std::to_string(user.groups.size()));
  for (const auto& group : user.groups) add(group);
  for (const auto& [name, values] : user.extra) {
    add(name);
    add(std::to_string(values.size()));
    for (const auto& value : values) add(value);
  }
  return key;
}

std::shared_ptr<v1::SubjectAccessReview> Question(const User& user, const std::string& node,
                                                  const std::string& verb,
                                                  const std::string& subresource) {
  auto review = std::make_shared<v1::SubjectAccessReview>();
  auto& spec = *review->mutable_spec();
  spec.set_user(user.name);
  if (!user.uid.empty()) spec.set_uid(user.uid);
  for (const auto& group : user.groups) spec.add_groups(group);
  for (const auto& [name, values] : user.extra)
    for (const auto& value : values) (*spec.mutable_extra())[name].add_items(value);
  auto& what = *spec.mutable_resource_attributes();
  what.set_verb(verb);
  what.set_version("v1");
  what.set_resource("nodes");
  what.set_subresource(subresource);
  what.set_name(node);
  return review;
}

base::Task<absl::StatusOr<bool>> Review(client::Api* api,
                                        std::shared_ptr<v1::SubjectAccessReview> question) {
  client::Call call;
  call.verb = client::Call::Verb::kCreate;
  call.path.resource = client::kSubjectAccessReviews;
  call.body = question;
  call.timeout = kReviewTime;
  v1::SubjectAccessReview answer;
  auto status = co_await api->Do(std::move(call), &answer);
  if (!status.ok()) co_return base::Annotate(status, "SubjectAccessReview");
  co_return answer.status().allowed() && !answer.status().denied();
}

}  // namespace

Attributes AttributesOf(const std::string& method, const std::string& path) {
  Attributes out;
  out.verb = VerbOf(method);
  for (const auto& [root, subresource] : {std::pair<const char*, const char*>{"/pods", "pods"},
                                          {"/healthz", "healthz"},
                                          {"/configz", "configz"},
                                          {"/runningpods", "pods"}}) {
    if (Under(path, root)) out.subresources.push_back(subresource);
  }
  for (const auto& [root, subresource] : {std::pair<const char*, const char*>{"/stats", "stats"},
                                          {"/metrics", "metrics"},
                                          {"/logs", "log"},
                                          {"/checkpoint", "checkpoint"},
                                          {"/statusz", "statusz"},
                                          {"/flagz", "configz"}}) {
    if (!Under(path, root)) continue;
    out.subresources.push_back(subresource);
    return out;
  }
  out.subresources.push_back("proxy");
  return out;
}

struct Authorizer::State {
  State(Deps d, Options o)
      : deps(std::move(d)),
        options(std::move(o)),
        answers(
            deps.executor, deps.clock, options.cached,
            [yes = options.allowed_ttl, no = options.denied_ttl](bool allowed) {
              return allowed ? yes : no;
            },
            [](bool allowed) { return allowed; }) {}
  Deps deps;
  Options options;
  ReviewCache<bool> answers;
};

Authorizer::Authorizer(Deps deps, Options options)
    : state_(std::make_shared<State>(std::move(deps), std::move(options))) {}
Authorizer::~Authorizer() = default;

base::Task<Verdict> Authorizer::Authorize(User user, Attributes attributes) {
  auto state = state_;
  Verdict verdict;
  if (!state->options.webhook) co_return verdict;
  std::string about = "user=" + user.name + ", verb=" + attributes.verb + ", resource=nodes, ";
  std::string tried;
  for (const auto& subresource : attributes.subresources) {
    absl::StatusOr<bool> allowed = absl::UnavailableError("no API server to ask");
    if (state->deps.api != nullptr) {
      auto question = Question(user, state->options.node_name, attributes.verb, subresource);
      std::string key = KeyOf(user, attributes.verb, subresource);
      std::function<base::Task<absl::StatusOr<bool>>()> ask = [api = state->deps.api, question] {
        return Review(api, question);
      };
      if (key.size() > kLongQuestion) {
        allowed = co_await ask();
      } else {
        allowed = co_await state->answers.Get(std::move(key), std::move(ask));
      }
    }
    if (!allowed.ok()) {
      LOG_ERROR("Authorization error", "user", user.name, "verb", attributes.verb, "subresource",
                subresource, "err", allowed.status());
      verdict.code = 500;
      verdict.message = "Authorization error (" + about + "subresource=" + subresource + ")";
      co_return verdict;
    }
    if (*allowed) co_return verdict;
    tried += (tried.empty() ? "" : " ") + subresource;
  }
  verdict.code = 403;
  verdict.message = "Forbidden (" + about + "subresource(s)=[" + tried + "])\n";
  co_return verdict;
}

}  // namespace kubelet::auth
