#include "client/configured_credentials.h"

#include <algorithm>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

using namespace std::chrono_literals;

constexpr base::Nanos kLookEvery = 3s;    // on Get
constexpr base::Nanos kTimerEvery = 10s;  // without one
constexpr base::Nanos kFileTimeout = 5s;
constexpr base::Nanos kPluginTimeout = 60s;
constexpr base::Nanos kPluginRetryMin = 1s, kPluginRetryMax = 30s;
constexpr char kPoolKind[] = "credentials";

bool Same(const Presented& a, const Presented& b) {
  return a.cert_pem == b.cert_pem && a.key_pem == b.key_pem && a.bearer_token == b.bearer_token &&
         a.basic == b.basic;
}

}  // namespace

// Lives as long as the last coroutine that uses it: a read in the pool cannot be called back.
struct ConfiguredCredentials::State {
  State(ClientConfig c, CredentialDeps d)
      : config(std::move(c)), deps(d), turn(d.executor, d.clock, 1) {}

  ClientConfig config;
  CredentialDeps deps;
  base::Semaphore turn;  // one look or plugin at a time

  std::optional<PresentedNow> current;
  uint64_t generation = 0;
  absl::Status problem;  // of the last look; OK: `current` is what there is
  std::string logged;

  std::vector<FileStamp> stamps;
  std::optional<base::MonoTime> looked;
  bool look_again = false;

  bool plugin_stale = true;  // no answer yet, rejected, or another plugin
  std::optional<base::WallTime> plugin_expires;
  std::optional<base::MonoTime> plugin_after;  // not before
  base::Nanos plugin_delay = kPluginRetryMin;

  bool FilesFresh(base::MonoTime now) const {
    return looked && !look_again && now - *looked < kLookEvery;
  }
  bool PluginWanted() const {
    return NeedsPlugin(config) &&
           (plugin_stale || (plugin_expires && deps.clock.Now() >= *plugin_expires));
  }
  bool PluginMayRun() const { return !plugin_after || deps.clock.Mono() >= *plugin_after; }

  static base::Task<absl::StatusOr<Presented>> Get(std::shared_ptr<State> self);
  static base::Task<void> LookAtFiles(std::shared_ptr<State> self);
  static base::Task<void> RunPlugin(std::shared_ptr<State> self);
  static base::Task<void> Watch(std::shared_ptr<State> self);
  void Take(Look look);
  void Use(PresentedNow now);
  void Report(absl::Status status);
  absl::StatusOr<Presented> Answer() const;
};

void ConfiguredCredentials::State::Use(PresentedNow now) {
  if (!current || !Same(current->presented, now.presented)) {
    now.presented.generation = ++generation;
    if (current) LOG_INFO("Client credentials changed", "kubeconfig", config.source);
  } else {
    now.presented.generation = generation;
  }
  current = std::move(now);
}

// Each state of affairs is said once.
void ConfiguredCredentials::State::Report(absl::Status status) {
  problem = std::move(status);
  std::string text = problem.ok() ? "" : base::Message(problem);
  if (text == logged) return;
  logged = text;
  if (text.empty()) {
    LOG_INFO("Client credentials are good again", "kubeconfig", config.source);
  } else {
    LOG_ERROR("Client credentials cannot be read", "kubeconfig", config.source, "err", text,
              "lastGoodKept", current.has_value());
  }
}

void ConfiguredCredentials::State::Take(Look look) {
  if (!look.changed) return;
  stamps = std::move(look.stamps);
  if (look.config.server != config.server || look.config.ca_pem != config.ca_pem ||
      look.config.ca_file != config.ca_file)
    LOG_WARNING("The kubeconfig names another cluster: takes effect at the next start",
                "kubeconfig", config.source, "server", look.config.server);
  bool had_plugin = NeedsPlugin(config);
  auto old_server = std::move(config);
  config = std::move(look.config);
  config.server = old_server.server;
  config.ca_pem = old_server.ca_pem;
  config.ca_file = old_server.ca_file;
  if (NeedsPlugin(config)) {
    bool same = had_plugin && old_server.exec && config.exec->command == old_server.exec->command &&
                config.exec->args == old_server.exec->args &&
                config.exec->env == old_server.exec->env;
    if (!same) plugin_stale = true;
    Report(look.kubeconfig);
    return;
  }
  if (look.now.ok()) Use(*std::move(look.now));
  // Without a kubeconfig on disk its text still counts; what it says wrong does not.
  absl::Status status = look.now.ok() ? look.kubeconfig : look.now.status();
  if (absl::IsNotFound(status)) status = absl::OkStatus();
  Report(std::move(status));
}

