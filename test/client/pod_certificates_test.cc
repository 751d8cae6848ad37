#include "kubelet/client/pod_certificates.h"

#include <openssl/x509.h>

#include "client/loop.h"
#include "client/pem.h"
#include "client/x509.h"
#include "k8s/core/v1/service.pb.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/time.h"
#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

namespace core = api::core;
namespace beta = ::k8s::io::api::certificates::v1beta1;
using namespace std::chrono_literals;
constexpr Resource kRequests{"certificates.k8s.io", "v1beta1", "podcertificaterequests", true};

struct PodCertificatesFixture : test::ApiLoop {
  base::BlockingPool pool{io.get_executor(), clock, {}};
  base::Registry metrics;
  std::vector<std::string> changes, events;
  std::string node_uid = "node-1";
  api::PodPtr pod = PodOf("ECDSAP256");
  std::unique_ptr<PodCertificates> certificates;

  PodCertificatesFixture() {
    core::ServiceAccount account;
    account.mutable_metadata()->set_name("builder");
    account.mutable_metadata()->set_uid("sa-1");
    ObjectPath accounts;
    accounts.resource = kServiceAccounts;
    accounts.namespace_ = "shop";
    api.Put(accounts, account);
    PodCertificates::Deps deps{
        Reflector::Deps{io.get_executor(), clock, api, nullptr, [] { return 0.5; }},
        pool,
        "n1",
        [this] { return node_uid; },
        [] { return 0.5; },
        [this](const std::string& uid) { changes.push_back(uid); },
        [this](const core::Pod&, const std::string& reason, const std::string& message) {
          events.push_back(reason + ": " + message);
        },
        &metrics};
    certificates = std::make_unique<PodCertificates>(std::move(deps));
  }
  static api::PodPtr PodOf(const std::string& key_type) {
    auto pod = std::make_shared<core::Pod>();
    auto status = api::DecodeYaml(
        "{metadata: {name: web, namespace: shop, uid: u1}, spec: {serviceAccountName: builder, "
        "volumes: [{name: v, projected: {sources: [{podCertificate: {signerName: example.com/s, "
        "keyType: " +
            key_type +
            ", maxExpirationSeconds: 7200, credentialBundlePath: b, userAnnotations: "
            "{example.com/a: x}}}]}}]}}",
        *pod);
    INFO(status);
    REQUIRE(status.ok());
    return pod;
  }
  // Keys are made on another thread.
  void Until(const std::function<bool()>& done) {
    auto limit = std::chrono::steady_clock::now() + 60s;
    for (;;) {
      Run();
      if (done()) return;
      REQUIRE(std::chrono::steady_clock::now() < limit);
      io.restart();
      io.run_one_for(10ms);
    }
  }
  std::string Get() {
    auto got = certificates->Get(pod, "v", 0);
    return got.ok() ? got->chain_pem : "! " + base::Message(got.status());
  }
  std::vector<std::shared_ptr<const beta::PodCertificateRequest>> Requests() {
    std::vector<std::shared_ptr<const beta::PodCertificateRequest>> out;
    for (const auto& one : api.All(kRequests))
      out.push_back(std::dynamic_pointer_cast<const beta::PodCertificateRequest>(one));
    return out;
  }
  void Answer(const std::shared_ptr<const beta::PodCertificateRequest>& request,
              const std::string& type, const std::string& chain = "", base::Nanos refresh = 1h,
              base::Nanos life = 2h) {
    beta::PodCertificateRequest answer = *request;
    auto* condition = answer.mutable_status()->add_conditions();
    condition->set_type(type);
    condition->set_status("True");
    condition->set_reason("Because");
    condition->set_message("of it");
    answer.mutable_status()->set_certificate_chain(chain);
    *answer.mutable_status()->mutable_begin_refresh_at() = api::ToTime(clock.Now() + refresh);
    *answer.mutable_status()->mutable_not_after() = api::ToTime(clock.Now() + life);
    ObjectPath where;
    where.resource = kRequests;
    where.namespace_ = "shop";
    api.Put(where, answer);
    Run();
  }
};

const std::string kOne = PemText("CERTIFICATE", "one"), kTwo = PemText("CERTIFICATE", "two");

