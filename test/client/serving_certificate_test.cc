#include "kubelet/client/serving_certificate.h"

#include <openssl/x509v3.h>

#include "fake_signer.h"

using namespace kubelet;
using namespace kubelet::client;
using namespace kubelet::client::support;
using Addresses = google::protobuf::RepeatedPtrField<k8s::io::api::core::v1::NodeAddress>;

namespace {

Addresses Make(const std::vector<std::pair<std::string, std::string>>& list) {
  Addresses out;
  for (const auto& [type, address] : list) {
    auto* one = out.Add();
    one->set_type(type);
    one->set_address(address);
  }
  return out;
}

struct ServingCertificateBench {
  TempDir dir;
  Loop loop;
  FakeSigner signer{loop.io.get_executor(), loop.clock};
  std::unique_ptr<Api> api = signer.Client(nullptr);
  ServingOptions options;
  int changes = 0;
  std::unique_ptr<ServingCertificate> serving;
  ServingCertificateBench() {
    options.cert_dir = dir / "pki";
    options.hostname = "host.example";
    options.node_name = "n1";
  }
  ~ServingCertificateBench() {
    if (serving) loop.AwaitVoid(serving->Stop());
  }
  void Start() {
    ServingCertificate::Deps deps{loop.io.get_executor(), loop.clock, loop.pool, api.get()};
    deps.random = [] { return 0.0; };
    deps.changed = [this] { ++changes; };
    serving = std::make_unique<ServingCertificate>(options, deps);
    serving->Start();
    loop.Settle();
  }
  CertificateInfo Info() {
    auto now = serving->Current();
    INFO(now.status());
    REQUIRE(now.ok());
    return *CheckPair(now->cert_pem, now->key_pem);
  }
  void Advance(base::Nanos d) {
    loop.clock.Advance(d, [this] { loop.Settle(); });
  }
};

}  // namespace

TEST_CASE("serving: names and addresses of the node, as upstream") {
  auto names = ComputeServingNames(Make({{"Hostname", "b"},
                                         {"Hostname", "10.0.0.9"},
                                         {"InternalIP", "10.0.0.2"},
                                         {"InternalIP", "10.0.0.2"},
                                         {"ExternalIP", "2001:DB8::1"},
                                         {"InternalIP", "no ip"},
                                         {"InternalDNS", "a"},
                                         {"ExternalDNS", ""},
                                         {"Other", "x"}}));
  CHECK(names.dns_names == std::vector<std::string>{"a", "b"});
  CHECK(names.ip_addresses == std::vector<std::string>{"10.0.0.2", "10.0.0.9", "2001:db8::1"});
}

TEST_CASE("serving: self-signed when nothing is configured, and kept over a restart") {
  ServingCertificateBench b;
  SECTION("a name") {}
  SECTION("a crash left the key alone") { Write(b.dir / "pki/kubelet.key", "x"); }
  b.Start();
  auto info = b.Info();
  CHECK(info.common_name == "host.example@1700000000");
  CHECK(info.dns_names == std::vector<std::string>{"host.example"});
  CHECK(info.not_after - info.not_before == std::chrono::hours(24 * 365));
  auto chain = *ParseCertificates(Read(b.dir / "pki/kubelet.crt"));
  REQUIRE(chain.size() == 2);
  CHECK(InfoOf(chain[1].get())->common_name == "host.example-ca@1700000000");
  CHECK(X509_verify(chain[0].get(), X509_get0_pubkey(chain[1].get())) == 1);
  CHECK(X509_check_host(chain[0].get(), "host.example", 0, 0, nullptr) == 1);
  CHECK(ModeOf(b.dir / "pki/kubelet.key") == 0600);
  CHECK(ModeOf(b.dir / "pki/kubelet.crt") == 0644);
  std::string before = Read(b.dir / "pki/kubelet.crt");
  b.loop.AwaitVoid(b.serving->Stop());
  b.Start();
  CHECK(Read(b.dir / "pki/kubelet.crt") == before);
  CHECK(b.signer.creates == 0);
}

TEST_CASE("serving: a certificate of one's own is never written over") {
  ServingCertificateBench b;
  Write(b.dir / "pki/kubelet.crt", "half");
  b.Start();
  CHECK(Read(b.dir / "pki/kubelet.crt") == "half");
  CHECK(absl::IsUnavailable(b.serving->Current().status()));
  CHECK(Contains(std::string(b.serving->Current().status().message()), "kubelet.key"));
}

