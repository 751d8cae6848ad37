#include "client/x509.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "creds_support.h"

using namespace kubelet;
using namespace kubelet::client;
using namespace kubelet::client::support;

TEST_CASE("x509: what goes into a request comes out of the certificate") {
  TestCa ca;
  CsrTemplate want;
  want.common_name = "system:node:" + std::string(200, 'n');  // OpenSSL's own limit is 64
  want.organizations = {"system:nodes", "o,CN=evil"};
  want.dns_names = {"a.b", "c,DNS:evil"};
  want.ip_addresses = {"10.0.0.1", "fd00::1"};
  auto from = base::WallFromUnixNanos(1'600'000'000'000'000'000);
  auto pair = ca.Issue(want, from, from + 24h);
  auto info = CheckPair(pair.cert_pem, pair.key_pem);
  REQUIRE(info.ok());
  CHECK(info->common_name == want.common_name);
  CHECK(info->organizations == want.organizations);
  CHECK(info->dns_names == want.dns_names);
  CHECK(info->ip_addresses == want.ip_addresses);
  CHECK(info->not_before == from);
  CHECK(info->not_after == from + 24h);
  CHECK(Satisfies(*info, want));
  want.dns_names.push_back("d");
  CHECK_FALSE(Satisfies(*info, want));
}

TEST_CASE("x509: keys that are encrypted, broken or another's are refused without a question") {
  KeyPtr key = *GenerateKey();
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_PKCS8PrivateKey(out, key.get(), EVP_aes_128_cbc(), "pw", 2, nullptr, nullptr);
  char* data = nullptr;
  long size = BIO_get_mem_data(out, &data);
  std::string encrypted(data, static_cast<size_t>(size));
  BIO_free(out);
  CHECK(absl::IsInvalidArgument(ParseKey(encrypted).status()));
  CHECK(absl::IsInvalidArgument(ParseKey("").status()));
  std::string pem = *KeyPem(key.get());
  CHECK(pem.rfind("-----BEGIN EC PRIVATE KEY-----", 0) == 0);
  CHECK(ParseKey("junk\n" + TestCa().pem() + pem).ok());
  CHECK_FALSE(ParseKey(pem.substr(0, pem.size() / 2)).ok());
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("x509: a broken certificate behind a good one is an error") {
  std::string good = TestCa().pem();
  CHECK(ParseCertificates(good + good)->size() == 2);
  CHECK(ParseCertificates("text\n" + good + "more text")->size() == 1);
  std::string bad = good;
  bad[bad.size() / 2] = '*';
  CHECK_FALSE(ParseCertificates(good + bad).ok());
  CHECK_FALSE(ParseCertificates("").ok());
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("x509: times beyond the range of the clock are clamped") {
  TestCa ca;
  auto end = base::WallTime::max() - std::chrono::hours(48);
  auto pair = ca.Issue("n", base::WallFromUnixNanos(0), end);
  CHECK(CheckPair(pair.cert_pem, pair.key_pem)->not_after <= base::WallTime::max());
}
