#include "kubelet/client/credentials.h"

#include <algorithm>
#include <thread>

#include "client/exec_plugin.h"
#include "creds_support.h"
#include "kubelet/base/process.h"
#include "kubelet/client/kubeconfig.h"

using namespace kubelet;
using namespace kubelet::client;
using namespace kubelet::client::support;
using S = CertificateHealth::State;

namespace {

struct CredentialsBench {
  TempDir dir;
  TestCa ca;
  Loop loop;
  std::unique_ptr<Credentials> credentials;

  void Make(const ClientConfig& config) {
    CredentialDeps deps{loop.io.get_executor(), loop.clock, loop.pool};
    credentials = MakeCredentials(config, deps);
  }
  absl::StatusOr<Presented> Get() { return loop.Await(credentials->Get()); }
  std::string Token() {
    auto got = Get();
    return got.ok() ? got->bearer_token : "error: " + std::string(got.status().message());
  }
  void Advance(base::Nanos d) {
    loop.clock.Advance(d, [this] { loop.Settle(); });
  }
  PemPair Pair(base::Nanos life = 100h) {
    return ca.Issue("n", loop.clock.Now() - 1h, loop.clock.Now() - 1h + life);
  }
  void WritePair(const PemPair& pair) {
    Write(dir / "c.pem", pair.cert_pem);
    Write(dir / "k.pem", pair.key_pem);
  }
};

}  // namespace

TEST_CASE("credentials: token files are read again, bad ones keep the last good") {
  CredentialsBench b;
  ClientConfig config;
  config.token_file = b.dir / "t";
  b.Make(config);
  CHECK(Contains(b.Token(), b.dir / "t"));
  CHECK(b.credentials->generation() == 0);
  Write(b.dir / "t", " one\n");
  CHECK(Contains(b.Token(), "error"));  // not looked at again so soon
  b.Advance(3s);
  CHECK(b.Token() == "one");
  CHECK(b.Get()->generation == 1);
  Write(b.dir / "t", "second");
  CHECK(b.Token() == "one");
  b.Advance(3s);
  CHECK(b.Token() == "second");
  CHECK(b.credentials->generation() == 2);
  for (std::string bad : {"", " \n", "a\nb"}) {
    Write(b.dir / "t", bad);
    b.Advance(3s);
    CHECK(b.Token() == "second");
  }
  fs::remove(b.dir / "t");
  b.Advance(3s);
  CHECK(b.Token() == "second");
  CHECK(b.credentials->generation() == 2);
  // Without any Get the timer finds it, so that connections are replaced.
  Write(b.dir / "t", "third one");
  b.Advance(11s);
  CHECK(b.credentials->generation() == 3);
  // A 401 is a reason to look at once.
  Write(b.dir / "t", "fourth one");
  b.credentials->Rejected(2);
  CHECK(b.Token() == "third one");
  b.credentials->Rejected(3);
  CHECK(b.Token() == "fourth one");
}

TEST_CASE("credentials: a token stands in for a token file that cannot be read") {
  CredentialsBench b;
  ClientConfig config;
  config.token = "text";
  config.token_file = b.dir / "t";
  b.Make(config);
  CHECK(b.Token() == "text");
  Write(b.dir / "t", "file");
  b.Advance(3s);
  CHECK(b.Token() == "file");
}

TEST_CASE("credentials: a half-written pair keeps the last good one") {
  CredentialsBench b;
  auto one = b.Pair(), two = b.Pair();
  ClientConfig config;
  config.cert_file = b.dir / "c.pem";
  config.key_file = b.dir / "k.pem";
  config.username = "u";
  config.password = "p:q";
  b.WritePair(one);
  b.Make(config);
  CHECK(b.Get()->cert_pem == one.cert_pem);
  CHECK(b.Get()->basic == "u:p:q");
  CHECK(b.credentials->health().state == S::kOk);
  Write(b.dir / "c.pem", two.cert_pem);
  b.Advance(3s);
  CHECK(b.Get()->cert_pem == one.cert_pem);
  CHECK(b.Get()->key_pem == one.key_pem);
  CHECK(b.credentials->generation() == 1);
  Write(b.dir / "k.pem", two.key_pem);
  b.Advance(3s);
  CHECK(b.Get()->cert_pem == two.cert_pem);
  CHECK(b.credentials->generation() == 2);
  b.loop.clock.JumpWall(200h);
  CHECK(b.Get().ok());  // the server's clock decides
  CHECK(b.credentials->health().state == S::kExpired);
  b.loop.clock.JumpWall(-400h);
  CHECK(b.credentials->health().state == S::kNotYetValid);
}

