#include "client/loop.h"
#include "k8s/authentication/v1/authentication.pb.h"
#include "k8s/authorization/v1/authorization.pb.h"
#include "kubelet/auth/authorizer.h"

namespace kubelet::auth {
namespace {

using namespace std::chrono_literals;
namespace authn = ::k8s::io::api::authentication::v1;
namespace authz = ::k8s::io::api::authorization::v1;
using Names = std::vector<std::string>;

struct Bench : test::ApiLoop {
  // What the API server knows.
  std::map<std::string, std::string> tokens{{"good", "alice"}};
  std::set<std::string> allowed{"alice get pods"};

  Bench() {
    api.set_handler([this](const client::Call& call, google::protobuf::Message* out) {
      return Answer(call, out);
    });
  }
  std::optional<absl::Status> Answer(const client::Call& call, google::protobuf::Message* out) {
    if (const auto* asked = dynamic_cast<const authn::TokenReview*>(call.body.get())) {
      auto& answer = dynamic_cast<authn::TokenReview&>(*out);
      auto known = tokens.find(asked->spec().token());
      answer.mutable_status()->set_authenticated(known != tokens.end());
      if (known == tokens.end()) return absl::OkStatus();
      answer.mutable_status()->mutable_user()->set_username(known->second);
      answer.mutable_status()->mutable_user()->add_groups("devs");
      (*answer.mutable_status()->mutable_user()->mutable_extra())["k"].add_items("v");
      return absl::OkStatus();
    }
    if (const auto* asked = dynamic_cast<const authz::SubjectAccessReview*>(call.body.get())) {
      const auto& what = asked->spec().resource_attributes();
      last = asked->spec();
      dynamic_cast<authz::SubjectAccessReview&>(*out).mutable_status()->set_allowed(
          allowed.contains(asked->spec().user() + " " + what.verb() + " " + what.subresource()));
      return absl::OkStatus();
    }
    return std::nullopt;
  }
  authz::SubjectAccessReviewSpec last;

