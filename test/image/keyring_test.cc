#include "image/keyring.h"

#include "catch.h"
#include "image/credential_finder.h"
#include "os/temp_dir.h"

namespace kubelet::image {
namespace {

TEST_CASE("accounts in Docker's files") {
  struct Row {
    const char* text;
    const char* user;
    const char* password;
  };
  auto row = GENERATE(
      Row{R"({"auths":{"a.example":{"username":"bob","password":"pw"}}})", "bob", "pw"},
      Row{R"({"auths":{"a.example":{"auth":"Ym9iOnA6dw=="}}})", "bob", "p:w"},
      Row{R"({"auths":{"a.example":{"auth":"Ym9iOnA6dw"}}})", "bob", "p:w"},
      Row{R"({"auths":{"a.example":{"username":"x","auth":"Ym9iYnk6cHc="}}})", "bobby", "pw"},
      Row{R"({"auths":{"a.example":{"identitytoken":"t"}},"credHelpers":{"b":"c"},"credsStore":"s"})",
          "", ""},
      Row{R"({"auths":{"a.example":{}}})", "", ""});
  INFO(row.text);
  auto config = ParseDockerConfigJson(row.text);
  REQUIRE(config.ok());
  CHECK(config->at("a.example").username == row.user);
  CHECK(config->at("a.example").password == row.password);
}

TEST_CASE("files that are none of Docker's, and what they hold is not quoted") {
  auto text =
      GENERATE(R"({"auths":{"a":{"auth":"!secret"}}})", R"({"auths":{"a":{"auth":"c2VjcmV0"}}})",
               R"({"auths":{"a":{"auth":"c2VjcmV0=="}}})", R"({"auths":["secret"]})", R"(secret)",
               R"({"auths":{"a":"secret"}})", R"({"auths":)");
  INFO(text);
  auto config = ParseDockerConfigJson(text);
  CHECK(absl::IsInvalidArgument(config.status()));
  CHECK(config.status().ToString().find("secret") == std::string::npos);
}

TEST_CASE("the older form is the inner object alone") {
  auto config = ParseDockercfg(R"({"https://a.example/v1/":{"auth":"Ym9iOnA6dw==","email":"e"}})");
  REQUIRE(config.ok());
  CHECK(config->at("https://a.example/v1/") == Account{"bob", "p:w", "e"});
  CHECK_FALSE(ParseDockercfg(R"({"a":{}},"b":{)").ok());
  CHECK_FALSE(ParseDockercfg("").ok());
}

std::vector<std::string> Users(const Keyring& ring, const std::string& repository) {
  std::vector<std::string> out;
  for (const auto& credential : ring.Lookup(repository)) out.push_back(credential.auth.username);
  return out;
}

TEST_CASE("the most specific address is tried first, all that fit after it") {
  Keyring ring;
  ring.Add({}, {{"a.example", {"host", "", ""}},
                {"a.example/team", {"team", "", ""}},
                {"*.example", {"any", "", ""}},
                {"a.example/other", {"other", "", ""}},
                {"https://index.docker.io/v1/", {"hub", "", ""}},
                {"a.example:x", {"bad", "", ""}}});
  using List = std::vector<std::string>;
  CHECK(Users(ring, "a.example/team/app") == List{"team", "host", "any"});
  CHECK(Users(ring, "b.example/app") == List{"any"});
  CHECK(Users(ring, "docker.io/library/busybox") == List{"hub"});
  CHECK(Users(ring, "quay.io/app") == List{});
  ring.Add({}, {{"docker.io", {"new", "", ""}}});
  CHECK(Users(ring, "docker.io/library/busybox") == List{"new"});
}

TEST_CASE(
    "two sources of one address are tried in turn; the hash is of the account as upstream writes "
    "it") {
  Keyring ring;
  CredentialSource one{CredentialSource::Kind::kSecret, "u1", "ns", "one"};
  ring.Add(one, {{"a.example", {"bob", "pw", ""}}});
  ring.Add({}, {{"a.example", {"b<b", "p&w", "e"}}});
  auto found = ring.Lookup("a.example/x");
  REQUIRE(found.size() == 2);
  CHECK(found[0].source == one);
  CHECK(found[0].hash == "acce188f023e8abbfda9f553b787937990178a5d5eafef1dc5ca3f4560767bf1");
  CHECK(found[1].source.kind == CredentialSource::Kind::kNode);
  CHECK(found[1].hash == "48e5555cbf5b9c103534e62685ab31ca20631e7084e49e6dd15d31b46703078a");
}

TEST_CASE("of the node's files the first that is one counts, the older form last") {
  kubelet::test::TempDir dir;
  std::vector<std::string> json = {dir / "a/config.json", dir / "b/config.json"},
                           old = {dir / ".dockercfg"};
  kubelet::test::WriteText(dir / ".dockercfg", R"({"x":{"username":"old"}})");
  CHECK(ReadNodeCredentials(json, old).at("x").username == "old");
  kubelet::test::WriteText(dir / "b/config.json", R"({"auths":{"x":{"username":"b"}}})");
  CHECK(ReadNodeCredentials(json, old).at("x").username == "b");
  kubelet::test::WriteText(dir / "a/config.json", "{");
  CHECK(ReadNodeCredentials(json, old).at("x").username == "b");
  kubelet::test::WriteText(dir / "a/config.json", "{}");
  CHECK(ReadNodeCredentials(json, old).empty());
}

TEST_CASE("secrets of the two types") {
  api::core::Secret secret;
  secret.set_type("kubernetes.io/dockerconfigjson");
  CHECK(absl::IsFailedPrecondition(SecretCredentials(secret).status()));
  (*secret.mutable_data())[".dockerconfigjson"] = R"({"auths":{"x":{"username":"bob"}}})";
  CHECK(SecretCredentials(secret)->at("x").username == "bob");
  (*secret.mutable_data())[".dockerconfigjson"] = "{";
  CHECK(absl::IsInvalidArgument(SecretCredentials(secret).status()));
  secret.set_type("kubernetes.io/dockercfg");
  (*secret.mutable_data())[".dockercfg"] = R"({"x":{"username":"old"}})";
  CHECK(SecretCredentials(secret)->at("x").username == "old");
  secret.set_type("Opaque");
  CHECK(absl::IsFailedPrecondition(SecretCredentials(secret).status()));
}

}  // namespace
}  // namespace kubelet::image