TEST_CASE("credentials: a mended kubeconfig is taken over without a restart") {
  CredentialsBench b;
  auto text = [](const std::string& server, const std::string& token) {
    return "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n"
           "clusters: [{name: k, cluster: {server: '" +
           server +
           "'}}]\n"
           "users: [{name: u, user: {token: " +
           token + "}}]\n";
  };
  Write(b.dir / "k", text("https://a", "one"));
  b.Make(*LoadKubeconfig(b.dir / "k"));
  CHECK(b.Token() == "one");
  Write(b.dir / "k", "{");
  b.Advance(3s);
  CHECK(b.Token() == "one");
  Write(b.dir / "k", text("https://other", "second"));
  b.Advance(3s);
  CHECK(b.Token() == "second");
  fs::remove(b.dir / "k");
  b.Advance(3s);
  CHECK(b.Token() == "second");
}

TEST_CASE("exec plugin: what it is told and what it may answer") {
  ClientConfig config;
  config.server = "https://api:1";
  config.tls_server_name = "x";
  config.exec.emplace();
  config.exec->api_version = "client.authentication.k8s.io/v1";
  CHECK(ExecInfo(config, "") ==
        R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",)"
        R"("spec":{"interactive":false}})");
  config.exec->provide_cluster_info = true;
  config.exec->cluster_config = R"({"a":1})";
  CHECK(ExecInfo(config, "CA") ==
        R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1",)"
        R"("spec":{"cluster":{"server":"https://api:1","tls-server-name":"x",)"
        R"("certificate-authority-data":"Q0E=","config":{"a":1}},"interactive":false}})");
  const std::string v1 = "client.authentication.k8s.io/v1";
  auto answer = [&](const std::string& version, const std::string& status) {
    return ParseExecAnswer(
        R"({"kind":"ExecCredential","apiVersion":")" + version + R"(","status":)" + status + "}",
        v1);
  };
  auto good = answer(v1, R"({"token":"t","expirationTimestamp":"2023-11-14T22:13:20Z"})");
  REQUIRE(good.ok());
  CHECK(good->token == "t");
  CHECK(base::UnixNanos(*good->expires) == 1'700'000'000'000'000'000);
  for (const char* bad :
       {"null", "{}", "[]", R"({"token":1})", R"({"token":"a\nb"})", R"({"clientKeyData":"k"})",
        R"({"clientKeyData":"k","clientCertificateData":"c"})",
        R"({"token":"t","expirationTimestamp":"soon"})"}) {
    INFO(bad);
    CHECK(absl::IsInvalidArgument(answer(v1, bad).status()));
  }
  CHECK(Contains(std::string(answer(v1 + "beta1", R"({"token":"t"})").status().message()),
                 "v1beta1\" where"));
  CHECK_FALSE(ParseExecAnswer("", v1).ok());
  CHECK_FALSE(ParseExecAnswer("[1]", v1).ok());
}

