// The HTTPS port on an event loop polled by hand, with an API server in memory, pods as the test
// says, and clients over loopback.
#pragma once

#include <linux/sockios.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>

#include "catch.h"
#include "fakes/certificates.h"
#include "fakes/fake_runtime.h"
#include "fakes/memory_api.h"
#include "k8s/authentication/v1/authentication.pb.h"
#include "k8s/authorization/v1/authorization.pb.h"
#include "kubelet/base/promise.h"
#include "kubelet/server/secure_server.h"

namespace kubelet::server {

using namespace std::chrono_literals;

class Observer : public runtime::PodObserver {
 public:
  std::map<std::string, runtime::ObservedPodPtr> pods;
  runtime::ObservedPodPtr Get(const std::string& uid) const override {
    auto it = pods.find(uid);
    return it == pods.end() ? nullptr : it->second;
  }
  bool Known(const std::string&) const override { return true; }
  base::Task<absl::StatusOr<runtime::ObservedPodPtr>> Refresh(std::string uid) override {
    auto pod = Get(uid);
    if (!pod) pod = std::make_shared<runtime::ObservedPod>();
    co_return pod;
  }
  void Hold(const std::string&, bool) override {}
};

// Streams lead to a URL of the test's.
class Runtime : public test::FakeRuntimeClient {
 public:
  using FakeRuntimeClient::FakeRuntimeClient;
  absl::StatusOr<std::string> url = absl::UnavailableError("no URL");
  std::vector<std::string> command;
  StreamOptions options;
  std::vector<int32_t> ports;
  runtime::ExecResult result;
  base::Executor executor;
  bool endless = false, cancelled = false;  // commands
  absl::Status checkpoint;
  std::vector<std::string> checkpoints;  // container, path, seconds
  base::Task<absl::Status> CheckpointContainer(runtime::ContainerId id, std::string path,
                                               std::chrono::seconds timeout) {
    checkpoints.push_back(id.str() + " " + path + " " + std::to_string(timeout.count()));
    co_return checkpoint;
  }
  base::Task<absl::StatusOr<runtime::ExecResult>> ExecSync(runtime::ContainerId,
                                                           std::vector<std::string> c,
                                                           std::chrono::seconds) override {
    command = std::move(c);
    if (endless) {
      base::Promise<bool> ended(executor);
      std::function<void()> hook = [this, ended] {
        cancelled = true;
        ended.Set(true);
      };
      ended.OnCancel(std::move(hook));
      co_await ended.Get();
    }
    co_return result;
  }
  base::Task<absl::StatusOr<std::string>> ExecUrl(runtime::ContainerId, std::vector<std::string> c,
                                                  StreamOptions o) override {
    command = std::move(c);
    options = o;
    co_return url;
  }
  base::Task<absl::StatusOr<std::string>> AttachUrl(runtime::ContainerId,
                                                    StreamOptions o) override {
    options = o;
    co_return url;
  }
  base::Task<absl::StatusOr<std::string>> PortForwardUrl(runtime::SandboxId,
                                                         std::vector<int32_t> p) override {
    ports = std::move(p);
    co_return url;
  }
};

struct SecureBench {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  base::BlockingPool pool{io.get_executor(), clock, {}};
  test::MemoryApi api{io.get_executor(), clock};
  std::set<std::string> allowed{"alice", "bob"};  // users who may do everything
  fakes::CertificateAuthority clients{"clients"}, others{"others"}, servers{"servers"};
  auth::Authenticator authenticator{{io.get_executor(), clock, &api}, {}};
  auth::Authorizer authorizer{{io.get_executor(), clock, &api}, {}};
  Observer observer;
  test::FakeRuntime world{io.get_executor(), clock};
  Runtime runtime{world};
  std::map<std::string, std::shared_ptr<api::core::Pod>> pods;  // ns/name
  std::map<std::string, api::core::PodStatus> statuses;
  std::unique_ptr<PodAccess> access;
  std::unique_ptr<SecureServer> server;
  TlsMaterial material;
  std::string dir;

