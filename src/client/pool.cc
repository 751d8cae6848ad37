#include "client/pool.h"

#include <algorithm>

#include "client/http1.h"
#include "client/http2.h"
#include "kubelet/base/hash.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

constexpr base::Nanos kFirstBackOff = std::chrono::milliseconds(100);
constexpr base::Nanos kMaxBackOff = std::chrono::seconds(1);

absl::Status Closed() { return absl::UnavailableError("the API client is closed"); }

bool WantsTls(const ClientConfig& config) {
  return config.insecure_skip_verify || !config.ca_file.empty() || !config.ca_pem.empty() ||
         !config.cert_file.empty() || !config.cert_pem.empty();
}

// Leaves the list of waiters even when the wait is cancelled.
struct Listed {
  Listed(std::list<base::WakeEvent*>& l, base::WakeEvent* e) : list(l), at(l.insert(l.end(), e)) {}
  ~Listed() { list.erase(at); }
  std::list<base::WakeEvent*>& list;
  std::list<base::WakeEvent*>::iterator at;
};

}  // namespace

base::Task<bool> Waiters::Wait(base::MonoTime deadline) {
  base::WakeEvent event(executor_, clock_);
  Listed listed(events_, &event);
  co_return co_await event.Wait(deadline);
}

void Waiters::NotifyAll() {
  for (auto* event : events_) event->Notify();
}

ConnectionPool::ConnectionPool(HttpApi::Deps deps, ClientConfig config, HttpApiOptions options)
    : deps_(deps),
      config_(std::move(config)),
      options_(std::move(options)),
      credentials_changed_(deps_.executor, deps_.clock),
      room_(deps_.executor, deps_.clock),
      scope_(std::make_unique<base::TaskScope>(deps_.executor)) {
  auto server = ParseServerUrl(config_.server, WantsTls(config_));
  if (!server.ok()) {
    problem_ = base::Annotate(server.status(), config_.source);
    return;
  }
  server_ = *server;
  auto proxy = ChooseProxy(server_, config_.proxy_url, ProxyEnvironment::FromProcess());
  if (proxy.ok()) {
    proxy_ = *proxy;
  } else {
    problem_ = base::Annotate(proxy.status(), config_.source);
  }
}

base::Task<absl::StatusOr<Presented>> ConnectionPool::Present(base::MonoTime deadline) {
  if (shut_) co_return Closed();
  StartFetch();
  for (uint64_t before = fetches_; fetches_ == before;) {
    bool in_time = co_await credentials_changed_.Wait(deadline);
    if (!in_time) co_return absl::DeadlineExceededError("timed out waiting for credentials");
    if (shut_) co_return Closed();
  }
  co_return presented_;
}

void ConnectionPool::StartFetch() {
  if (fetching_ || shut_) return;
  fetching_ = true;
  scope_->Spawn("credentials", Fetch(shared_from_this()));
}

base::Task<void> ConnectionPool::Fetch([[maybe_unused]] std::shared_ptr<ConnectionPool> self) {
  presented_ = co_await deps_.credentials.Get();
  fetching_ = false;
  ++fetches_;
  NoteCredentials();
  credentials_changed_.NotifyAll();
  co_return;
}

void ConnectionPool::NoteCredentials() {
  if (!presented_.ok()) return;
  uint64_t certificate = base::Fnv1a64(presented_->cert_pem + presented_->key_pem);
  if (std::exchange(certificate_, certificate) == certificate) return;
  auto connections = connections_;
  for (const auto& entry : connections) {
    if (entry.certificate != certificate_) {
      entry.connection->Retire(absl::UnavailableError("credentials were renewed"));
    }
  }
  room_.NotifyAll();
}

void ConnectionPool::OnTick() {
  if (presented_.ok() && presented_->generation != deps_.credentials.generation()) StartFetch();
}

void ConnectionPool::OnSilence() {
  // Whatever the server said to others counts: as a rule the heartbeats keep this quiet.
  bool alive = last_answer_ && deps_.clock.Mono() - *last_answer_ < options_.ping_after;
  if (alive || probing_ || shut_) return;
  probing_ = true;
  scope_->Spawn("sign of life", Probe(shared_from_this()));
}

base::Task<bool> ConnectionPool::Answers(base::MonoTime deadline) {
  Request request;
  request.method = "GET";
  request.target = server_.prefix + "/livez";
  request.headers.emplace_back("user-agent", options_.user_agent);
  if (presented_.ok() && !presented_->bearer_token.empty())
    request.headers.emplace_back("authorization", "Bearer " + presented_->bearer_token);
  auto opened = co_await Open(std::move(request), deadline);
  if (!opened.ok()) co_return false;
  Exchange& exchange = **opened;
  // To its end, so that the connection serves again. What it says does not matter, be it 403.
  for (bool in_time = true; in_time && !exchange.ended() && !exchange.failure();) {
    in_time = co_await exchange.Wait(deadline);
    exchange.TakeData();
  }
  co_return exchange.head().has_value();
}