namespace {

// `script` prints with $TOKEN; each run leaves a line in `runs`.
ClientConfig Plugin(CredentialsBench& b, const std::string& script) {
  Write(b.dir / "plugin",
        "#!/bin/sh\necho \"$1 $MORE $KUBERNETES_EXEC_INFO\" >> " + b.dir.path + "/runs\n" + script,
        0755);
  ClientConfig config;
  config.server = "https://api";
  config.exec.emplace();
  config.exec->api_version = "client.authentication.k8s.io/v1";
  config.exec->command = b.dir / "plugin";
  config.exec->args = {"arg"};
  config.exec->env = {{"MORE", "more"}};
  return config;
}

std::string Print(const std::string& token, const std::string& expires = "") {
  std::string status = "\"token\":\"" + token + "\"";
  if (!expires.empty()) status += ",\"expirationTimestamp\":\"" + expires + "\"";
  return "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","
         "\"status\":{" +
         status + "}}'\n";
}

size_t Runs(CredentialsBench& b) {
  std::string text = Read(b.dir / "runs");
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("exec plugin: kept until it expires or is rejected") {
  CredentialsBench b;
  b.Make(Plugin(b, Print("t1", "2023-11-14T22:15:20Z")));  // two minutes after the clock's start
  CHECK(b.Token() == "t1");
  CHECK(Read(b.dir / "runs").rfind("arg more {\"kind\":\"ExecCredential\"", 0) == 0);
  b.Advance(100s);
  CHECK(b.Token() == "t1");
  CHECK(Runs(b) == 1);
  Plugin(b, Print("t2"));
  b.Advance(20s);
  CHECK(b.Token() == "t2");
  CHECK(Runs(b) == 2);
  b.Advance(1000s);
  CHECK(b.Token() == "t2");
  CHECK(Runs(b) == 2);
  auto generation = b.credentials->generation();
  Plugin(b, Print("t3"));
  b.credentials->Rejected(generation);
  CHECK(b.Token() == "t3");
  CHECK(b.credentials->generation() == generation + 1);
  b.credentials->Rejected(generation);  // of long ago
  CHECK(b.Token() == "t3");
  CHECK(Runs(b) == 3);
}

TEST_CASE("exec plugin: failures are told with what it said, and not hammered") {
  CredentialsBench b;
  auto config = Plugin(b, "echo no network >&2; exit 3");
  config.exec->install_hint = "get it at example.com";
  b.Make(config);
  CHECK(Contains(b.Token(), "exit code 3: no network"));
  CHECK(Contains(b.Token(), "exit code 3"));
  CHECK(Runs(b) == 1);
  b.Advance(1s);
  CHECK(Contains(b.Token(), "exit code 3"));
  CHECK(Runs(b) == 2);
  b.Advance(1s);
  b.Token();
  CHECK(Runs(b) == 2);
  Plugin(b, Print("t"));
  b.Advance(1s);
  CHECK(b.Token() == "t");
  config.exec->command = b.dir / "absent";
  b.Make(config);
  CHECK(Contains(b.Token(), "get it at example.com"));
  config.exec->command = "no-such-plugin-anywhere";
  b.Make(config);
  CHECK(Contains(b.Token(), "no-such-plugin-anywhere"));
  b.Make(Plugin(b, "echo '{'"));
  CHECK(Contains(b.Token(), "not JSON"));
}

TEST_CASE("exec plugin: one that hangs is killed with all it started") {
  TempDir dir;
  Write(dir / "p", "#!/bin/sh\nsleep 1000 &\necho $! > " + (dir / "pid") + "\nsleep 1000\n", 0755);
  auto hung = base::RunProcess(dir / "p", {}, {}, 1s);
  CHECK(absl::IsDeadlineExceeded(hung.status()));
  // It may take init a while to bury it.
  std::string child = Read(dir / "pid");
  REQUIRE(child.size() > 1);
  std::string stat = "/proc/" + child.substr(0, child.size() - 1) + "/stat";
  auto dead = [&stat] {
    std::string text = Read(stat);
    return text.empty() || Contains(text, ") Z ") || Contains(text, ") X ");
  };
  auto limit = std::chrono::steady_clock::now() + 10s;
  while (!dead() && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
  CHECK(dead());
  // A child that keeps the pipe does not keep us.
  Write(dir / "q", "#!/bin/sh\nsleep 2 & echo out; echo err >&2; exit 7\n", 0755);
  auto left = base::RunProcess(dir / "q", {}, {}, 60s);
  REQUIRE(left.ok());
  CHECK(left->exit_code == 7);
  CHECK(left->out == "out\n");
  CHECK(left->err == "err\n");
  Write(dir / "r", "#!/bin/sh\nyes\n", 0755);
  CHECK(absl::IsResourceExhausted(base::RunProcess(dir / "r", {}, {}, 60s).status()));
  Write(dir / "s", "#!/bin/sh\nkill -9 $$\n", 0755);
  CHECK(base::RunProcess(dir / "s", {}, {}, 60s)->exit_code == 137);
}
