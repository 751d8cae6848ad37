#include "client/certificate_next.h"
#include "client/certificate_store.h"
#include "client/csr_request.h"
#include "fake_signer.h"
#include "kubelet/client/certificates.h"
#include "kubelet/client/kubeconfig.h"

using namespace kubelet;
using namespace kubelet::client;
using namespace kubelet::client::support;
using S = CertificateHealth::State;

namespace {

std::string TokenConfig(const std::string& token) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
         "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
         "clusters: [{name: k, cluster: {server: 'https://api:6443'}}]\n"
         "users: [{name: u, user: {token: " +
         token + "}}]\n";
}

std::string CertConfig(const std::string& cert, const std::string& key) {
  std::string text = TokenConfig("x");
  return text.substr(0, text.find("users:")) + "users: [{name: u, user: {client-certificate: '" +
         cert + "', client-key: '" + key + "'}}]\n";
}

std::string InlineConfig(const PemPair& pair) {
  auto data = [](const std::string& t) {
    std::string out(4 * ((t.size() + 2) / 3), '\0');
    EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                    reinterpret_cast<const unsigned char*>(t.data()), static_cast<int>(t.size()));
    return out;
  };
  std::string text = TokenConfig("x");
  return text.substr(0, text.find("users:")) +
         "users: [{name: u, user: {client-certificate-data: " + data(pair.cert_pem) +
         ", client-key-data: " + data(pair.key_pem) + "}}]\n";
}

// A node, its files and its API server.
struct CertificateManagerBench {
  TempDir dir;
  Loop loop;
  FakeSigner signer{loop.io.get_executor(), loop.clock};
  base::Registry metrics;
  CertificateOptions options;
  int clients = 0;
  std::unique_ptr<CertificateManager> manager;

  CertificateManagerBench() {
    options.kubeconfig = dir / "kubelet.conf";
    options.bootstrap_kubeconfig = dir / "bootstrap.conf";
    options.cert_dir = dir / "pki";
    options.node_name = "n1";
    options.rotate = true;
  }
  ~CertificateManagerBench() { Stop(); }
  void Start() {
    CertificateManager::Deps deps{loop.io.get_executor(), loop.clock, loop.pool};
    deps.make_api = [this](const ClientConfig& config, Credentials& credentials) {
      ++clients;
      CHECK(config.server == "https://api:6443");
      return signer.Client(&credentials);
    };
    deps.random = [] { return 0.5; };
    deps.metrics = manager == nullptr && clients == 0 ? &metrics : nullptr;
    manager = std::make_unique<CertificateManager>(options, deps);
    manager->Start();
    loop.Settle();
  }
  void Stop() {
    if (!manager) return;
    loop.AwaitVoid(manager->Stop());
    manager.reset();
  }
  void Bootstrap() { Write(options.bootstrap_kubeconfig, TokenConfig("boot")); }
  CertificateStore Store() { return CertificateStore("kubelet-client", options.cert_dir); }
  std::string KeyFile() { return options.cert_dir + "/kubelet-client.key.tmp"; }
  S State() { return manager->health().state; }
  std::string Message() { return manager->health().message; }
  bool Good() { return State() == S::kOk; }
  bool WaitGood(base::Nanos limit) {
    return loop.AdvanceUntil([this] { return Good(); }, limit);
  }
  // A pair in the store that is valid from an hour ago.
  void Give(base::Nanos life, const std::string& name = "system:node:n1") {
    auto now = loop.clock.Now();
    REQUIRE(Store().Update(signer.ca.Issue(name, now - 1h, now - 1h + life), now - 1h).ok());
    Write(options.kubeconfig, CertConfig(Store().CurrentPath(), Store().CurrentPath()));
  }
};

CertificateInfo Info(base::WallTime from, base::WallTime to) {
  CertificateInfo info;
  info.common_name = "cn";
  info.not_before = from;
  info.not_after = to;
  return info;
}

}  // namespace

