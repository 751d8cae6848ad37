#include "app/secure_port.h"

#include "kubelet/base/log.h"

namespace kubelet::app {

using std::chrono::seconds;

namespace {

// How long the end of the process waits for clients to be told.
constexpr base::Nanos kLastWords = std::chrono::milliseconds(200);

base::Nanos ToNanos(const api::meta::Duration& d) { return base::Nanos(d.duration()); }

}  // namespace

SecurePort::SecurePort(Deps deps) : deps_(std::move(deps)), scope_(deps_.executor) {
  const auto& kc = deps_.config.kubelet;
  if (deps_.certificate == nullptr) {
    client::ServingOptions options;
    options.cert_dir = deps_.config.flags.cert_dir;
    options.tls_cert_file = kc.tls_cert_file();
    options.tls_key_file = kc.tls_private_key_file();
    options.hostname = deps_.node.name;
    options.node_name = deps_.node.name;
    client::ServingCertificate::Deps parts{deps_.executor, deps_.clock, deps_.pool};
    parts.random = [] { return 0.5; };  // nothing is rotated without an API server
    parts.changed = [this] { TlsChanged(); };
    own_certificate_ = std::make_unique<client::ServingCertificate>(options, std::move(parts));
    deps_.certificate = own_certificate_.get();
  }
  const auto& ca = kc.authentication().x509().client_ca_file();
  if (!ca.empty()) {
    client::CaBundle::Deps parts{deps_.executor, deps_.clock, deps_.pool, [this] { TlsChanged(); }};
    client_ca_ = std::make_unique<client::CaBundle>(ca, std::move(parts));
  }
  MakeAuth();
  MakeServer();
}

SecurePort::~SecurePort() = default;

void SecurePort::MakeAuth() {
  const auto& kc = deps_.config.kubelet;
  auth::Authenticator::Options who;
  who.tokens = kc.authentication().webhook().enabled();
  who.anonymous = kc.authentication().anonymous().enabled();
  who.token_ttl = ToNanos(kc.authentication().webhook().cache_ttl());
  authenticator_ = std::make_unique<auth::Authenticator>(
      auth::Authenticator::Deps{deps_.executor, deps_.clock, deps_.api}, who);
  auth::Authorizer::Options may;
  may.webhook = kc.authorization().mode() != "AlwaysAllow";
  may.node_name = deps_.node.name;
  may.allowed_ttl = ToNanos(kc.authorization().webhook().cache_authorized_ttl());
  may.denied_ttl = ToNanos(kc.authorization().webhook().cache_unauthorized_ttl());
  authorizer_ = std::make_unique<auth::Authorizer>(
      auth::Authorizer::Deps{deps_.executor, deps_.clock, deps_.api}, may);
  if (deps_.api == nullptr && (who.tokens || may.webhook)) {
    // Upstream does not start then; static pods must run, so only the port is of less use.
    LOG_WARNING(
        "Without an API server no token is accepted, and authorization mode Webhook lets nobody "
        "in");
  }
}

void SecurePort::MakeServer() {
  const auto& kc = deps_.config.kubelet;
  server::PodAccess::Deps access{deps_.observer, deps_.runtime};
  access.find = [this](const std::string& namespace_, const std::string& name) -> api::PodPtr {
    for (const auto& pod : deps_.store.All())
      if (pod->metadata().name() == name && pod->metadata().namespace_() == namespace_) return pod;
    return nullptr;
  };
  access.status = deps_.status;
  access.mirror_uid = deps_.mirror_uid;
  access.checkpoint = deps_.checkpoint;
  access.checkpoints_dir = deps_.config.flags.root_dir + "/checkpoints";
  access.clock = &deps_.clock;
  pods_ = std::make_unique<server::PodAccess>(std::move(access));
  server::SecureServer::Options options;
  options.address = kc.address();
  options.port = static_cast<uint16_t>(kc.port());
  auto live = Live();
  options.tls = std::move(live.tls);
  options.handlers = live.handlers;
  options.stream_idle = live.stream_idle;
  options.split_streams = deps_.config.gates.Enabled("PodLogsQuerySplitStreams");
  options.websockets = deps_.config.gates.Enabled("ExtendWebSocketsToKubelet");
  loop_ = std::make_unique<server::ServerLoop>();
  server_ = std::make_unique<server::SecureServer>(
      server::SecureServer::Deps{deps_.executor, *authenticator_, *authorizer_, *pods_,
                                 deps_.documents, &deps_.metrics, deps_.late},
      std::move(options), loop_->place());
}

server::SecureServer::LiveOptions SecurePort::Live() const {
  const auto& kc = deps_.config.kubelet;
  const auto& gates = deps_.config.gates;
  server::SecureServer::LiveOptions live;
  live.handlers.debugging = kc.enable_debugging_handlers();
  live.handlers.system_logs = kc.enable_system_log_handler();
  live.handlers.log_query = kc.enable_system_log_query() && gates.Enabled("NodeLogQuery");
  live.handlers.profiling = kc.enable_profiling_handler();
  live.handlers.debug_flags = kc.enable_debug_flags_handler();
  live.handlers.checkpoint = gates.Enabled("ContainerCheckpoint");
  live.handlers.statusz = gates.Enabled("ComponentStatusz");
  live.handlers.flagz = gates.Enabled("ComponentFlagz");
  live.stream_idle = ToNanos(kc.streaming_connection_idle_timeout());
  live.tls.min_version = kc.tls_min_version();
  live.tls.ciphers.assign(kc.tls_cipher_suites().begin(), kc.tls_cipher_suites().end());
  live.tls.curves.assign(kc.tls_curve_preferences().begin(), kc.tls_curve_preferences().end());
  return live;
}

void SecurePort::ConfigChanged() { server_->SetLive(Live()); }

void SecurePort::Start() {
  if (own_certificate_) own_certificate_->Start();
  if (client_ca_) client_ca_->Start();
  started_ = true;
  TlsChanged();
  scope_.Spawn("listen https", Listen());
}

void SecurePort::Stop() { server_->Stop(kLastWords); }

void SecurePort::TlsChanged() {
  if (!started_) return;
  // A connection whose handshake did not ask for a certificate never would: no handshake before the
  // file is read (upstream does not start without it).
  if (client_ca_ && client_ca_->pem().empty()) return;
  auto current = deps_.certificate->Current();
  if (!current.ok()) return;
  server::TlsMaterial material;
  material.cert_pem = current->cert_pem;
  material.key_pem = current->key_pem;
  if (client_ca_) material.client_ca_pem = client_ca_->pem();
  material.generation = ++generation_;
  server_->SetTls(std::move(material));
}

base::Task<void> SecurePort::Listen() {
  bool told = false;
  for (;;) {
    auto status = server_->Start();
    if (status.ok()) break;
    if (!told)
      LOG_ERROR("Cannot listen; will retry", "server", std::string("https"), "err", status);
    told = true;
    co_await base::SleepFor(deps_.clock, seconds(1));
  }
  LOG_INFO("Listening", "server", std::string("https"), "address", deps_.config.kubelet.address(),
           "port", server_->port());
}

}  // namespace kubelet::app
