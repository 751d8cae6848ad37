#include "kubelet/os/child_call.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <deque>
#include <list>
#include <optional>
#include <utility>

#include "kubelet/base/log.h"
#include "kubelet/base/promise.h"
#include "kubelet/base/status.h"
#include "kubelet/base/time.h"
#include "os/child_call_wire.h"

namespace kubelet::os {

using base::Task;

struct ChildCalls::Call {
  std::string about;
  base::MonoTime begun;
  base::WallTime since;
  base::Nanos slow{};
  base::Clock::TimerId timer;
};

struct ChildCalls::State {
  struct Gate {
    std::list<Call> running;  // oldest first
    std::deque<base::Promise<bool>> waiting;
    std::optional<base::MonoTime> answered;  // the last time, while something runs
  };
  State(base::Clock& c, Options o) : clock(c), options(std::move(o)) {}

  base::Clock& clock;
  Options options;
  std::map<std::string, Gate> gates;  // by mount; none is empty

  // The call that says that the mount does not answer; null: none does. Not one that is older than
  // an answer, unless such calls hold all places.
  const Call* Hanging(const Gate& gate) const {
    bool full = gate.running.size() >= options.per_mount;
    for (const auto& call : gate.running) {
      if (!full && gate.answered && call.begun < *gate.answered) continue;
      return clock.Mono() - call.begun >= call.slow ? &call : nullptr;
    }
    return nullptr;
  }
  absl::Status Check(const std::string& mount) const {
    auto it = gates.find(mount);
    const Call* oldest = it == gates.end() ? nullptr : Hanging(it->second);
    if (oldest == nullptr) return absl::OkStatus();
    auto age = std::chrono::floor<std::chrono::seconds>(clock.Now() - oldest->since);
    return absl::UnavailableError(mount + " does not answer since " + base::Rfc3339(oldest->since) +
                                  " (" + base::GoDuration(age) + "), asked for " + oldest->about);
  }
  void Answered(const std::string& mount) {
    auto it = gates.find(mount);
    if (it == gates.end()) return;
    it->second.answered = clock.Mono();
    Wake(it->second);
  }
  static void Wake(Gate& gate) {
    for (const auto& waiting : std::exchange(gate.waiting, {})) waiting.Set(true);
  }
};

namespace {

constexpr base::Nanos kNoLimit = std::chrono::hours(24 * 365);

// Gives the place back when the child has really ended, whichever thread notices.
std::shared_ptr<void> MakeToken(const base::Executor& executor, std::function<void()> end) {
  auto token = [executor, end = std::move(end)](void*) { boost::asio::post(executor, end); };
  return std::shared_ptr<void>(nullptr, std::move(token));
}

}  // namespace

ChildCalls::ChildCalls(base::Executor executor, base::Clock& clock, base::BlockingPool& pool,
                       Options options)
    : executor_(std::move(executor)),
      clock_(clock),
      pool_(pool),
      options_(options),
      state_(std::make_shared<State>(clock, std::move(options))) {}

ChildCalls::~ChildCalls() {
  for (auto& [mount, gate] : state_->gates) {
    for (auto& call : gate.running) clock_.Cancel(call.timer);
  }
}

Task<absl::StatusOr<ProcessResult>> ChildCalls::RunProgram(On on, ProcessRequest request) {
  auto state = state_;
  for (;;) {
    auto hangs = state->Check(on.mount);
    if (!hangs.ok()) co_return hangs;
    auto& gate = state->gates[on.mount];
    if (gate.running.size() < state->options.per_mount) break;
    base::Promise<bool> turn(executor_);
    turn.OnCancel([turn] { turn.Set(false); });
    gate.waiting.push_back(turn);
    bool mine = co_await turn.Get();
    if (!mine) co_return absl::CancelledError("cancelled");
  }
  Call call;
  call.about = on.about;
  call.begun = clock_.Mono();
  call.since = clock_.Now();
  call.slow = on.slow;
  base::Nanos timeout = request.timeout;
  auto result = co_await RunCall(std::move(call), on.mount, std::move(request));
  if (absl::IsDeadlineExceeded(result.status())) {
    LOG_WARNING("A call hangs; its process was killed", "on", on.mount, "about", on.about,
                "timeout", base::GoDuration(timeout));
    co_return absl::DeadlineExceededError(on.mount + " did not answer within " +
                                          base::GoDuration(timeout));
  }
  if (!absl::IsCancelled(result.status())) state->Answered(on.mount);
  co_return result;
}

// The place is given back when the process has really ended.
Task<absl::StatusOr<ProcessResult>> ChildCalls::RunCall(Call call, std::string mount,
                                                        ProcessRequest request) {
  std::weak_ptr<State> weak = state_;
  auto& gate = state_->gates[mount];
  auto entry = gate.running.insert(gate.running.end(), std::move(call));
  // Those who wait their turn wait in vain.
  entry->timer = clock_.After(entry->slow, [weak, mount] {
    auto self = weak.lock();
    if (!self) return;
    auto it = self->gates.find(mount);
    if (it != self->gates.end()) State::Wake(it->second);
  });
  base::MonoTime begun = entry->begun;
  auto end = [weak, mount, entry, begun] {
    auto self = weak.lock();
    if (!self) return;
    auto it = self->gates.find(mount);
    if (it == self->gates.end()) return;
    self->clock.Cancel(entry->timer);
    auto took = self->clock.Mono() - begun;
    if (took >= entry->slow)
      LOG_INFO("A call that hung has ended", "on", mount, "about", entry->about, "after",
               base::GoDuration(took));
    it->second.running.erase(entry);
    State::Wake(it->second);
    if (it->second.running.empty()) self->gates.erase(it);
  };
  request.held = MakeToken(executor_, std::move(end));
  co_return co_await RunProcess(executor_, clock_, pool_, std::move(request));
}

Task<absl::Status> ChildCalls::AwaitAnswer(On on, std::string path, base::WallTime since) {
  auto state = state_;
  Call call;
  call.about = on.about;
  call.begun = clock_.Mono();
  call.since = since;
  std::vector<std::string> args = {std::move(path)};
  ProcessRequest request = RequestFor("statfs", args);  // no cache answers that
  request.timeout = kNoLimit;
  auto result = co_await RunCall(std::move(call), on.mount, std::move(request));
  if (!result.ok()) co_return result.status();
  state->Answered(on.mount);
  co_return absl::OkStatus();
}

ProcessRequest ChildCalls::RequestFor(const std::string& call,
                                      const std::vector<std::string>& args) const {
  ProcessRequest request;
  request.program = options_.program;
  request.args = {kChildCallWord, std::to_string(getpid()), call};
  request.args.insert(request.args.end(), args.begin(), args.end());
  request.max_output = 4 << 20;
  return request;
}

Task<absl::StatusOr<std::string>> ChildCalls::Run(On on, std::string call,
                                                  std::vector<std::string> args,
                                                  base::Nanos timeout) {
  ProcessRequest request = RequestFor(call, args);
  request.timeout = timeout;
  auto result = co_await RunProgram(std::move(on), std::move(request));
  if (!result.ok()) co_return result.status();
  auto answer = DecodeAnswer(result->out);
  if (answer && !result->err.empty())
    LOG_WARNING("A call in a process of its own logged", "call", call, "text", result->err);
  if (!answer) {
    co_return absl::InternalError(call + ": its process ended with exit code " +
                                  std::to_string(result->exit_code) +
                                  (result->err.empty() ? "" : ": " + result->err));
  }
  co_return *std::move(answer);
}

std::vector<ChildCalls::Hung> ChildCalls::HungMounts() const {
  std::vector<Hung> out;
  for (const auto& [mount, gate] : state_->gates) {
    const Call* oldest = state_->Hanging(gate);
    if (oldest != nullptr)
      out.push_back({mount, oldest->about, oldest->since, gate.running.size()});
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.since < b.since; });
  return out;
}

absl::Status ChildCalls::Check(const std::string& mount) const { return state_->Check(mount); }

}  // namespace kubelet::os
