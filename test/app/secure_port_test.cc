#include "app/secure_port.h"

#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <csignal>
#include <fstream>

#include "catch.h"
#include "fakes/certificates.h"
#include "fakes/fake_runtime.h"
#include "os/temp_dir.h"

namespace kubelet::app {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

class NoPods : public runtime::PodObserver {
 public:
  runtime::ObservedPodPtr Get(const std::string&) const override { return nullptr; }
  bool Known(const std::string&) const override { return true; }
  base::Task<absl::StatusOr<runtime::ObservedPodPtr>> Refresh(std::string) override {
    runtime::ObservedPodPtr none = std::make_shared<runtime::ObservedPod>();
    co_return none;
  }
  void Hold(const std::string&, bool) override {}
};

enum class Met { kRefused, kNotAsked, kAsked };  // whether the client is asked for a certificate

// One handshake; the port answers from its own thread.
Met Meet(uint16_t port) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to what the port has closed
  bool asked = false;
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_client_cert_cb(context, [](SSL* ssl, X509**, EVP_PKEY**) {
    *static_cast<bool*>(SSL_get_app_data(ssl)) = true;
    return 0;
  });
  SSL* ssl = SSL_new(context);
  SSL_set_app_data(ssl, &asked);
  asio::io_context io;
  asio::ip::tcp::socket socket(io);
  socket.connect({asio::ip::address_v4::loopback(), port});
  timeval patience{20, 0};
  setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  SSL_set_fd(ssl, socket.native_handle());
  bool shaken = SSL_connect(ssl) == 1;
  SSL_free(ssl);
  SSL_CTX_free(context);
  if (!shaken) return Met::kRefused;
  return asked ? Met::kAsked : Met::kNotAsked;
}

struct SecurePortBench {
  test::TempDir dir;
  asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};
  config::LoadedConfig config;
  Node node;
  base::Registry metrics;
  NoPods observer;
  test::FakeRuntime world{io.get_executor(), clock};
  test::FakeRuntimeClient runtime{world};
  podstore::PodStore store{{}};
  std::unique_ptr<client::ServingCertificate> certificate;
  std::unique_ptr<SecurePort> port;

  explicit SecurePortBench(const std::string& fields) {
    node.name = "node";
    Load(fields);
    client::ServingOptions options;
    options.cert_dir = dir.path();
    options.hostname = options.node_name = node.name;
    client::ServingCertificate::Deps parts{io.get_executor(), clock, pool};
    parts.random = [] { return 0.5; };
    certificate = std::make_unique<client::ServingCertificate>(options, std::move(parts));
    certificate->Start();
    REQUIRE(Until([&] { return certificate->Current().ok(); }));
    SecurePort::Deps deps{io.get_executor(), clock,    pool,    config, node,
                          metrics,           observer, runtime, store};
    deps.certificate = certificate.get();
    port = std::make_unique<SecurePort>(std::move(deps));
    port->Start();
    REQUIRE(Until([&] { return port->port() != 0; }));
  }
  ~SecurePortBench() {
    port->Stop();
    port.reset();
    bool stopped = false;
    base::TaskScope scope(io.get_executor());
    scope.Spawn("stop", StopIt(&stopped));
    Until([&] { return stopped; });
    certificate.reset();
  }
  void Load(const std::string& fields) {
    std::ofstream(dir / "config.yaml") << "apiVersion: kubelet.config.k8s.io/v1beta1\n"
                                           "kind: KubeletConfiguration\naddress: 127.0.0.1\n"
                                        << fields;
    std::vector<std::string> args = {"--config=" + (dir / "config.yaml")};
    auto line = config::ParseCommandLine(args);
    REQUIRE(line.ok());
    auto loaded = config::Load(*line, config::FileReader());
    INFO(loaded.status());
    REQUIRE(loaded.ok());
    config = *loaded;
    config.kubelet.set_port(0);
  }
  base::Task<void> StopIt(bool* stopped) {
    co_await certificate->Stop();
    *stopped = true;
  }
  template <typename Condition>
  bool Until(Condition condition) {
    auto limit = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      io.restart();
      io.run_one_for(2ms);
    }
    return true;
  }
};

TEST_CASE("without a client CA certificates are not asked for") {
  SecurePortBench bench("");
  CHECK(Meet(bench.port->port()) == Met::kNotAsked);
}

TEST_CASE("no handshake before a configured client CA is read, which may come later") {
  test::TempDir dir;
  std::string ca = dir / "ca.crt";
  SecurePortBench bench("authentication: {x509: {clientCAFile: " + ca + "}}\n");
  CHECK(Meet(bench.port->port()) == Met::kRefused);
  fakes::CertificateAuthority clients("clients");
  std::ofstream(ca) << clients.certificate();
  Met met = Met::kRefused;
  CHECK(bench.Until([&] {
    bench.clock.Advance(10s, [&] {
      bench.io.restart();
      bench.io.poll();
    });
    met = Meet(bench.port->port());
    return met != Met::kRefused;
  }));
  CHECK(met == Met::kAsked);
}

}  // namespace
}  // namespace kubelet::app