  explicit SecureBench(SecureServer::Options options = {},
                       const std::string& address = "127.0.0.1") {
    std::string name = (std::filesystem::temp_directory_path() / "kubelet-https-XXXXXX").string();
    dir = mkdtemp(name.data());
    runtime.executor = io.get_executor();
    api.set_handler([this](const client::Call& call, google::protobuf::Message* out) {
      return Review(call, out);
    });
    PodAccess::Deps deps{observer, runtime};
    deps.find = [this](const std::string& ns, const std::string& pod) -> api::PodPtr {
      auto it = pods.find(ns + "/" + pod);
      return it == pods.end() ? nullptr : it->second;
    };
    deps.status = [this](const std::string& uid) -> const api::core::PodStatus* {
      auto it = statuses.find(uid);
      return it == statuses.end() ? nullptr : &it->second;
    };
    deps.checkpoints_dir = "/checkpoints";
    deps.checkpoint = [this](runtime::ContainerId id, std::string path,
                             std::chrono::seconds timeout) {
      return runtime.CheckpointContainer(std::move(id), std::move(path), timeout);
    };
    deps.clock = &clock;
    access = std::make_unique<PodAccess>(std::move(deps));
    options.address = address;
    options.port = 0;
    Handler documents = [](const Request& request) {
      Response response;
      response.body = "document " + request.path;
      if (request.query.contains("pieces")) {
        response.pieces = [made = 0](std::string& out) mutable {
          out = made < 5 ? std::string(100'000, static_cast<char>('a' + made)) : "";
          return made++ < 5;
        };
      }
      return response;
    };
    server = std::make_unique<SecureServer>(
        SecureServer::Deps{io.get_executor(), authenticator, authorizer, *access, documents,
                           nullptr},
        std::move(options), SecureServer::Place{io.get_executor(), clock, pool});
    auto started = server->Start();
    INFO(started);
    REQUIRE(started.ok());
    UseCertificate("node-1");
  }
  ~SecureBench() {
    server.reset();
    Run();
    std::filesystem::remove_all(dir);
  }

  void UseCertificate(const std::string& name) {
    fakes::CertificateOptions options;
    options.common_name = name;
    options.names = "IP:127.0.0.1";
    auto pair = servers.Issue(options);
    material.cert_pem = pair.certificate;
    material.key_pem = pair.key;
    material.client_ca_pem = clients.certificate();
    ++material.generation;
    server->SetTls(material);
  }
  std::optional<absl::Status> Review(const client::Call& call, google::protobuf::Message* out) {
    namespace authn = ::k8s::io::api::authentication::v1;
    namespace authz = ::k8s::io::api::authorization::v1;
    if (const auto* asked = dynamic_cast<const authn::TokenReview*>(call.body.get())) {
      auto& status = *dynamic_cast<authn::TokenReview&>(*out).mutable_status();
      status.set_authenticated(asked->spec().token() == "bobs");
      status.mutable_user()->set_username("bob");
      return absl::OkStatus();
    }
    if (const auto* asked = dynamic_cast<const authz::SubjectAccessReview*>(call.body.get())) {
      dynamic_cast<authz::SubjectAccessReview&>(*out).mutable_status()->set_allowed(
          allowed.contains(asked->spec().user()));
      return absl::OkStatus();
    }
    return std::nullopt;
  }

  void Run() {
    io.restart();
    io.poll();
  }
  // Runs the loop until it is so; work of the pool comes in by itself.
  template <typename Condition>
  bool Until(Condition condition) {
    auto limit = std::chrono::steady_clock::now() + 10s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      io.restart();
      io.run_one_for(2ms);
    }
    return true;
  }
  void Advance(base::Nanos d) {
    clock.Advance(d, [this] { Run(); });
  }