TEST_CASE("certificates: what is asked for when") {
  auto t0 = base::WallFromUnixNanos(1'700'000'000'000'000'000);
  RotationInput in;
  CHECK(ComputeNext(in, t0).reason == RotationReason::kNever);
  in.want.emplace();
  in.want->common_name = "cn";
  CHECK(ComputeNext(in, t0) == Rotation{t0, RotationReason::kMissing});
  in.current = Info(t0, t0 + 100h);
  for (auto [jitter, hours] : {std::pair{0.0, 70}, {0.5, 80}, {0.999999, 90}}) {
    in.jitter = jitter;
    auto next = ComputeNext(in, t0 + 1h);
    CHECK(next.reason == RotationReason::kAge);
    CHECK(std::chrono::abs(next.at - (t0 + std::chrono::hours(hours))) < 2s);
  }
  CHECK(ComputeNext(in, t0 - 1000h).reason == RotationReason::kAge);
  CHECK(ComputeNext(in, t0 + 101h) == Rotation{t0 + 101h, RotationReason::kExpired});
  in.rejected = true;
  CHECK(ComputeNext(in, t0 + 1h) == Rotation{t0 + 1h, RotationReason::kRejected});
  in.rejected = false;
  in.force = true;
  CHECK(ComputeNext(in, t0 + 1h) == Rotation{t0 + 1h, RotationReason::kForced});
  in.force = false;
  in.want->organizations.push_back("o");
  CHECK(ComputeNext(in, t0 + 1h) == Rotation{t0 + 1h, RotationReason::kTemplate});
  in.rotate = false;
  CHECK(ComputeNext(in, t0 + 1h).reason == RotationReason::kNever);
  CHECK(ComputeNext(in, t0 + 101h).reason == RotationReason::kExpired);
  // Times that WallTime clamps: no overflow.
  in.rotate = true;
  in.want->organizations.clear();
  in.current = Info(base::WallTime::min(), base::WallTime::max());
  CHECK(ComputeNext(in, t0).at > t0);  // seven tenths of 584 years after 1677
  CHECK(ComputeDelay(1, 0) == 2s);
  CHECK(ComputeDelay(4, 0) == 16s);
  CHECK(ComputeDelay(5, 0) == 32s);
  CHECK(ComputeDelay(500, 1) == 35200ms);
}

TEST_CASE("certificates: from a token to a certificate, the files as upstream leaves them") {
  CertificateManagerBench b;
  b.options.rotate = GENERATE(false, true);
  b.Bootstrap();
  b.signer.mode = FakeSigner::Mode::kHold;
  CHECK(LoadNodeConfig(b.options)->token == "");
  CHECK(LoadNodeConfig(b.options)->server == "https://api:6443");
  b.Start();
  REQUIRE(b.signer.csrs.size() == 1);
  const auto& csr = b.signer.csrs.begin()->second;
  CHECK(csr.spec().signer_name() == "kubernetes.io/kube-apiserver-client-kubelet");
  REQUIRE(csr.spec().usages_size() == 2);
  CHECK(csr.spec().usages(0) == "digital signature");
  CHECK(csr.spec().usages(1) == "client auth");
  CHECK(csr.metadata().name().rfind("node-csr-", 0) == 0);
  CHECK(csr.metadata().name().size() == 9 + 43);
  CHECK(ModeOf(b.KeyFile()) == 0600);
  CHECK(b.State() == S::kMissing);
  CHECK(Contains(b.Message(), csr.metadata().name() + " waits for approval"));
  CHECK(absl::IsUnavailable(b.loop.Await(b.manager->Get()).status()));
  CHECK_FALSE(fs::exists(b.options.kubeconfig));
  b.signer.DecideAll(FakeSigner::Mode::kApprove);
  b.loop.Settle();  // no time passes between approval and use
  CHECK(b.State() == S::kOk);
  auto shown = b.loop.Await(b.manager->Get());
  REQUIRE(shown.ok());
  auto info = CheckPair(shown->cert_pem, shown->key_pem);
  REQUIRE(info.ok());
  CHECK(info->common_name == "system:node:n1");
  CHECK(info->organizations == std::vector<std::string>{"system:nodes"});
  CHECK(shown->generation == b.manager->generation());
  CHECK_FALSE(fs::exists(b.KeyFile()));
  auto config = LoadKubeconfig(b.options.kubeconfig);
  REQUIRE(config.ok());
  CHECK(config->cert_file == b.Store().CurrentPath());
  CHECK(b.signer.presented[0] == "boot");
  b.loop.Pass(60s);
  CHECK(b.signer.creates == 1);
  CHECK(Contains(b.metrics.Render(), "kubelet_certificate_manager_client_ttl_seconds 863"));
  CHECK(Contains(b.metrics.Render(), "client_expiration_renew_errors 0"));
}

