#include "volume/places.h"

#include <algorithm>

#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/base/time.h"
#include "kubelet/os/mountinfo.h"

namespace kubelet::volume {

using base::Task;

namespace {

// The mount table is read so often at most.
constexpr base::Nanos kPause = std::chrono::seconds(1);
constexpr base::Nanos kReadLimit = std::chrono::seconds(10);

bool NoAnswer(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

// By path, the mount it lies on; 0: none.
using Mounts = std::map<std::string, int>;

absl::StatusOr<Mounts> MountsOf(const std::vector<std::string>& paths) {
  ASSIGN_OR_RETURN(auto table, os::ReadMountinfo());
  Mounts out;
  for (const auto& path : paths) {
    const auto* mount = os::MountOf(table, path);
    out[path] = mount == nullptr ? 0 : mount->id;
  }
  return out;
}

}  // namespace

struct Places::State : std::enable_shared_from_this<State> {
  struct Asked {
    std::string uid, volume;
    Place place;
    base::MonoTime begun;
    base::WallTime since;
  };
  struct Waiting {
    std::string path, probe;
    std::set<std::string> uids;
    base::WallTime since;
    std::optional<int> mount;  // at its path, once known
    std::unique_ptr<base::TaskScope> watch;
  };

  State(base::Executor e, base::Clock& c, base::BlockingPool& p, os::ChildCalls& k, OnAnswer a)
      : executor(std::move(e)),
        clock(c),
        pool(p),
        calls(k),
        on_answer(std::move(a)),
        table(executor, [this] { TableChanged(); }),
        scope(std::make_unique<base::TaskScope>(executor)) {}

  void Fail(const std::string& name, const Asked& asked) {
    auto& waiting = at[name];
    if (waiting.uids.empty()) {
      waiting.probe = asked.place.probe;
      waiting.path = waiting.probe.empty() ? asked.place.path : waiting.probe;
      waiting.since = asked.since;
    }
    waiting.uids.insert(asked.uid);
    if (waiting.path.empty()) return;
    auto watched = table.Start();
    if (!watched.ok()) LOG_V(2, "Changes of mounts are not seen", "err", watched);
    if (!waiting.mount) TableChanged();
  }

  void BeginWatch(const std::string& name) {
    auto& waiting = at[name];
    if (waiting.probe.empty() || (waiting.watch && waiting.watch->size() > 0)) return;
    waiting.watch = std::make_unique<base::TaskScope>(executor);
    waiting.watch->Spawn("answer of " + name, Watch(shared_from_this(), name));
  }

  void Tell(const std::string& name, const std::string& but) {
    auto it = at.find(name);
    if (it == at.end()) return;
    auto uids = std::move(it->second.uids);
    Drop(it);
    for (const auto& uid : uids)
      if (uid != but) on_answer(uid);
  }

  // Its watcher may be what calls: it must not be destroyed under its own feet.
  void Drop(std::map<std::string, Waiting>::iterator it) {
    ended.push_back(std::move(it->second.watch));
    at.erase(it);
    bool paths =
        std::any_of(at.begin(), at.end(), [](const auto& one) { return !one.second.path.empty(); });
    if (!paths) table.Stop();
    if (scope) scope->Spawn("ended", Clear(shared_from_this()));
  }
  static Task<void> Clear(std::shared_ptr<State> state) {
    state->ended.clear();
    co_return;
  }

  void TableChanged() {
    changed = true;
    if (looking || !scope) return;
    looking = true;
    scope->Spawn("mount table", Look(shared_from_this()));
  }

