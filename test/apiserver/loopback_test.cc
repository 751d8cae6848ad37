// The whole server on loopback: TLS with the certificates it made, both kinds of credentials, the
// control port.
#include <stdlib.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <future>
#include <thread>

#include "apiserver/cluster.h"
#include "catch.h"
#include "fakes/api_server.h"

namespace kubelet::fakes::test {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

// Blocking HTTP/1.1, one request a connection; for a thread beside the server's.
template <typename Stream>
std::string Exchange(Stream& stream, const std::string& request) {
  asio::write(stream, asio::buffer(request));
  std::string answer;
  boost::system::error_code error;
  while (!error) {
    char buffer[4096];
    size_t n = stream.read_some(asio::buffer(buffer), error);
    answer.append(buffer, n);
  }
  return answer;
}

struct Client {
  uint16_t port;
  KeyPair pair;
  std::string ca, token;

  std::string Ask(const std::string& method, const std::string& path,
                  const std::string& body = "") const {
    std::string request =
        method + " " + path + " HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n";
    if (!token.empty()) request += "authorization: Bearer " + token + "\r\n";
    request += "content-length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    asio::io_context io;
    tcp::endpoint server(asio::ip::address_v4::loopback(), port);
    if (ca.empty()) {
      tcp::socket socket(io);
      socket.connect(server);
      return Exchange(socket, request);
    }
    asio::ssl::context context(asio::ssl::context::tls_client);
    context.add_certificate_authority(asio::buffer(ca));
    context.set_verify_mode(asio::ssl::verify_peer);
    if (!pair.certificate.empty()) {
      context.use_certificate_chain(asio::buffer(pair.certificate));
      context.use_private_key(asio::buffer(pair.key), asio::ssl::context::pem);
    }
    asio::ssl::stream<tcp::socket> stream(io, context);
    stream.lowest_layer().connect(server);
    boost::system::error_code error;
    stream.handshake(asio::ssl::stream_base::client, error);
    return error ? "handshake: " + error.message() : Exchange(stream, request);
  }
};

int Code(const std::string& answer) {
  return answer.size() > 12 ? std::atoi(answer.substr(9, 3).c_str()) : -1;
}

class Loopback {
 public:
  Loopback() : clock_(io_) {
    char name[] = "/tmp/apiserver-test-XXXXXX";
    dir = mkdtemp(name);
    Start();
  }
  ~Loopback() {
    server.reset();
    std::filesystem::remove_all(dir);
  }
  void Start() {
    server.reset();
    ApiServerOptions options;
    options.dir = dir;
    options.state_file = dir + "/state";
    auto started = ApiServer::Start(io_.get_executor(), clock_, options);
    REQUIRE(started.ok());
    server = *std::move(started);
  }
  // Runs `f` in a thread, and the server until it is done.
  template <typename F>
  auto With(F f) {
    auto done = std::async(std::launch::async, [this, f] {
      auto work = asio::make_work_guard(io_);
      auto result = f();
      asio::post(io_, [this] { io_.stop(); });
      return result;
    });
    io_.restart();
    auto work = asio::make_work_guard(io_);
    io_.run();
    return done.get();
  }
  Client Admin() const {
    return {server->http().port(), server->pki().admin, server->pki().ca.certificate(), ""};
  }
  std::string Control(const std::string& method, const std::string& path,
                      const std::string& body = "") {
    auto port = static_cast<uint16_t>(
        std::stoi(server->control_url().substr(server->control_url().rfind(':') + 1)));
    Client client{port, {}, "", ""};
    return With([=] { return client.Ask(method, path, body); });
  }

  std::string dir;
  std::unique_ptr<ApiServer> server;

 private:
  asio::io_context io_{1};
  base::RealClock clock_;
};

TEST_CASE("the server answers on loopback", "[apiserver][loopback]") {
  Loopback loop;
  Client admin = loop.Admin();
  CHECK(Code(loop.With([=] { return admin.Ask("GET", "/readyz"); })) == 200);
  CHECK(Code(loop.With([=] { return admin.Ask("GET", "/api/v1/nodes"); })) == 200);
  Client nobody = admin;
  nobody.pair = {};
  CHECK(Code(loop.With([=] { return nobody.Ask("GET", "/api/v1/nodes"); })) == 403);
  Client stranger = admin;
  CertificateOptions wanted;
  wanted.common_name = "system:node:n1";
  stranger.pair = CertificateAuthority("other").Issue(wanted);
  CHECK(Code(loop.With([=] { return stranger.Ask("GET", "/api/v1/nodes"); })) == 403);
  nobody.token = loop.server->pki().bootstrap_token;
  const char csrs[] = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
  CHECK(Code(loop.With([=] { return nobody.Ask("GET", csrs); })) == 200);
  for (const char* file : {"admin.conf", "kubelet.conf", "bootstrap.conf", "url", "control"})
    CHECK(std::filesystem::exists(loop.dir + "/" + file));

  CHECK(Code(loop.Control("POST", "/_test/faults",
                          R"({"path":"/nodes","status":429,"retryAfter":3})")) == 200);
  std::string refused = loop.With([=] { return admin.Ask("GET", "/api/v1/nodes"); });
  CHECK(Code(refused) == 429);
  CHECK(refused.find("retry-after: 3\r\n") != std::string::npos);
  CHECK(Code(loop.With([=] { return admin.Ask("GET", "/api/v1/nodes"); })) == 200);
  CHECK(Code(loop.Control("POST", "/_test/do", R"({"action":"nonsense"})")) == 400);

  CHECK(Code(loop.Control("POST", "/_test/do", R"({"action":"certificate","validUntil":-60})")) ==
        200);
  CHECK(loop.With([=] { return admin.Ask("GET", "/readyz"); })
            .rfind("handshake: certificate verify failed", 0) == 0);
}

TEST_CASE("a restarted server keeps keys and state", "[apiserver][loopback]") {
  Loopback loop;
  Client admin = loop.Admin();
  const char body[] = R"({"metadata":{"name":"kept"},"data":{"a":"b"}})";
  const char maps[] = "/api/v1/namespaces/default/configmaps";
  CHECK(Code(loop.With([=] { return admin.Ask("POST", maps, body); })) == 201);
  CHECK(Code(loop.Control("POST", "/_test/do", R"({"action":"save"})")) == 200);
  uint64_t revision = loop.server->store().revision();
  loop.Start();
  CHECK(loop.server->store().revision() == revision);
  admin.port = loop.server->http().port();
  CHECK(Code(loop.With([=] { return admin.Ask("GET", std::string(maps) + "/kept"); })) == 200);
}

}  // namespace
}  // namespace kubelet::fakes::test
