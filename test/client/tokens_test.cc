#include "kubelet/client/tokens.h"

#include "client/loop.h"
#include "k8s/authentication/v1/authentication.pb.h"
#include "kubelet/api/time.h"

namespace kubelet::client {
namespace {

using namespace std::chrono_literals;
namespace authentication = ::k8s::io::api::authentication::v1;

struct TokensFixture : test::ApiLoop {
  int made = 0;
  double random = 0;
  int64_t server_seconds = 0;  // not zero: the life the server gives
  authentication::TokenRequest last;
  TokenManager tokens{{io.get_executor(), clock, api, [this] { return random; }}};

  TokensFixture() {
    api.set_handler(
        [this](const Call& call, google::protobuf::Message* out) -> std::optional<absl::Status> {
          if (call.path.subresource != "token") return std::nullopt;
          auto& answer = static_cast<authentication::TokenRequest&>(*out);
          answer.CopyFrom(*call.body);
          last = answer;
          if (server_seconds > 0) answer.mutable_spec()->set_expiration_seconds(server_seconds);
          answer.mutable_status()->set_token("t" + std::to_string(++made));
          *answer.mutable_status()->mutable_expiration_timestamp() =
              api::ToTime(clock.Now() + std::chrono::seconds(answer.spec().expiration_seconds()));
          return absl::OkStatus();
        });
  }
  static TokenRequest Request(const std::string& uid = "u1", int64_t seconds = 3600) {
    TokenRequest request;
    request.ns = "ns";
    request.service_account = "sa";
    request.pod_name = "pod";
    request.pod_uid = uid;
    request.expiration_seconds = seconds;
    return request;
  }
  std::string Get(const TokenRequest& request) {
    auto got = Await(tokens.Get(request));
    return got.ok() ? (*got)->token : std::string(got.status().message());
  }
};

TEST_CASE("a token is asked for once, and bound to its pod") {
  TokensFixture f;
  auto request = TokensFixture::Request();
  request.audiences = {"vault", "api"};
  CHECK_FALSE(f.tokens.NextRefresh(request));
  CHECK(f.Get(request) == "t1");
  CHECK(f.Get(request) == "t1");
  CHECK(f.api.Count("CREATE", "/namespaces/ns/serviceaccounts/sa/token") == 1);
  CHECK(f.last.spec().audiences_size() == 2);
  CHECK(f.last.spec().expiration_seconds() == 3600);
  CHECK(f.last.spec().bound_object_ref().kind() == "Pod");
  CHECK(f.last.spec().bound_object_ref().api_version() == "v1");
  CHECK(f.last.spec().bound_object_ref().name() == "pod");
  CHECK(f.last.spec().bound_object_ref().uid() == "u1");
  request.audiences = {"vault"};
  CHECK(f.Get(request) == "t2");
  CHECK(f.Get(TokensFixture::Request("u2")) == "t3");
  CHECK(f.Get(TokensFixture::Request("u2", 7200)) == "t4");
}

TEST_CASE("when a token is renewed") {
  struct Case {
    int64_t seconds, server_seconds;
    double random;
    base::Nanos after;
  };
  auto c = GENERATE(Case{3600, 0, 0, 2880s}, Case{3600, 0, 0.5, 2875s}, Case{600, 0, 0, 480s},
                    Case{86400 * 7, 0, 0, 86400s}, Case{86400 * 7, 0, 0.999, 86400s - 9990ms},
                    Case{86400 * 7, 1000, 0, 800s});
  TokensFixture f;
  f.random = c.random;
  f.server_seconds = c.server_seconds;
  auto request = TokensFixture::Request("u", c.seconds);
  auto begin = f.clock.Now();
  CHECK(f.Get(request) == "t1");
  REQUIRE(f.tokens.NextRefresh(request));
  CHECK(*f.tokens.NextRefresh(request) - begin == c.after);
  f.Advance(c.after - 1ms);
  CHECK(f.Get(request) == "t1");
  f.Advance(1ms);
  CHECK(f.Get(request) == "t2");
}

TEST_CASE("questions for one token at one time are one request") {
  TokensFixture f;
  f.api.Hold("CREATE", "");
  auto one = f.Begin(f.tokens.Get(TokensFixture::Request()));
  auto two = f.Begin(f.tokens.Get(TokensFixture::Request()));
  auto other = f.Begin(f.tokens.Get(TokensFixture::Request("u2")));
  f.api.Release();
  f.Run();
  REQUIRE((*one && *two && *other));
  CHECK((**one)->get() == (**two)->get());
  CHECK(f.made == 2);
}

TEST_CASE("while no new token can be had the old one serves until it expires") {
  TokensFixture f;
  auto request = TokensFixture::Request();
  CHECK(f.Get(request) == "t1");
  f.api.Down();
  f.Advance(2880s);
  CHECK(f.Get(request) == "t1");
  // A volume that looks when it is told to does not hammer the server.
  auto calls = f.api.log.size();
  for (int i = 0; i < 600; ++i) {
    f.Advance(1s);
    CHECK(f.Get(request) == "t1");
  }
  CHECK(f.api.log.size() - calls < 17);
  CHECK(*f.tokens.NextRefresh(request) > f.clock.Now());
  f.Advance(181s);
  auto expired = f.Await(f.tokens.Get(request));
  CHECK(expired.status().code() == absl::StatusCode::kUnavailable);
  f.api.Up();
  CHECK(f.Get(request) == "t2");
}

TEST_CASE("a server that hangs in a renewal holds a pod with a good token up for ten seconds") {
  TokensFixture f;
  auto request = TokensFixture::Request();
  REQUIRE(f.Get(request) == "t1");
  f.Advance(2881s);
  f.api.Hold("CREATE", "/token");
  auto got = f.Begin(f.tokens.Get(request));
  f.Advance(9s);
  CHECK_FALSE(*got);
  f.Advance(2s);
  REQUIRE(*got);
  REQUIRE((*got)->ok());
  CHECK((**got).value()->token == "t1");
}

TEST_CASE("a refusal without an old token is passed on, and not remembered") {
  TokensFixture f;
  f.api.Fail("CREATE", "", ToStatus({403, "Forbidden", "no", {}}));
  auto got = f.Await(f.tokens.Get(TokensFixture::Request()));
  CHECK(got.status().code() == absl::StatusCode::kPermissionDenied);
  CHECK(got.status().message() == "failed to fetch token: no");
  CHECK(f.tokens.size() == 0);
  CHECK(f.Get(TokensFixture::Request()) == "t1");
}

TEST_CASE("tokens go with their pod, and when they expire") {
  TokensFixture f;
  CHECK(f.Get(TokensFixture::Request("u1")) == "t1");
  CHECK(f.Get(TokensFixture::Request("u2")) == "t2");
  f.tokens.RemovePod("u1");
  CHECK(f.tokens.size() == 1);
  CHECK(f.Get(TokensFixture::Request("u1")) == "t3");
  f.Advance(base::Nanos(2h));
  f.Get(TokensFixture::Request("u3"));
  CHECK(f.tokens.size() == 1);
  // The pod goes while its token is on its way.
  f.api.Hold("CREATE", "");
  auto got = f.Begin(f.tokens.Get(TokensFixture::Request("u4")));
  f.tokens.RemovePod("u4");
  f.api.Release();
  f.Run();
  REQUIRE(*got);
  CHECK((*got)->ok());
  CHECK(f.tokens.size() == 1);
}

}  // namespace
}  // namespace kubelet::client