TEST_CASE("every key type makes a key and a proof of it") {
  for (const char* type : {"RSA3072", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"}) {
    INFO(type);
    auto made = MakeKeyAndProof(type);
    REQUIRE(made.ok());
    CHECK(made->key_pem.rfind("-----BEGIN PRIVATE KEY-----\n", 0) == 0);
    auto key = ParseKey(made->key_pem);
    REQUIRE(key.ok());
    const auto* at = reinterpret_cast<const unsigned char*>(made->request_der.data());
    CsrPtr request(d2i_X509_REQ(nullptr, &at, static_cast<long>(made->request_der.size())));
    REQUIRE(request);
    CHECK(X509_REQ_verify(request.get(), key->get()) == 1);
    CHECK(X509_NAME_entry_count(X509_REQ_get_subject_name(request.get())) == 0);
  }
  CHECK(base::Message(MakeKeyAndProof("DSA").status()) == "unknown key type \"DSA\"");
}

TEST_CASE("the first question makes one request, and its answer is the certificate") {
  PodCertificatesFixture f;
  CHECK(f.Get() == "! credential bundle is not issued yet");
  CHECK(f.Get() == "! credential bundle is not issued yet");
  f.Until([&] { return f.Requests().size() == 1; });
  const auto request = f.Requests()[0];
  CHECK(request->metadata().namespace_() == "shop");
  CHECK(request->metadata().owner_references(0).uid() == "u1");
  const auto& spec = request->spec();
  CHECK(spec.signer_name() == "example.com/s");
  CHECK(spec.pod_name() == "web");
  CHECK(spec.pod_uid() == "u1");
  CHECK(spec.service_account_name() == "builder");
  CHECK(spec.service_account_uid() == "sa-1");
  CHECK(spec.node_name() == "n1");
  CHECK(spec.node_uid() == "node-1");
  CHECK(spec.max_expiration_seconds() == 7200);
  CHECK(spec.unverified_user_annotations().at("example.com/a") == "x");
  CHECK_FALSE(spec.stub_pkcs10_request().empty());
  f.Until([&] { return f.api.open_watches("podcertificaterequests") == 1; });
  f.Answer(request, "Issued", "text\n" + kOne + "more\n" + kTwo);
  f.Until([&] { return !f.changes.empty(); });
  CHECK(f.changes == std::vector<std::string>{"u1"});
  CHECK(f.Get() == kOne + kTwo);
  CHECK(ParseKey(f.certificates->Get(f.pod, "v", 0)->key_pem).ok());
  CHECK(f.metrics.Render().find("kubelet_podcertificate_states{signer_name=\"example.com/s\","
                                "state=\"fresh\"} 1") != std::string::npos);
  f.Until([&] { return f.api.open_watches("podcertificaterequests") == 0; });
}

TEST_CASE("a certificate is renewed with another key, and the old one serves until then") {
  PodCertificatesFixture f;
  f.Get();
  f.Until([&] { return f.Requests().size() == 1; });
  f.Answer(f.Requests()[0], "Issued", kOne);
  f.Until([&] { return f.Get() == kOne; });
  std::string key = f.certificates->Get(f.pod, "v", 0)->key_pem;
  f.Advance(1h + 2min);  // half of the jitter is still to come
  CHECK(f.Requests().size() == 1);
  f.Advance(1min);
  f.Until([&] { return f.Requests().size() == 2; });
  CHECK(f.Get() == kOne);
  f.Advance(11min);
  CHECK(f.events ==
        std::vector<std::string>{"CertificateOverdueForRefresh: PodCertificate refresh overdue"});
  f.Advance(60min);
  CHECK(f.events.back() == "CertificateExpired: PodCertificate expired");
  CHECK(f.events.size() == 2);
  CHECK(f.Get() == kOne);
  CHECK(f.Requests().size() == 2);
  f.changes.clear();
  for (const auto& request : f.Requests())
    if (request->status().conditions_size() == 0) f.Answer(request, "Issued", kTwo);
  f.Until([&] { return f.Get() == kTwo; });
  CHECK(f.changes.size() == 1);
  CHECK(f.certificates->Get(f.pod, "v", 0)->key_pem != key);
}

TEST_CASE("a refusal is for good and names the signer's reason") {
  auto type = GENERATE(std::string("Denied"), std::string("Failed"));
  PodCertificatesFixture f;
  f.Get();
  f.Until([&] { return f.Requests().size() == 1; });
  f.Answer(f.Requests()[0], type);
  f.Until([&] { return !f.changes.empty(); });
  bool denied = type == "Denied";
  CHECK(f.Get() == "! PodCertificateRequest was permanently " +
                       std::string(denied ? "denied" : "failed") +
                       ": reason=\"Because\" message=\"of it\"");
  REQUIRE(f.events.size() == 1);
  CHECK(f.events[0].find(type + ": PodCertificateRequest shop/") == 0);
  f.Advance(2h);
  CHECK(f.Requests().size() == 1);
}

TEST_CASE("a server that is away, or a node that is not registered, is waited for") {
  PodCertificatesFixture f;
  f.node_uid.clear();
  f.Get();
  f.Run();
  CHECK(f.Requests().empty());
  f.node_uid = "node-1";
  f.api.Down();
  f.Advance(5s);
  f.api.Up();
  f.Advance(1min);
  f.Until([&] {
    f.Advance(1s);
    return f.Requests().size() == 1;
  });
  CHECK(f.Get() == "! credential bundle is not issued yet");
}

TEST_CASE("a request that somebody deleted is made anew after a while") {
  PodCertificatesFixture f;
  f.Get();
  f.Until([&] { return f.Requests().size() == 1; });
  ObjectPath one;
  one.resource = kRequests;
  one.namespace_ = "shop";
  one.name = f.Requests()[0]->metadata().name();
  REQUIRE(f.api.Remove(one).ok());
  f.Advance(5min);
  CHECK(f.Requests().empty());
  f.Until([&] {
    f.Advance(1min);
    return f.Requests().size() == 1;
  });
}

TEST_CASE("a pod that is gone leaves nothing to be done") {
  PodCertificatesFixture f;
  f.Get();
  f.Until([&] { return f.Requests().size() == 1; });
  f.certificates->ForgetPod("u1");
  f.Until([&] { return f.api.open_watches("podcertificaterequests") == 0; });
  f.Answer(f.Requests()[0], "Issued", kOne);
  f.Advance(3h);
  CHECK(f.changes.empty());
  CHECK(f.Requests().size() == 1);
  CHECK(f.metrics.Render().find("signer_name=") == std::string::npos);
}

}  // namespace
}  // namespace kubelet::client