TEST_CASE("certificates: a restart while approval is awaited goes on with the same request") {
  CertificateManagerBench b;
  b.Bootstrap();
  b.signer.mode = FakeSigner::Mode::kHold;
  b.Start();
  REQUIRE(b.signer.csrs.size() == 1);
  b.Stop();
  b.Start();
  CHECK(b.signer.csrs.size() == 1);
  CHECK(b.signer.creates == 2);
  SECTION("approved after the restart") {
    b.signer.DecideAll(FakeSigner::Mode::kApprove);
    b.loop.Settle();
    CHECK(b.Good());
  }
  SECTION("approved while it was away") {
    b.Stop();
    b.signer.DecideAll(FakeSigner::Mode::kApprove);
    b.Start();
    CHECK(b.Good());
    CHECK(b.signer.csrs.size() == 1);
  }
  SECTION("the name is taken by a request that is not ours") {
    b.Stop();
    auto& csr = b.signer.csrs.begin()->second;
    CsrTemplate want;
    want.common_name = "system:node:n1";
    want.organizations = {"system:nodes"};
    csr.mutable_spec()->set_request(*MakeCsr(GenerateKey()->get(), want));
    b.signer.mode = FakeSigner::Mode::kApprove;
    b.Start();
    CHECK(Contains(b.Message(), "another key"));
    CHECK(b.WaitGood(5s));
  }
}

TEST_CASE("certificates: denied, failed, deleted and never approved requests") {
  CertificateManagerBench b;
  b.Bootstrap();
  b.signer.mode = FakeSigner::Mode::kHold;
  b.Start();
  REQUIRE(b.signer.csrs.size() == 1);
  std::string name = b.signer.csrs.begin()->first;
  auto how = GENERATE(FakeSigner::Mode::kDeny, FakeSigner::Mode::kFail);
  SECTION("refused, then approved") {
    b.signer.Decide(name, how);
    b.loop.Settle();
    CHECK(Contains(b.Message(), "Test: by hand"));
    CHECK(Contains(b.metrics.Render(), "client_expiration_renew_errors 1"));
    b.loop.Pass(1s);
    CHECK(b.signer.creates == 1);
    b.signer.mode = FakeSigner::Mode::kApprove;
    CHECK(b.WaitGood(3s));
  }
  SECTION("refused for ever: the delays double to 32 s") {
    b.signer.mode = how;
    b.signer.Decide(name, how);
    std::vector<int64_t> times;
    for (int seen = 1; times.size() < 7;) {
      REQUIRE(b.loop.AdvanceUntil([&] { return b.signer.creates > seen; }, 60s));
      seen = b.signer.creates;
      times.push_back(b.loop.clock.Mono().time_since_epoch() / 1s);
    }
    CHECK(times[1] - times[0] <= 5);
    CHECK(times[2] - times[1] >= 7);
    CHECK(times[6] - times[5] >= 31);
    CHECK(times[6] - times[5] <= 36);
  }
  SECTION("deleted: asked for anew, under the same name") {
    b.signer.Remove(name);
    b.loop.Settle();
    CHECK(Contains(b.Message(), "was deleted"));
    b.signer.mode = FakeSigner::Mode::kApprove;
    CHECK(b.WaitGood(3s));
    CHECK(b.signer.csrs.begin()->first == name);
  }
  SECTION("a watch that ends is opened again") {
    b.signer.EndWatches();
    b.loop.AdvanceUntil([&] { return b.signer.open_watches() == 1; }, 5s);
    CHECK(b.signer.open_watches() == 1);
    b.signer.Decide(name, FakeSigner::Mode::kApprove);
    b.loop.Settle();
    CHECK(b.Good());
  }
  SECTION("nobody approves for a quarter of an hour") {
    b.loop.clock.Advance(15min - 1s, [&] { b.loop.Settle(); });
    CHECK(b.signer.creates == 1);
    CHECK(b.loop.AdvanceUntil([&] { return b.signer.creates == 2; }, 10s));
    CHECK(b.signer.csrs.size() == 1);
    b.signer.Decide(name, FakeSigner::Mode::kApprove);
    b.loop.Settle();
    CHECK(b.Good());
  }
}

