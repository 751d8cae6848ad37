#include "client/certificate_rotator.h"

#include <algorithm>
#include <boost/system/system_error.hpp>
#include <cmath>
#include <limits>
#include <utility>

#include "client/certificate_rotator_state.h"
#include "client/presented.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"

namespace kubelet::client {
namespace {

using namespace std::chrono_literals;

constexpr base::Nanos kTick = 10s;
constexpr base::Nanos kFileTimeout = 10s;
constexpr base::Nanos kApproval = 15min;
constexpr base::Nanos kJump = 5s;
constexpr base::Nanos kRejectedFor = 30s;
constexpr base::Nanos kForgiven = 60s;  // without another 401: heartbeats would have met it
constexpr int kRejections = 3;

struct Looked {
  bool changed = false;
  PairLook look;
  std::vector<FileStamp> stamps;
};

// Stamps are taken before reading: what changes meanwhile is seen the next time.
Looked LookOnce(const std::function<PairLook(base::WallTime)>& look, base::WallTime now,
                const std::vector<std::string>& files, const std::vector<FileStamp>& before,
                bool force) {
  Looked out;
  out.stamps = StampsOf(files);
  out.changed = force || out.stamps != before;
  if (!out.changed) return out;
  out.look = look(now);
  if (out.look.files != files) out.stamps = StampsOf(out.look.files);
  return out;
}

}  // namespace

base::Task<void> CertificateRotator::State::Look(std::shared_ptr<State> self) {
  auto permit = co_await self->turn.Acquire();
  auto now = self->deps.clock.Now();
  // While there is nothing good every look reads: a stamp may lie about a file half written.
  bool good = self->held && self->load_error.ok() && now <= self->held->info.not_after;
  bool force = self->look_again || !good;
  self->look_again = false;
  std::function<absl::StatusOr<Looked>()> work =
      [look = self->hooks.look, now, files = self->files, stamps = self->stamps,
       force]() -> absl::StatusOr<Looked> { return LookOnce(look, now, files, stamps, force); };
  auto looked = co_await self->deps.pool.Run<Looked>("credentials", kFileTimeout, std::move(work));
  // A cancelled wait for the pool goes on behind it.
  if (self->ended) throw boost::system::system_error(boost::asio::error::operation_aborted);
  self->looked = true;
  if (!looked.ok()) {
    self->load_error = looked.status();
    co_return;
  }
  if (!looked->changed) co_return;
  bool moved = !self->stamps.empty() && looked->stamps != self->stamps;
  self->files = looked->look.files;
  self->stamps = std::move(looked->stamps);
  self->Take(std::move(looked->look));
  if (moved && !self->attempting) self->retry_at.reset();
}

void CertificateRotator::State::Take(PairLook look) {
  load_error = look.pair.status();
  if (!look.pair.ok()) return;  // the last good is kept
  if (look.pair->warning != logged_warning) {
    logged_warning = look.pair->warning;
    if (!logged_warning.empty())
      LOG_WARNING("A certificate cannot be used, another stands in", "for", options.what, "used",
                  look.pair->origin, "err", logged_warning);
  }
  bool same = held && held->pem.cert_pem == look.pair->pem.cert_pem &&
              held->pem.key_pem == look.pair->pem.key_pem;
  bool only_details = same && held->force == look.pair->force;
  if (only_details) return;
  held = std::make_shared<const HeldPair>(*std::move(look.pair));
  if (same) return;
  ++generation;
  rejections = 0;
  jitter = deps.random();
  LOG_INFO("Certificate in use", "for", options.what, "from", held->origin, "subject",
           held->info.common_name, "notBefore", base::Rfc3339(held->info.not_before), "notAfter",
           base::Rfc3339(held->info.not_after));
  if (hooks.changed) hooks.changed();
}

void CertificateRotator::State::NoticeClock() {
  base::Nanos offset =
      base::Nanos(base::UnixNanos(deps.clock.Now())) - deps.clock.Mono().time_since_epoch();
  base::Nanos moved = clock_offset ? offset - *clock_offset : base::Nanos();
  clock_offset = offset;
  if (std::chrono::abs(moved) < kJump) return;
  LOG_WARNING("The clock was set", "by", base::GoDuration(moved), "now",
              base::Rfc3339(deps.clock.Now()));
  failures = 0;
  look_again = true;
  if (!attempting) retry_at.reset();
}

bool CertificateRotator::State::RejectedNow() const {
  return rejections > 0 && rejected_generation == generation &&
         deps.clock.Mono() - rejected_last < kForgiven;
}

bool CertificateRotator::State::RejectedForLong() const {
  return RejectedNow() && rejections >= kRejections &&
         rejected_last - rejected_since >= kRejectedFor;
}

Rotation CertificateRotator::State::Next(const std::optional<CsrTemplate>& want) const {
  RotationInput input;
  if (held) input.current = held->info;
  input.want = want;
  input.rotate = options.rotate;
  input.force = held && held->force;
  input.rejected = RejectedForLong();
  input.jitter = jitter;
  return ComputeNext(input, deps.clock.Now());
}

bool CertificateRotator::State::Unneeded(const Rotation& next,
                                         const std::optional<CsrTemplate>& want) const {
  bool due = next.reason != RotationReason::kNever && next.at <= deps.clock.Now();
  return !due || want != asked;
}

base::Nanos CertificateRotator::State::Turn() {
  auto want = hooks.want();
  Rotation next = Next(want);
  auto mono = deps.clock.Mono();
  auto wall = deps.clock.Now();
  if (next.reason == RotationReason::kNever) return kTick;
  if (next.at > wall) return std::min<base::Nanos>(kTick, next.at - wall);
  if (attempting) return std::min(kTick, attempt_until - mono);
  // Another subject is another request: the back-off was for the one before.
  bool waits = retry_at && mono < *retry_at && want == asked;
  if (waits) return std::min(kTick, *retry_at - mono);
  asked = want;
  attempting = true;
  attempt_until = mono + kApproval;
  attempt = std::make_unique<base::TaskScope>(deps.executor);
  return kTick;
}

base::Task<void> CertificateRotator::State::Run(std::shared_ptr<State> self) {
  for (;;) {
    self->NoticeClock();
    co_await Look(self);
    auto want = self->hooks.want();
    bool late = self->attempting && self->deps.clock.Mono() >= self->attempt_until;
    if (self->attempting && (late || self->Unneeded(self->Next(want), want))) {
      auto stopping = self->attempt->Stop();
      co_await std::move(stopping);
      std::string name = self->csr_name;
      bool ended = !std::exchange(self->attempting, false);
      if (late && !ended)
        self->Fail("certificate signing request " + name + " was not approved within " +
                   base::GoDuration(kApproval));
      if (!late) self->retry_at.reset();
      self->csr_name.clear();
    }
    bool before = self->attempting;
    base::Nanos delay = self->Turn();
    if (self->attempting && !before) {
      auto task = Attempt(self, *self->asked, !self->Valid(self->deps.clock.Now()));
      self->attempt->Spawn(self->options.what, std::move(task));
    }
    self->Say();
    auto until = self->deps.clock.Mono() + std::max(delay, base::Nanos(1ms));
    co_await self->wake.Wait(until);
  }
}

CertificateHealth CertificateRotator::State::Health() const {
  using S = CertificateHealth::State;
  CertificateHealth health;
  if (held) {
    health =
        JudgeCertificate(held->info, "the " + options.what + " " + held->origin, deps.clock.Now());
    if (health.ok() && RejectedNow()) {
      health.state = S::kRejected;
      health.message += ", but the API server does not accept it";
    }
  } else {
    health.state = S::kMissing;
    health.message = "there is no " + options.what;
  }
  if (!load_error.ok()) health.message += "; " + base::Message(load_error);
  if (attempting && !csr_name.empty()) {
    health.message += "; certificate signing request " + csr_name + " waits for approval";
  } else if (!last_error.empty()) {
    health.message += "; the last attempt to get one: " + last_error;
  }
  return health;
}

void CertificateRotator::State::Say() {
  CertificateHealth health = Health();
  if (deps.ttl != nullptr) {
    double left = std::numeric_limits<double>::infinity();
    if (held)
      left = std::trunc(
          std::chrono::duration<double>(held->info.not_after - deps.clock.Now()).count());
    deps.ttl->Set(left);
  }
  if (health.state == said) return;
  said = health.state;
  if (health.ok()) LOG_INFO("Certificate is good", "for", options.what, "state", health.message);
  if (!health.ok())
    LOG_ERROR("Certificate is not usable", "for", options.what, "state", health.message);
  if (hooks.changed) hooks.changed();
}

CertificateRotator::CertificateRotator(Deps deps, Options options, Hooks hooks)
    : state_(std::make_shared<State>(std::move(deps), std::move(options), std::move(hooks))),
      scope_(state_->deps.executor) {}

CertificateRotator::~CertificateRotator() {
  state_->ended = true;
  state_->hooks = Hooks();
  state_->attempt.reset();
}

void CertificateRotator::Start() { scope_.Spawn(state_->options.what, State::Run(state_)); }

base::Task<void> CertificateRotator::Stop() {
  auto state = state_;
  auto main = scope_.Stop();
  co_await std::move(main);
  if (!state->attempt) co_return;
  auto attempt = state->attempt->Stop();
  co_await std::move(attempt);
}

std::shared_ptr<const HeldPair> CertificateRotator::pair() const { return state_->held; }
uint64_t CertificateRotator::generation() const { return state_->generation; }
CertificateHealth CertificateRotator::health() const { return state_->Health(); }
void CertificateRotator::Wake() { state_->wake.Notify(); }

void CertificateRotator::Rejected(uint64_t generation) {
  State& s = *state_;
  if (generation != s.generation || !s.held) return;
  auto now = s.deps.clock.Mono();
  bool first = !s.RejectedNow();
  if (first) {
    s.rejections = 0;
    s.rejected_generation = generation;
    s.rejected_since = now;
    s.look_again = true;
  }
  ++s.rejections;
  s.rejected_last = now;
  if (first) s.wake.Notify();
}

base::Task<std::shared_ptr<const HeldPair>> CertificateRotator::Get() {
  auto state = state_;
  if (!state->looked) {
    auto looking = State::Look(state);
    co_await std::move(looking);
  }
  co_return state->held;
}

}  // namespace kubelet::client