  Authenticator Who(Authenticator::Options options = {}) {
    return Authenticator({io.get_executor(), clock, &api}, options);
  }
  Authorizer May(bool webhook = true) {
    Authorizer::Options options;
    options.webhook = webhook;
    options.node_name = "n1";
    return Authorizer({io.get_executor(), clock, &api}, options);
  }
};

Claim Token(const std::string& token) {
  Claim claim;
  claim.authorization = "Bearer " + token;
  return claim;
}
Claim Certificate(const std::string& name) {
  Claim claim;
  User user;
  user.name = name;
  user.groups = {"ops"};
  claim.certificate = user;
  return claim;
}
Claim BadCertificate() {
  Claim claim;
  claim.certificate = absl::UnauthenticatedError("unknown authority");
  return claim;
}

TEST_CASE("a certificate names the user, who is then authenticated") {
  Bench b;
  auto who = b.Who();
  auto user = b.Await(who.Authenticate(Certificate("bob")));
  REQUIRE(user.ok());
  CHECK(user->name == "bob");
  CHECK(user->groups == Names{"ops", "system:authenticated"});
  CHECK(b.api.log.empty());
}

TEST_CASE("a token is asked about once in its time, then again") {
  Bench b;
  auto who = b.Who();
  for (int i = 0; i < 3; ++i) {
    auto user = b.Await(who.Authenticate(Token("good")));
    REQUIRE(user.ok());
    CHECK(user->name == "alice");
    CHECK(user->groups == Names{"devs", "system:authenticated"});
    CHECK(user->extra["k"] == Names{"v"});
  }
  CHECK(b.api.Count("CREATE", "/tokenreviews") == 1);
  b.Advance(2min - 1ns);
  CHECK(b.Await(who.Authenticate(Token("good"))).ok());
  CHECK(b.api.Count("CREATE", "/tokenreviews") == 1);
  b.tokens.clear();
  b.Advance(1ns);
  CHECK_FALSE(b.Await(who.Authenticate(Token("good"))).ok());
  CHECK(b.api.Count("CREATE", "/tokenreviews") == 2);
}

TEST_CASE("a token that nobody knows is remembered too, and never pushes out one that is good") {
  Bench b;
  Authenticator::Options options;
  options.cached_tokens = 8;
  auto who = b.Who(options);
  CHECK(b.Await(who.Authenticate(Token("good"))).ok());
  for (int i = 0; i < 100; ++i)
    CHECK_FALSE(b.Await(who.Authenticate(Token("bad" + std::to_string(i)))).ok());
  CHECK_FALSE(b.Await(who.Authenticate(Token("bad99"))).ok());
  CHECK(b.Await(who.Authenticate(Token("good"))).ok());
  CHECK(b.api.Count("CREATE", "/tokenreviews") == 101);
  CHECK_FALSE(b.Await(who.Authenticate(Token("bad0"))).ok());
  CHECK(b.api.Count("CREATE", "/tokenreviews") == 102);
}

TEST_CASE("many who show the same token wait for one answer") {
  Bench b;
  auto who = b.Who();
  b.api.Hold("CREATE", "/tokenreviews");
  auto one = b.Begin(who.Authenticate(Token("good")));
  auto two = b.Begin(who.Authenticate(Token("good")));
  CHECK_FALSE(*one);
  b.api.Release();
  b.Run();
  REQUIRE((*one && *two));
  CHECK(((*one)->ok() && (*two)->ok()));
  CHECK(b.api.Count("CREATE", "/tokenreviews") == 1);
}

TEST_CASE("an API server that is away is no verdict: the next request asks again") {
  Bench b;
  auto who = b.Who();
  b.api.Fail("CREATE", "/tokenreviews", absl::UnavailableError("away"));
  auto refused = b.Await(who.Authenticate(Token("good")));
  CHECK(refused.status().code() == absl::StatusCode::kUnauthenticated);
  CHECK(b.Await(who.Authenticate(Token("good"))).ok());
}

TEST_CASE("who shows nothing is anonymous, if that is allowed; a bad credential is not") {
  Bench b;
  Authenticator::Options options;
  options.anonymous = true;
  auto who = b.Who(options);
  auto nobody = b.Await(who.Authenticate(Claim()));
  REQUIRE(nobody.ok());
  CHECK(nobody->name == "system:anonymous");
  CHECK(nobody->groups == Names{"system:unauthenticated"});
  CHECK_FALSE(b.Await(who.Authenticate(Token("bad"))).ok());
  CHECK_FALSE(b.Await(who.Authenticate(BadCertificate())).ok());
  auto strict = b.Who();
  CHECK_FALSE(b.Await(strict.Authenticate(Claim())).ok());
}

TEST_CASE("a good token makes up for a bad certificate") {
  Bench b;
  auto who = b.Who();
  Claim claim = Token("good");
  claim.certificate = BadCertificate().certificate;
  CHECK(b.Await(who.Authenticate(claim)).ok());
}

TEST_CASE("without webhook, and without an API server, no token is accepted") {
  Bench b;
  Authenticator::Options options;
  options.tokens = false;
  auto off = b.Who(options);
  CHECK_FALSE(b.Await(off.Authenticate(Token("good"))).ok());
  Authenticator alone({b.io.get_executor(), b.clock, nullptr}, {});
  CHECK_FALSE(b.Await(alone.Authenticate(Token("good"))).ok());
  CHECK(b.api.log.empty());
}

User Alice() {
  User user;
  user.name = "alice";
  user.uid = "7";
  user.groups = {"devs"};
  user.extra["k"] = {"v"};
  return user;
}

TEST_CASE("the question names the user and this node") {
  Bench b;
  auto may = b.May();
  CHECK(b.Await(may.Authorize(Alice(), AttributesOf("GET", "/pods"))).code == 200);
  CHECK(b.last.user() == "alice");
  CHECK(b.last.uid() == "7");
  CHECK(b.last.groups(0) == "devs");
  CHECK(b.last.extra().at("k").items(0) == "v");
  CHECK(b.last.resource_attributes().resource() == "nodes");
  CHECK(b.last.resource_attributes().version() == "v1");
  CHECK(b.last.resource_attributes().name() == "n1");
  CHECK(b.last.resource_attributes().namespace_().empty());
}

TEST_CASE("any of the subresources is enough, and yes is kept longer than no") {
  Bench b;
  auto may = b.May();
  b.allowed = {"alice get proxy"};
  auto ask = [&] { return b.Await(may.Authorize(Alice(), AttributesOf("GET", "/pods"))); };
  CHECK(ask().code == 200);
  CHECK(b.api.Count("CREATE", "/subjectaccessreviews") == 2);
  b.Advance(30s);
  CHECK(ask().code == 200);  // `pods` again, `proxy` is known
  CHECK(b.api.Count("CREATE", "/subjectaccessreviews") == 3);
  b.allowed.clear();
  b.Advance(5min - 30s - 1ns);
  CHECK(ask().code == 200);
  b.Advance(1ns);
  CHECK(ask().code == 403);
}

TEST_CASE("a refusal names what was asked, in upstream's words") {
  Bench b;
  auto may = b.May();
  auto no = b.Await(may.Authorize(Alice(), AttributesOf("POST", "/pods")));
  CHECK(no.code == 403);
  CHECK(no.message ==
        "Forbidden (user=alice, verb=create, resource=nodes, subresource(s)=[pods proxy])\n");
}

TEST_CASE("an API server that is away is an error and not a refusal, and is not kept") {
  Bench b;
  auto may = b.May();
  b.api.Fail("CREATE", "/subjectaccessreviews", absl::UnavailableError("away"));
  auto error = b.Await(may.Authorize(Alice(), AttributesOf("GET", "/pods")));
  CHECK(error.code == 500);
  CHECK(error.message ==
        "Authorization error (user=alice, verb=get, resource=nodes, subresource=pods)");
  CHECK(b.Await(may.Authorize(Alice(), AttributesOf("GET", "/pods"))).code == 200);
}

TEST_CASE("what one may is not what another may") {
  Bench b;
  auto may = b.May();
  CHECK(b.Await(may.Authorize(Alice(), AttributesOf("GET", "/pods"))).code == 200);
  User mallory = Alice();
  mallory.name = "alice2";
  CHECK(b.Await(may.Authorize(mallory, AttributesOf("GET", "/pods"))).code == 403);
  CHECK(b.Await(may.Authorize(Alice(), AttributesOf("POST", "/pods"))).code == 403);
}

TEST_CASE("AlwaysAllow asks nobody") {
  Bench b;
  auto may = b.May(false);
  CHECK(b.Await(may.Authorize(User(), AttributesOf("DELETE", "/run/a/b/c"))).code == 200);
  CHECK(b.api.log.empty());
}

}  // namespace
}  // namespace kubelet::auth