TEST_CASE("certificates: rotation at 80 percent, with the certificate itself") {
  CertificateManagerBench b;
  b.Give(10h);  // an hour of it is gone
  b.signer.life = 1000h;
  b.Start();
  CHECK(b.Good());
  auto first = b.manager->generation();
  b.loop.Pass(7h - 1min);
  CHECK(b.signer.creates == 0);
  CHECK(b.loop.AdvanceUntil([&] { return b.manager->generation() != first; }, 2min));
  CHECK(b.signer.creates == 1);
  CHECK(b.signer.presented[0] == "cert:system:node:n1");
  CHECK(b.signer.csrs.begin()->first.rfind("csr-", 0) == 0);
  CHECK(b.Good());
}

TEST_CASE("certificates: without rotation a valid certificate is left alone until it has expired") {
  CertificateManagerBench b;
  b.options.rotate = false;
  b.Bootstrap();
  b.Give(3h, "somebody else");
  b.Start();
  CHECK(b.Good());
  b.loop.Pass(119min);
  CHECK(b.signer.creates == 0);
  CHECK(b.loop.AdvanceUntil([&] { return b.signer.creates == 1; }, 2min));
  CHECK(b.WaitGood(1s));
  CHECK(b.signer.presented[0] == "boot");
}

TEST_CASE("certificates: a certificate inline in the kubeconfig is replaced at once") {
  CertificateManagerBench b;
  b.options.bootstrap_kubeconfig.clear();
  auto now = b.loop.clock.Now();
  auto pair = b.signer.ca.Issue("system:node:n1", now - 1h, now + 100h);
  std::string text = InlineConfig(pair);
  Write(b.options.kubeconfig, text);
  b.Start();
  CHECK(b.signer.creates == 1);
  CHECK(b.Good());
  CHECK(Read(b.options.kubeconfig) == text);
  CHECK(b.Store().Load().ok());
  b.loop.Pass(60s);
  CHECK(b.signer.creates == 1);
}

TEST_CASE(
    "certificates: kubeadm init finds kubelet-client-current.pem before the server has issued "
    "anything") {
  CertificateManagerBench b;
  b.Bootstrap();
  auto now = b.loop.clock.Now();
  auto pair = b.signer.ca.Issue("system:node:n1", now - 1h, now + 100h);
  std::string text = InlineConfig(pair);
  Write(b.options.kubeconfig, text);
  b.signer.refuse = absl::UnavailableError("not there yet");
  b.Start();
  CHECK(b.Good());
  auto stored = b.Store().Load();
  REQUIRE(stored.ok());
  CHECK(stored->info.not_after == now + 100h);
  CHECK(Read(b.options.kubeconfig) == text);
  // Before kubeadm has taken it out of the kubeconfig, also after a restart, another is asked for.
  b.Stop();
  b.signer.refuse = absl::OkStatus();
  b.Start();
  CHECK(b.signer.creates == 1);
  CHECK(b.Good());
  CHECK(b.Store().Load()->info.not_after != now + 100h);
}

