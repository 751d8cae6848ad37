#include "client/certificate_store.h"

#include "creds_support.h"

using namespace kubelet;
using namespace kubelet::client;
using namespace kubelet::client::support;

namespace {

struct CertificateStoreBench {
  TempDir dir;
  TestCa ca;
  base::WallTime now = base::WallFromUnixNanos(1'700'000'000'000'000'000);
  CertificateStore store{"kubelet-client", dir / "pki"};
  PemPair Pair(const std::string& name) { return ca.Issue(name, now - 1h, now + 24h); }
  std::string Current() {
    auto pair = store.Load();
    INFO(pair.status());
    REQUIRE(pair.ok());
    return pair->info.common_name;
  }
};

}  // namespace

TEST_CASE("certificate store: the layout is upstream's") {
  CertificateStoreBench b;
  CHECK(absl::IsNotFound(b.store.Load().status()));
  auto stored = b.store.Update(b.Pair("one"), b.now);
  REQUIRE(stored.ok());
  std::string file = b.dir / "pki/kubelet-client-2023-11-14-22-13-20.pem";
  CHECK(fs::read_symlink(b.store.CurrentPath()) == file);
  CHECK(b.store.CurrentPath() == b.dir / "pki/kubelet-client-current.pem");
  CHECK(ModeOf(file) == 0600);
  std::string text = Read(file);
  CHECK(text.find("BEGIN CERTIFICATE") < text.find("BEGIN EC PRIVATE KEY"));
  CHECK(b.Current() == "one");
  REQUIRE(b.store.Update(b.Pair("two"), b.now + 1s).ok());
  CHECK(b.Current() == "two");
  CHECK(b.store.Load()->warning == "");
  CHECK(fs::exists(file));
  CHECK(std::distance(fs::directory_iterator(b.dir / "pki"), fs::directory_iterator()) == 3);
}

TEST_CASE("certificate store: a pair that does not belong together changes nothing") {
  CertificateStoreBench b;
  REQUIRE(b.store.Update(b.Pair("one"), b.now).ok());
  PemPair mixed = b.Pair("two");
  mixed.key_pem = b.Pair("three").key_pem;
  CHECK(absl::IsInvalidArgument(b.store.Update(mixed, b.now + 1s).status()));
  CHECK(b.Current() == "one");
}

TEST_CASE("certificate store: a crash between any two steps leaves the old pair or the new one") {
  CertificateStoreBench b;
  bool had_old = GENERATE(false, true);
  if (had_old) REQUIRE(b.store.Update(b.Pair("old"), b.now).ok());
  PemPair fresh = b.Pair("new");
  std::string text = fresh.cert_pem + fresh.key_pem, file = b.store.Path("2024-01-01-00-00-00");
  fs::create_directories(b.dir / "pki");
  SECTION("while the file was written") {
    Write(b.dir / "pki/.kubelet-client-2024-01-01-00-00-00.pem.1.1.tmp", text.substr(0, 300));
    if (had_old) CHECK(b.Current() == "old");
    if (!had_old) CHECK(absl::IsNotFound(b.store.Load().status()));
  }
  SECTION("before the link was made") {
    Write(file, text);
    CHECK(b.Current() == (had_old ? "old" : "new"));
  }
  SECTION("before the link was renamed") {
    Write(file, text);
    fs::create_symlink(file, b.store.Path("updated"));
    CHECK(b.Current() == (had_old ? "old" : "new"));
    if (!had_old) CHECK(fs::is_symlink(b.store.CurrentPath()));
  }
  REQUIRE(b.store.Update(b.Pair("next"), b.now + 1h).ok());
  CHECK(b.Current() == "next");
  CHECK_FALSE(fs::exists(b.store.Path("updated")));
}

TEST_CASE("certificate store: broken files are told, and an older pair stands in") {
  CertificateStoreBench b;
  REQUIRE(b.store.Update(b.Pair("old"), b.now).ok());
  REQUIRE(b.store.Update(b.Pair("new"), b.now + 1s).ok());
  std::string target = fs::read_symlink(b.store.CurrentPath());
  std::string want;
  SECTION("cut short") {
    std::string text = Read(target);
    Write(target, text.substr(0, text.size() / 2));
  }
  SECTION("empty") { Write(target, ""); }
  SECTION("gone") { fs::remove(target); }
  SECTION("no file") {
    fs::remove(target);
    fs::create_directory(target);
  }
  auto pair = b.store.Load();
  REQUIRE(pair.ok());
  CHECK(pair->info.common_name == "old");
  CHECK(Contains(pair->warning, "kubelet-client-current.pem"));
  fs::remove(b.store.Path("2023-11-14-22-13-20"));
  auto none = b.store.Load();
  CHECK(absl::IsFailedPrecondition(none.status()));
  CHECK(Contains(std::string(none.status().message()), "kubelet-client-current.pem"));
}

TEST_CASE("certificate store: the pair of the configuration, then .crt and .key") {
  CertificateStoreBench b;
  CertificateStore store("kubelet-client", b.dir / "pki", b.dir / "c.pem", b.dir / "k.pem");
  auto legacy = b.Pair("legacy"), configured = b.Pair("configured");
  Write(b.dir / "pki/kubelet-client.crt", legacy.cert_pem);
  CHECK(absl::IsNotFound(store.Load().status()));
  Write(b.dir / "pki/kubelet-client.key", legacy.key_pem);
  CHECK(store.Load()->info.common_name == "legacy");
  Write(b.dir / "c.pem", configured.cert_pem);
  CHECK(store.Load()->info.common_name == "legacy");
  Write(b.dir / "k.pem", configured.key_pem);
  CHECK(store.Load()->info.common_name == "configured");
  REQUIRE(store.Update(b.Pair("own"), b.now).ok());
  CHECK(store.Load()->info.common_name == "own");
}

TEST_CASE("certificate store: a file in the link's place is kept under another name") {
  CertificateStoreBench b;
  auto own = b.Pair("by hand");
  Write(b.store.CurrentPath(), own.cert_pem + own.key_pem);
  CHECK(b.Current() == "by hand");
  REQUIRE(b.store.Update(b.Pair("new"), b.now).ok());
  CHECK(b.Current() == "new");
  CHECK(Read(b.store.Path("replaced-2023-11-14-22-13-20")) == own.cert_pem + own.key_pem);
}