TEST_CASE("serving: files are read again when they change, half of a change is not taken") {
  ServingCertificateBench b;
  auto now = b.loop.clock.Now();
  auto one = b.signer.ca.Issue("one", now - 1h, now + 9h);
  auto two = b.signer.ca.Issue("two", now - 1h, now + 9h);
  b.options.tls_cert_file = b.dir / "c";
  b.options.tls_key_file = b.dir / "k";
  Write(b.dir / "c", one.cert_pem);
  Write(b.dir / "k", one.key_pem);
  b.Start();
  CHECK(b.Info().common_name == "one");
  CHECK(b.serving->generation() == 1);
  Write(b.dir / "c", two.cert_pem);
  b.Advance(11s);
  CHECK(b.Info().common_name == "one");
  Write(b.dir / "k", two.key_pem);
  b.Advance(11s);
  CHECK(b.Info().common_name == "two");
  CHECK(b.serving->generation() == 2);
  b.Advance(60s);
  CHECK(b.serving->generation() == 2);
  CHECK_FALSE(fs::exists(b.options.cert_dir));
}

TEST_CASE("serving: requested once there is an address, and anew when one is missing") {
  ServingCertificateBench b;
  b.options.bootstrap = true;
  b.Start();
  b.Advance(30s);
  b.serving->SetAddresses(Make({{"Hostname", "h"}}));
  b.loop.Settle();
  CHECK(b.signer.creates == 0);
  CHECK_FALSE(b.serving->Current().ok());
  b.signer.mode = FakeSigner::Mode::kHold;
  b.serving->SetAddresses(Make({{"Hostname", "h"}, {"InternalIP", "10.0.0.1"}}));
  b.loop.Settle();
  REQUIRE(b.signer.creates == 1);
  auto csr = b.signer.csrs.begin()->second;
  CHECK(csr.spec().signer_name() == "kubernetes.io/kubelet-serving");
  CHECK(csr.spec().usages(1) == "server auth");
  CHECK(csr.metadata().name() == "csr-x1");
  // What waits is not wanted any more.
  b.signer.mode = FakeSigner::Mode::kApprove;
  b.serving->SetAddresses(Make({{"Hostname", "h"}, {"InternalIP", "10.0.0.2"}}));
  b.loop.Settle();
  CHECK(b.signer.creates == 2);
  CHECK(b.signer.open_watches() == 0);
  CHECK(b.Info().common_name == "system:node:n1");
  CHECK(b.Info().ip_addresses == std::vector<std::string>{"10.0.0.2"});
  CHECK(b.Info().dns_names == std::vector<std::string>{"h"});
  CHECK(fs::is_symlink(b.dir / "pki/kubelet-server-current.pem"));
  // Fewer addresses are no reason, another is.
  b.serving->SetAddresses(Make({{"InternalIP", "10.0.0.2"}}));
  b.Advance(30s);
  CHECK(b.signer.creates == 2);
  b.serving->SetAddresses(Make({{"InternalIP", "fd00::1"}}));
  b.loop.Settle();
  CHECK(b.signer.creates == 3);
  CHECK(b.Info().ip_addresses == std::vector<std::string>{"fd00::1"});
  CHECK(b.serving->health().ok());
}

TEST_CASE("client CA bundle: reloaded, and the last good kept") {
  TempDir dir;
  Loop loop;
  TestCa one, two;
  CaBundle::Deps deps{loop.io.get_executor(), loop.clock, loop.pool};
  int changes = 0;
  deps.changed = [&changes] { ++changes; };
  CaBundle bundle(dir / "ca.crt", deps);
  bundle.Start();
  auto advance = [&] { loop.clock.Advance(10s, [&] { loop.Settle(); }); };
  loop.Settle();
  CHECK(bundle.pem() == "");
  CHECK_FALSE(bundle.problem().ok());
  Write(dir / "ca.crt", "# comment\n" + one.pem());
  advance();
  CHECK(bundle.pem() == one.pem());
  CHECK(bundle.generation() == 1);
  for (const std::string& bad : {std::string(), two.pem().substr(0, 200), std::string("x")}) {
    Write(dir / "ca.crt", bad);
    advance();
    CHECK(bundle.pem() == one.pem());
    CHECK_FALSE(bundle.problem().ok());
  }
  Write(dir / "ca.crt", one.pem() + two.pem());
  advance();
  CHECK(bundle.pem() == one.pem() + two.pem());
  CHECK(bundle.generation() == 2);
  CHECK(changes == 2);
  CHECK(bundle.problem().ok());
  loop.AwaitVoid(bundle.Stop());
}