TEST_CASE("K1: the clock jumps two years ahead and back: nothing is lost, no restart") {
  CertificateManagerBench b;
  bool has_bootstrap = GENERATE(false, true);
  if (!has_bootstrap) b.options.bootstrap_kubeconfig.clear();
  if (has_bootstrap) b.Bootstrap();
  b.Give(8760h);
  b.Start();
  REQUIRE(b.Good());
  auto before = b.loop.Await(b.manager->Get());
  // With such a clock no TLS handshake works.
  b.signer.refuse = absl::UnavailableError("certificate of the server has expired");
  b.loop.clock.JumpWall(std::chrono::hours(2 * 8766));
  CHECK(b.loop.AdvanceUntil([&] { return b.State() == S::kExpired; }, 11s));
  CHECK(Contains(b.Message(), "has expired"));
  b.loop.Pass(5min);
  CHECK(Contains(b.Message(), "certificate of the server"));
  CHECK(b.loop.Await(b.manager->Get())->cert_pem == before->cert_pem);
  b.loop.clock.JumpWall(-std::chrono::hours(2 * 8766));
  b.signer.refuse = absl::OkStatus();
  CHECK(b.WaitGood(11s));
  CHECK(b.loop.Await(b.manager->Get())->cert_pem == before->cert_pem);
  CHECK(b.signer.creates == 0);
}

TEST_CASE("K1: a clock behind: the certificate is shown, not replaced, and the state is told") {
  CertificateManagerBench b;
  b.Bootstrap();
  b.Give(8760h);
  b.Start();
  b.loop.clock.JumpWall(-std::chrono::hours(2 * 8766));
  CHECK(b.loop.AdvanceUntil([&] { return b.State() == S::kNotYetValid; }, 11s));
  CHECK(Contains(b.Message(), "is the clock right?"));
  CHECK(b.loop.Await(b.manager->Get()).ok());
  CHECK(b.signer.creates == 0);
  b.loop.clock.JumpWall(std::chrono::hours(2 * 8766));
  CHECK(b.WaitGood(11s));
}

TEST_CASE("K1: expired without a bootstrap file: a file that comes later is enough") {
  CertificateManagerBench b;
  b.Give(2h);
  b.signer.refuse = absl::UnauthenticatedError("Unauthorized");
  b.loop.clock.JumpWall(3h);
  b.Start();
  CHECK(b.State() == S::kExpired);
  b.loop.Pass(3min);
  CHECK(Contains(b.Message(), "Unauthorized"));
  b.signer.refuse = absl::OkStatus();
  SECTION("a bootstrap kubeconfig") {
    b.Bootstrap();
    CHECK(b.WaitGood(45s));
  }
  SECTION("a certificate made by hand") {
    b.signer.refuse = absl::UnauthenticatedError("Unauthorized");
    auto now = b.loop.clock.Now();
    auto pair = b.signer.ca.Issue("system:node:n1", now - 1h, now + 100h);
    Write(b.dir / "c.pem", pair.cert_pem);
    Write(b.dir / "k.pem", pair.key_pem);
    Write(b.options.kubeconfig, CertConfig("c.pem", "k.pem"));
    CHECK(b.WaitGood(11s));
    CHECK(b.loop.Await(b.manager->Get())->cert_pem == pair.cert_pem);
  }
}

TEST_CASE("K1: expired with a bootstrap file: asked for again, by turns with the old certificate") {
  CertificateManagerBench b;
  b.Bootstrap();
  b.Give(2h);
  b.loop.clock.JumpWall(3h);
  SECTION("the token is good") {
    b.Start();
    CHECK(b.Good());
    CHECK(b.signer.presented[0] == "boot");
    CHECK(b.Store().Load()->info.not_after > b.loop.clock.Now());
  }
  SECTION("the token is spent") {
    b.signer.refuse = absl::UnauthenticatedError("Unauthorized");
    b.Start();
    b.loop.Pass(10s);
    REQUIRE(b.signer.presented.size() >= 2);
    CHECK(b.signer.presented[0] == "boot");
    CHECK(b.signer.presented[1] == "cert:system:node:n1");
    b.signer.refuse = absl::OkStatus();
    CHECK(b.WaitGood(40s));
  }
}

TEST_CASE("certificates: a server that rejects the certificate for long leads to bootstrap") {
  CertificateManagerBench b;
  b.Bootstrap();
  b.Give(8760h);
  b.Start();
  auto generation = b.manager->generation();
  b.manager->Rejected(generation);
  b.manager->Rejected(generation);
  b.manager->Rejected(generation);
  CHECK(b.State() == S::kRejected);
  b.loop.Pass(2min);
  CHECK(b.Good());
  CHECK(b.signer.creates == 0);  // a moment is no reason
  for (int i = 0; i < 5; ++i) {
    b.manager->Rejected(generation);
    b.loop.Pass(10s);
  }
  CHECK(b.signer.creates == 1);
  CHECK(b.manager->generation() == generation + 1);
  CHECK(b.Good());
}

