#include "kubelet/probe/names.h"

#include <netdb.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <cstring>
#include <deque>
#include <map>
#include <optional>

#include "kubelet/base/promise.h"

namespace kubelet::probe {

using base::Task;
using Found = absl::StatusOr<Names::Addresses>;

namespace {

constexpr char kKind[] = "probe lookup";
// A resolver gives up by itself; should it not, its thread is lost and the next name gets another.
constexpr base::Nanos kLongest = std::chrono::minutes(10);
constexpr base::Nanos kKeepMost = std::chrono::minutes(1);
constexpr int kMost = 2;  // look-ups under way

Found AskSystem(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* found = nullptr;
  int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  Names::Addresses addresses;
  for (const addrinfo* entry = found; error == 0 && entry != nullptr; entry = entry->ai_next) {
    boost::asio::ip::tcp::endpoint endpoint;
    if (entry->ai_addrlen > endpoint.capacity()) continue;
    std::memcpy(endpoint.data(), entry->ai_addr, entry->ai_addrlen);
    endpoint.resize(entry->ai_addrlen);
    addresses.push_back(endpoint.address());
  }
  if (addresses.empty()) {
    return absl::UnavailableError(error != 0 ? ::gai_strerror(error) : "no addresses");
  }
  return addresses;
}

struct Waiter {
  Waiter(base::Executor executor, base::Nanos t) : promise(std::move(executor)), timeout(t) {}
  base::Promise<Found> promise;
  base::Nanos timeout;
  std::optional<base::Clock::TimerId> timer;
};

struct Name {
  bool wanted = false;  // it is being looked up, or its turn comes
  bool began = false;
  std::vector<std::shared_ptr<Waiter>> waiters;
  Found known = absl::UnavailableError("not looked up");
  base::MonoTime until{};
};

}  // namespace

struct Names::State : std::enable_shared_from_this<Names::State> {
  State(base::Executor e, base::Clock& c, base::BlockingPool& p, Options o)
      : executor(std::move(e)), clock(c), pool(p), options(std::move(o)) {
    if (!options.resolve) options.resolve = AskSystem;
  }

  void Arm(Waiter& waiter) {
    waiter.timer = clock.After(waiter.timeout, [promise = waiter.promise] {
      promise.Set(absl::DeadlineExceededError("i/o timeout"));
    });
  }

  void Next() {
    if (turn_taken || under_way >= kMost || queue.empty() || scope == nullptr) return;
    turn_taken = true;
    ++under_way;
    std::string host = std::move(queue.front());
    queue.pop_front();
    scope->Spawn("lookup " + host, Run(weak_from_this(), host));
  }

  void Began(const std::string& host) {
    auto it = names.find(host);
    if (it == names.end() || !it->second.wanted || it->second.began) return;
    it->second.began = true;
    for (const auto& waiter : it->second.waiters) Arm(*waiter);
  }

  void PassTurn() {
    turn_taken = false;
    Next();
  }

  void Ended(const std::string& host, const Found& found, base::Nanos took) {
    --under_way;
    Name& name = names[host];
    for (const auto& waiter : name.waiters) {
      if (waiter->timer) clock.Cancel(*waiter->timer);
      waiter->promise.Set(found);
    }
    name.waiters.clear();
    name.wanted = name.began = false;
    name.known = found;
    const base::Nanos longer = found.ok() ? base::Nanos(0) : std::min(took, kKeepMost);
    name.until = clock.Mono() + std::max(options.keep, longer);
    std::erase_if(names, [now = clock.Mono()](const auto& entry) {
      return !entry.second.wanted && entry.second.until <= now;
    });
  }

  base::Executor executor;
  base::Clock& clock;
  base::BlockingPool& pool;
  Options options;
  std::map<std::string, Name> names;
  std::deque<std::string> queue;
  bool turn_taken = false;
  int under_way = 0;
  base::TaskScope* scope = nullptr;  // null once Names is gone
};

Names::Names(base::Executor executor, base::Clock& clock, base::BlockingPool& pool, Options options)
    : state_(std::make_shared<State>(executor, clock, pool, std::move(options))),
      scope_(std::move(executor)) {
  state_->scope = &scope_;
}

Names::~Names() { state_->scope = nullptr; }

Task<void> Names::Run(std::weak_ptr<State> weak, std::string host) {
  auto state = weak.lock();
  if (!state) co_return;
  std::function<Found()> work = [weak, host, executor = state->executor,
                                 resolve = state->options.resolve] {
    boost::asio::post(executor, [weak, host] {
      if (auto alive = weak.lock()) alive->Began(host);
    });
    return resolve(host);
  };
  base::BlockingPool& pool = state->pool;
  base::Clock& clock = state->clock;
  auto in_turn = std::make_shared<bool>(true);
  auto timer = clock.After(state->options.slow, [weak, in_turn] {
    *in_turn = false;
    if (auto alive = weak.lock()) alive->PassTurn();
  });
  base::MonoTime began = clock.Mono();
  state.reset();
  auto found = co_await pool.Run<Addresses>(kKind, kLongest, std::move(work));
  clock.Cancel(timer);
  auto alive = weak.lock();
  if (!alive) co_return;
  alive->Ended(host, found, clock.Mono() - began);
  if (*in_turn) {
    alive->PassTurn();
  } else {
    alive->Next();
  }
}

Task<Found> Names::Find(std::string host, base::Nanos timeout) {
  auto state = state_;
  Name& name = state->names[host];
  if (state->clock.Mono() < name.until) co_return name.known;
  auto waiter = std::make_shared<Waiter>(state->executor, timeout);
  waiter->promise.OnCancel(
      [promise = waiter->promise] { promise.Set(absl::CancelledError("cancelled")); });
  name.waiters.push_back(waiter);
  if (name.began) state->Arm(*waiter);
  if (!std::exchange(name.wanted, true)) {
    state->queue.push_back(host);
    state->Next();
  }
  auto found = co_await waiter->promise.Get();
  co_return found;
}

}  // namespace kubelet::probe