base::Task<void> ConnectionPool::Probe([[maybe_unused]] std::shared_ptr<ConnectionPool> self) {
  auto deadline = deps_.clock.Mono() + options_.ping_timeout;
  bool alive = co_await Answers(deadline);
  probing_ = false;
  if (alive) co_return;
  auto connections = connections_;
  for (const auto& entry : connections) {
    entry.connection->CloseIfSilent(SilenceError("the server gave no sign of life within " +
                                                 base::GoDuration(options_.ping_timeout)));
  }
}

std::shared_ptr<Connection> ConnectionPool::Usable() const {
  for (const auto& entry : connections_) {
    if (entry.certificate == certificate_ && entry.connection->CanOpen()) return entry.connection;
  }
  return nullptr;
}

base::Task<absl::Status> ConnectionPool::Ready(base::MonoTime deadline) {
  uint64_t failures = failures_;
  for (;;) {
    if (shut_) co_return Closed();
    if (Usable()) co_return absl::OkStatus();
    bool failed = failures_ != failures;
    if (failed || (dialing_ == 0 && deps_.clock.Mono() < next_dial_)) co_return last_failure_;
    // HTTP/2 has room for all who wait.
    if (dialing_ == 0 || (http1_ && dialing_ <= static_cast<int>(room_.size()))) {
      ++dialing_;
      scope_->Spawn("dial", DialOne(shared_from_this()));
    }
    bool in_time = co_await room_.Wait(deadline);
    if (!in_time) co_return absl::DeadlineExceededError("timed out waiting for a connection");
  }
}

base::Task<absl::StatusOr<std::unique_ptr<Exchange>>> ConnectionPool::Open(
    Request request, base::MonoTime deadline) {
  for (;;) {
    auto ready = co_await Ready(deadline);
    if (!ready.ok()) co_return ready;
    if (auto connection = Usable()) co_return connection->Open(std::move(request));
  }
}

DialTarget ConnectionPool::Target() const {
  DialTarget target;
  target.server = server_;
  target.proxy = proxy_;
  target.timeout = options_.dial_timeout;
  target.tls.insecure = config_.insecure_skip_verify;
  target.tls.server_name = config_.tls_server_name.empty() ? server_.host : config_.tls_server_name;
  target.tls.ca_file = config_.ca_file;
  target.tls.ca_pem = config_.ca_pem;
  target.tls.http2 = options_.http2;
  if (presented_.ok()) {
    target.tls.cert_pem = presented_->cert_pem;
    target.tls.key_pem = presented_->key_pem;
  }
  return target;
}

base::Task<void> ConnectionPool::DialOne([[maybe_unused]] std::shared_ptr<ConnectionPool> self) {
  uint64_t certificate = certificate_;
  DialTarget target = Target();
  auto dialed = co_await Dial(deps_.executor, deps_.clock, deps_.pool, std::move(target));
  --dialing_;
  if (dialed.ok()) {
    Adopt(*dialed, certificate);
  } else {
    NoteFailure(dialed.status());
  }
  room_.NotifyAll();
  co_return;
}

void ConnectionPool::Adopt(std::shared_ptr<Transport> transport, uint64_t certificate) {
  http1_ = !transport->http2;
  auto session = http1_ ? MakeHttp1Session(server_.Authority())
                        : MakeHttp2Session(server_.Authority(), server_.https);
  ConnectionOptions options{options_.ping_after, options_.ping_timeout, options_.watch_silence};
  auto connection = std::make_shared<Connection>(deps_.executor, deps_.clock, std::move(transport),
                                                 std::move(session), options, weak_from_this());
  connections_.push_back({connection, certificate});
  back_off_ = base::Nanos(0);
  if (!last_failure_.ok()) {
    LOG_INFO("The API server answers again", "server", server_.ToString());
    last_failure_ = absl::OkStatus();
  }
  connection->Start();
}

void ConnectionPool::NoteFailure(const absl::Status& status) {
  // Once per cause, not once per try.
  if (status != last_failure_) {
    LOG_WARNING("Cannot connect to the API server", "server", server_.ToString(), "err", status);
  }
  last_failure_ = status;
  ++failures_;
  back_off_ = std::clamp(back_off_ * 2, kFirstBackOff, kMaxBackOff);
  next_dial_ = deps_.clock.Mono() + back_off_;
}

void ConnectionPool::OnClosed(Connection& connection) {
  std::erase_if(connections_,
                [&](const Entry& entry) { return entry.connection.get() == &connection; });
  room_.NotifyAll();
}

void ConnectionPool::CloseAll(const absl::Status& reason) {
  next_dial_ = deps_.clock.Mono();
  auto connections = connections_;
  for (const auto& entry : connections) entry.connection->Close(reason);
}

void ConnectionPool::CloseStale(const absl::Status& reason) {
  if (!options_.http2) return CloseAll(reason);
  next_dial_ = deps_.clock.Mono();
  auto connections = connections_;
  for (const auto& entry : connections) entry.connection->CloseIfStale(reason);
}

void ConnectionPool::Shutdown() {
  shut_ = true;
  scope_.reset();
  CloseAll(Closed());
  room_.NotifyAll();
  credentials_changed_.NotifyAll();
}

}  // namespace kubelet::client