TEST_CASE("certificates: a server whose clock is far behind is not flooded with requests") {
  CertificateManagerBench b;
  b.Bootstrap();
  b.signer.server_clock = -std::chrono::hours(8766);
  b.Start();
  CHECK(b.State() == S::kExpired);
  CHECK(b.loop.Await(b.manager->Get()).ok());
  b.loop.Pass(4min);
  CHECK(b.signer.creates == 1);
  b.signer.server_clock = {};
  CHECK(b.WaitGood(2min));
}

TEST_CASE("certificates: a crash between storing and the kubeconfig, and one while asking") {
  CertificateManagerBench b;
  b.Bootstrap();
  SECTION("the pair is stored, the kubeconfig is not") {
    auto now = b.loop.clock.Now();
    REQUIRE(b.Store().Update(b.signer.ca.Issue("system:node:n1", now - 1h, now + 9h), now).ok());
    b.Start();
    CHECK(b.Good());
    CHECK(b.signer.creates == 0);
    CHECK(LoadKubeconfig(b.options.kubeconfig).ok());
  }
  SECTION("half a key was left") {
    Write(b.KeyFile(), "-----BEGIN EC PRIVATE KEY-----\nMHc", 0600);
    b.Start();
    CHECK(b.Good());
    CHECK(b.signer.creates == 1);
  }
  SECTION("nothing can be written: said, and mended without a restart") {
    Write(b.options.cert_dir, "a file in the way");
    b.Start();
    CHECK(b.State() == S::kMissing);
    CHECK(Contains(b.Message(), "pki"));
    fs::remove(b.options.cert_dir);
    CHECK(b.WaitGood(40s));
  }
}

TEST_CASE("certificates: neither kubeconfig nor bootstrap file at the start") {
  CertificateManagerBench b;
  auto config = LoadNodeConfig(b.options);
  CHECK(absl::IsUnavailable(config.status()));
  CHECK(Contains(std::string(config.status().message()), b.options.kubeconfig));
  CHECK(Contains(std::string(config.status().message()), b.options.bootstrap_kubeconfig));
  b.Start();
  CHECK(b.State() == S::kMissing);
  b.loop.Pass(30s);
  b.Bootstrap();
  CHECK(b.WaitGood(40s));
}

TEST_CASE("certificates: the name of a request is upstream's digest") {
  // Name and key of one request, hashed outside of this program.
  auto key = ParseKey(
      "-----BEGIN EC PRIVATE KEY-----\n"
      "MHcCAQEEIKMbPCUibCBTS0aEc80xUZ/KQS2OPC3ahjJi57mp9r7BoAoGCCqGSM49\n"
      "AwEHoUQDQgAEIiixOjLCEZu1yUvRCAmI9VOqvDUAJYz3Op5oLPwWz04SuSEHJxFj\n"
      "0uS9sb8C4XWT47IylX1RCIzrxYN/S5/eIQ==\n"
      "-----END EC PRIVATE KEY-----\n");
  REQUIRE(key.ok());
  CsrTemplate want;
  want.common_name = "system:node:n1";
  want.organizations = {"system:nodes"};
  auto name = DigestedName(key->get(), want, UsagesOf(kClientSigner));
  CHECK(*name == "node-csr-Xfi_1S-BsOOmVDbgkbCTJAT3ByhJMoc--zEfgcmd_e4");
  CHECK(*name != *DigestedName(GenerateKey()->get(), want, UsagesOf(kClientSigner)));
  CHECK(*name != *DigestedName(key->get(), want, UsagesOf(kServingSigner)));
  want.common_name = "system:node:n1s";
  want.organizations = {"ystem:nodes"};
  CHECK(*name != *DigestedName(key->get(), want, UsagesOf(kClientSigner)));
}