  base::Executor executor;
  base::Clock& clock;
  base::BlockingPool& pool;
  os::ChildCalls& calls;
  OnAnswer on_answer;
  std::map<uint64_t, Asked> asked;
  uint64_t next = 1;
  std::map<std::string, Waiting> at;
  std::vector<std::unique_ptr<base::TaskScope>> ended;
  bool changed = false, looking = false;
  os::MountWatch table;
  std::unique_ptr<base::TaskScope> scope;
};

Places::Places(base::Executor executor, base::Clock& clock, base::BlockingPool& pool,
               os::ChildCalls& calls, OnAnswer on_answer)
    : state_(
          std::make_shared<State>(std::move(executor), clock, pool, calls, std::move(on_answer))) {}

// The tasks hold the state: it is they that have to end.
Places::~Places() {
  state_->on_answer = [](const std::string&) {};
  state_->scope.reset();
  state_->at.clear();
  state_->ended.clear();
  state_->table.Stop();
}

Places::Question Places::Ask(const std::string& uid, const std::string& volume, Place place) {
  uint64_t id = state_->next++;
  State::Asked asked;
  asked.uid = uid;
  asked.volume = volume;
  asked.place = std::move(place);
  asked.begun = state_->clock.Mono();
  asked.since = state_->clock.Now();
  state_->asked.emplace(id, std::move(asked));
  return Question(state_, id);
}

Places::Question::~Question() {
  if (state_) state_->asked.erase(id_);
}

void Places::Question::Ended(const absl::Status& status) {
  auto it = state_->asked.find(id_);
  if (it == state_->asked.end()) return;
  State::Asked asked = std::move(it->second);
  state_->asked.erase(it);
  const auto& [name, path, probe, doing] = asked.place;
  if (status.ok()) {
    state_->Tell(name, asked.uid);
    if (!path.empty()) state_->Tell(path, asked.uid);
  } else if (NoAnswer(status)) {
    state_->Fail(name, asked);
    state_->BeginWatch(name);
  } else if (!path.empty() && !absl::IsCancelled(status) && !absl::IsAborted(status)) {
    state_->Fail(path, asked);
  }
}

void Places::Answered(const std::string& name) { state_->Tell(name, ""); }

void Places::Forget(const std::string& uid) {
  std::vector<std::string> empty;
  for (auto& [name, waiting] : state_->at) {
    if (waiting.uids.erase(uid) > 0 && waiting.uids.empty()) empty.push_back(name);
  }
  for (const auto& name : empty) state_->Drop(state_->at.find(name));
}

// An answer that comes at once is not the news of a mount that recovered.
Task<void> Places::Watch(std::shared_ptr<State> state, std::string name) {
  auto it = state->at.find(name);
  if (it == state->at.end()) co_return;
  os::ChildCalls::On on;
  on.mount = name;
  on.about = "the pods that wait for it";
  std::string path = it->second.probe;
  auto begun = state->clock.Mono();
  auto since = it->second.since;
  auto status = co_await state->calls.AwaitAnswer(std::move(on), std::move(path), since);
  auto took = state->clock.Mono() - begun;
  if (!status.ok() || took < kSlow) co_return;
  LOG_INFO("It answers again; its pods try at once", "place", name, "since", base::Rfc3339(since));
  state->Tell(name, "");
}

Task<void> Places::Look(std::shared_ptr<State> state) {
  while (state->changed && !state->at.empty()) {
    state->changed = false;
    std::vector<std::string> paths;
    for (const auto& [name, waiting] : state->at)
      if (!waiting.path.empty()) paths.push_back(waiting.path);
    std::function<absl::StatusOr<Mounts>()> read = [paths] { return MountsOf(paths); };
    std::string kind = "volume";
    auto mounts = co_await state->pool.Run<Mounts>(std::move(kind), kReadLimit, std::move(read));
    std::vector<std::string> other;
    for (auto& [name, waiting] : state->at) {
      if (!mounts.ok() || !mounts->contains(waiting.path)) continue;
      int mount = mounts->at(waiting.path);
      if (waiting.mount && *waiting.mount != mount) other.push_back(name);
      waiting.mount = mount;
    }
    for (const auto& name : other) {
      LOG_INFO("Another mount is there; its pods try at once", "place", name);
      state->Tell(name, "");
    }
    co_await base::SleepFor(state->clock, kPause);
  }
  state->looking = false;
}

std::vector<std::string> Places::Explain(const std::string& uid) const {
  std::vector<std::string> lines;
  for (const auto& [id, asked] : state_->asked) {
    auto took = state_->clock.Mono() - asked.begun;
    if (asked.uid != uid || took < kSlow) continue;
    const auto& doing = asked.place.doing;
    std::string line = asked.volume.empty() ? "" : asked.volume + ": ";
    if (asked.volume.empty() && doing.empty()) line = "unmount: ";
    line += doing.empty() ? "no answer from " + asked.place.name : doing;
    auto age = std::chrono::floor<std::chrono::seconds>(took);
    lines.push_back(line + " since " + base::Rfc3339(asked.since) + " (" + base::GoDuration(age) +
                    ")");
  }
  return lines;
}

}  // namespace kubelet::volume