base::Task<void> ConfiguredCredentials::State::LookAtFiles(std::shared_ptr<State> self) {
  bool force = self->look_again || !self->problem.ok() || !self->looked;
  std::function<absl::StatusOr<Look>()> work = [config = self->config, stamps = self->stamps,
                                                force]() -> absl::StatusOr<Look> {
    return LookAt(config, stamps, force);
  };
  self->look_again = false;
  auto look = co_await self->deps.pool.Run<Look>(kPoolKind, kFileTimeout, std::move(work));
  self->looked = self->deps.clock.Mono();
  if (look.ok()) {
    self->Take(*std::move(look));
  } else {
    self->Report(absl::UnavailableError("reading the files of " + self->config.source + ": " +
                                        base::Message(look.status())));
  }
}

base::Task<void> ConfiguredCredentials::State::RunPlugin(std::shared_ptr<State> self) {
  std::function<absl::StatusOr<ExecAnswer>()> work = [config = self->config] {
    return RunExecPlugin(config, kPluginTimeout);
  };
  auto answer =
      co_await self->deps.pool.Run<ExecAnswer>("exec plugin", kPluginTimeout + 5s, std::move(work));
  auto now = self->deps.clock.Mono();
  if (!answer.ok()) {
    self->plugin_after = now + self->plugin_delay;
    self->plugin_delay = std::min(2 * self->plugin_delay, kPluginRetryMax);
    self->Report(absl::UnavailableError(base::Message(answer.status())));
    co_return;
  }
  self->plugin_stale = false;
  self->plugin_delay = kPluginRetryMin;
  // Also one that answers with what has expired, or is rejected, is not run for every request.
  self->plugin_after = now + kPluginRetryMin;
  self->plugin_expires = answer->expires;
  PresentedNow got;
  got.presented.bearer_token = answer->token;
  got.presented.cert_pem = answer->cert_pem;
  got.presented.key_pem = answer->key_pem;
  if (!answer->cert_pem.empty()) {
    auto info = CheckPair(answer->cert_pem, answer->key_pem);
    if (info.ok()) got.certificate = *std::move(info);
  }
  self->Use(std::move(got));
  self->Report(absl::OkStatus());
}

absl::StatusOr<Presented> ConfiguredCredentials::State::Answer() const {
  bool expired = NeedsPlugin(config) && plugin_expires && deps.clock.Now() >= *plugin_expires;
  if (current && !(expired && !problem.ok())) return current->presented;
  if (!problem.ok()) return absl::UnavailableError(base::Message(problem));
  return absl::UnavailableError(config.source + ": no credentials yet");
}

base::Task<absl::StatusOr<Presented>> ConfiguredCredentials::State::Get(
    std::shared_ptr<State> self) {
  bool look = !self->FilesFresh(self->deps.clock.Mono());
  bool plugin = self->PluginWanted() && self->PluginMayRun();
  if (!look && !plugin) co_return self->Answer();
  auto permit = co_await self->turn.Acquire();
  // Somebody else may have done it in the meantime.
  if (!self->FilesFresh(self->deps.clock.Mono())) co_await LookAtFiles(self);
  if (self->PluginWanted() && self->PluginMayRun()) co_await RunPlugin(self);
  co_return self->Answer();
}

// Ten seconds after the last look of whomever.
base::Task<void> ConfiguredCredentials::State::Watch(std::shared_ptr<State> self) {
  auto last = self->deps.clock.Mono();
  for (;;) {
    if (self->looked) last = std::max(last, *self->looked);
    auto now = self->deps.clock.Mono();
    if (now < last + kTimerEvery) {
      co_await base::SleepFor(self->deps.clock, last + kTimerEvery - now);
      continue;
    }
    last = now;
    auto permit = co_await self->turn.Acquire();
    co_await LookAtFiles(self);
  }
}

ConfiguredCredentials::ConfiguredCredentials(ClientConfig config, CredentialDeps deps)
    : state_(std::make_shared<State>(std::move(config), deps)), scope_(deps.executor) {
  scope_.Spawn("credential files", State::Watch(state_));
}

ConfiguredCredentials::~ConfiguredCredentials() = default;

base::Task<absl::StatusOr<Presented>> ConfiguredCredentials::Get() { return State::Get(state_); }

uint64_t ConfiguredCredentials::generation() const { return state_->generation; }

void ConfiguredCredentials::Rejected(uint64_t generation) {
  if (generation != state_->generation) return;
  state_->look_again = true;
  state_->plugin_stale = true;
}

CertificateHealth ConfiguredCredentials::health() const {
  const State& s = *state_;
  if (s.current && s.current->certificate)
    return JudgeCertificate(*s.current->certificate, "the client certificate of " + s.config.source,
                            s.deps.clock.Now());
  CertificateHealth health;
  if (s.current || s.problem.ok()) return health;
  health.state = CertificateHealth::State::kMissing;
  health.message = base::Message(s.problem);
  return health;
}

std::unique_ptr<Credentials> MakeCredentials(ClientConfig config, CredentialDeps deps) {
  return std::make_unique<ConfiguredCredentials>(std::move(config), deps);
}

}  // namespace kubelet::client