  // A pod of one container `c` that runs, with a log file.
  std::string AddPod(const std::string& name) {
    auto pod = std::make_shared<api::core::Pod>();
    pod->mutable_metadata()->set_name(name);
    pod->mutable_metadata()->set_namespace_("ns");
    pod->mutable_metadata()->set_uid(name + "-uid");
    pod->mutable_spec()->add_containers()->set_name("c");
    pods["ns/" + name] = pod;
    auto* container = statuses[name + "-uid"].add_container_statuses();
    container->set_name("c");
    container->set_container_id("containerd://" + name + "-c");
    container->mutable_state()->mutable_running();
    std::filesystem::create_directories(dir + "/" + name + "/c");
    std::string log = dir + "/" + name + "/c/0.log";
    std::ofstream file(log);
    SetState(name, runtime::ContainerState::kRunning);
    return log;
  }
  void SetState(const std::string& name, runtime::ContainerState state) {
    auto observed = std::make_shared<runtime::ObservedPod>();
    observed->uid = name + "-uid";
    runtime::Sandbox sandbox;
    sandbox.id = runtime::SandboxId(name + "-sandbox");
    sandbox.state = runtime::SandboxState::kReady;
    observed->sandboxes.push_back(sandbox);
    runtime::ContainerStatus container;
    container.id = runtime::ContainerId(name + "-c");
    container.name = "c";
    container.state = state;
    container.log_path = dir + "/" + name + "/c/0.log";
    observed->containers.push_back(container);
    observer.pods[observed->uid] = observed;
    server->PodChanged(observed->uid);
  }
};

inline void Append(const std::string& file, const std::string& text) {
  std::ofstream(file, std::ios::app | std::ios::binary) << text;
}
inline std::string Line(const std::string& text) {
  return "2020-01-01T00:00:00Z stdout F " + text + "\n";
}

// One TLS connection to the port.
class TlsClient {
 public:
  // `certificate`: what it shows; null: nothing.
  explicit TlsClient(SecureBench& bench, const fakes::KeyPair* certificate = nullptr,
                     bool handshake = true, int newest = 0, const char* groups = nullptr)
      : bench_(bench), context_(SSL_CTX_new(TLS_client_method())) {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to what the server has closed
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    boost::asio::ip::tcp::endpoint endpoint(boost::asio::ip::address_v4::loopback(),
                                            bench.server->port());
    connect(fd_, endpoint.data(), static_cast<socklen_t>(endpoint.size()));
    if (certificate != nullptr) Show(*certificate);
    if (newest != 0) SSL_CTX_set_max_proto_version(context_, newest);
    if (groups != nullptr) SSL_CTX_set1_groups_list(context_, groups);
    const unsigned char offered[] = "\x02h2\x08http/1.1";
    SSL_CTX_set_alpn_protos(context_, offered, sizeof offered - 1);
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd_);
    SSL_set_connect_state(ssl_);
    if (handshake) shaken = Shakes();
  }
  ~TlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    if (fd_ >= 0) close(fd_);
  }
  bool Shakes() {
    return bench_.Until([this] { return Handshake(); }) && SSL_is_init_finished(ssl_) != 0;
  }
  bool shaken = false;
  bool ended = false, broken = false;  // by the server: in good order, otherwise

  std::string Alpn() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_, &name, &size);
    return std::string(reinterpret_cast<const char*>(name), size);
  }
  std::string ServerName() const {
    X509* certificate = SSL_get1_peer_certificate(ssl_);
    char text[256] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text,
                              sizeof text);
    X509_free(certificate);
    return text;
  }
  void Send(const std::string& text) {
    size_t sent = 0;
    bench_.Until([&] {
      size_t n = 0;
      if (sent < text.size() && SSL_write_ex(ssl_, text.data() + sent, text.size() - sent, &n) == 1)
        sent += n;
      bench_.Run();
      // Loopback takes its time on a busy machine: sent is what the server's side has.
      int under_way = 0;
      return sent == text.size() && (ioctl(fd_, SIOCOUTQ, &under_way) != 0 || under_way == 0);
    });
    bench_.Run();
  }
  // What has come so far, all of it; runs the loop.
  std::string& Received() {
    bench_.Run();
    char buffer[16384];
    for (size_t n = 0; !ended && !broken;) {
      int result = SSL_read_ex(ssl_, buffer, sizeof buffer, &n);
      if (result == 1) {
        in_.append(buffer, n);
        continue;
      }
      int why = SSL_get_error(ssl_, result);
      ended = why == SSL_ERROR_ZERO_RETURN;
      broken = why == SSL_ERROR_SYSCALL || why == SSL_ERROR_SSL;
      ERR_clear_error();
      break;
    }
    return in_;
  }
  bool Closed() {
    Received();
    return ended || broken;
  }
  bool Closes() {
    return bench_.Until([this] { return Closed(); });
  }
  // The next whole answer with a length, taken out of what was received; to HEAD it is the head alone.
  std::string Answer(bool to_head = false) {
    std::string whole;
    bench_.Until([&] {
      auto& in = Received();
      size_t head = in.find("\r\n\r\n");
      if (head == std::string::npos) return Closed();
      size_t at = in.find("Content-Length: ");
      size_t size = at < head && !to_head ? std::stoul(in.substr(at + 16)) : 0;
      if (in.size() < head + 4 + size) return Closed();
      whole = in.substr(0, head + 4 + size);
      in.erase(0, whole.size());
      return true;
    });
    return whole;
  }
  // Says that nothing more comes; and closes without a word.
  void Shutdown() {
    SSL_shutdown(ssl_);
    shutdown(fd_, SHUT_WR);
  }
  void Break() {
    linger now{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd_);
    fd_ = -1;
    broken = true;
  }
  std::string Get(const std::string& path, const std::string& headers = "",
                  const std::string& method = "GET") {
    Send(method + " " + path + " HTTP/1.1\r\nHost: x\r\n" + headers + "\r\n");
    return Answer(method == "HEAD");
  }

 private:
  void Show(const fakes::KeyPair& pair) {
    BIO* bio = BIO_new_mem_buf(pair.certificate.data(), static_cast<int>(pair.certificate.size()));
    X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    SSL_CTX_use_certificate(context_, certificate);
    X509_free(certificate);
    BIO_free(bio);
    bio = BIO_new_mem_buf(pair.key.data(), static_cast<int>(pair.key.size()));
    EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    SSL_CTX_use_PrivateKey(context_, key);
    EVP_PKEY_free(key);
    BIO_free(bio);
  }
  bool Handshake() {
    bench_.Run();
    int result = SSL_do_handshake(ssl_);
    if (result == 1) return true;
    int why = SSL_get_error(ssl_, result);
    ERR_clear_error();
    return why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE;
  }

  SecureBench& bench_;
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
  int fd_ = -1;
  std::string in_;
};

inline fakes::KeyPair Person(const fakes::CertificateAuthority& authority,
                             const std::string& name) {
  fakes::CertificateOptions options;
  options.common_name = name;
  options.organizations = {"devs"};
  return authority.Issue(options);
}
inline std::string Code(const std::string& answer) {
  return answer.size() < 12 ? "" : answer.substr(9, 3);
}
inline std::string Body(const std::string& answer) {
  size_t head = answer.find("\r\n\r\n");
  return head == std::string::npos ? "" : answer.substr(head + 4);
}
// The pieces of a chunked answer put together; whole: its end was there.
inline std::string Unchunk(std::string body, bool* whole = nullptr) {
  std::string out;
  if (whole != nullptr) *whole = false;
  for (;;) {
    size_t line = body.find("\r\n");
    if (line == std::string::npos) return out;
    size_t size = std::stoul(body.substr(0, line), nullptr, 16);
    if (size == 0 && whole != nullptr) *whole = true;
    if (size == 0 || body.size() < line + 2 + size) return out;
    out += body.substr(line + 2, size);
    body.erase(0, line + 2 + size + 2);
  }
}

}  // namespace kubelet::server
