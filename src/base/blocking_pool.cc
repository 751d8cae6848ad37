#include "kubelet/base/blocking_pool.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace kubelet::base {

// Threads start when there is work for them, up to the limit, and outlive a hung call: at process end they are
// left to the kernel rather than joined.
struct BlockingPool::State {
  struct Piece {
    uint64_t ticket = 0;
    std::string kind;
    std::function<void()> work;
  };
  Options options;
  std::mutex mutex;
  std::condition_variable ready;
  std::deque<Piece> queue;
  std::map<std::string, int> running;
  int threads = 0;
  int idle = 0;
  uint64_t last_ticket = 0;
  bool stop = false;

  // The first queued work whose kind has room; called with the mutex held.
  bool Take(Piece& out) {
    for (auto it = queue.begin(); it != queue.end(); ++it) {
      if (running[it->kind] >= options.per_kind) continue;
      out = std::move(*it);
      queue.erase(it);
      ++running[out.kind];
      return true;
    }
    return false;
  }

  // How much of the queue could run now; called with the mutex held.
  int Runnable() const {
    std::map<std::string, int> more;
    int count = 0;
    for (const auto& piece : queue) {
      auto it = running.find(piece.kind);
      int now = it == running.end() ? 0 : it->second;
      if (now + more[piece.kind] >= options.per_kind) continue;
      ++more[piece.kind];
      ++count;
    }
    return count;
  }

  static void Loop(std::shared_ptr<State> self) {
    std::unique_lock lock(self->mutex);
    Piece piece;
    while (!self->stop) {
      if (!self->Take(piece)) {
        ++self->idle;
        self->ready.wait(lock);
        --self->idle;
        continue;
      }
      lock.unlock();
      piece.work();
      piece.work = nullptr;
      lock.lock();
      --self->running[piece.kind];
      // A second piece may go, whose kind was full; without one nobody is woken.
      if (!self->queue.empty()) self->ready.notify_one();
    }
    --self->threads;
    self->ready.notify_all();
  }
};

BlockingPool::BlockingPool(Executor executor, Clock& clock, Options options)
    : executor_(std::move(executor)), clock_(clock), state_(std::make_shared<State>()) {
  state_->options = options;
}

BlockingPool::~BlockingPool() {
  std::unique_lock lock(state_->mutex);
  state_->stop = true;
  state_->queue.clear();
  state_->ready.notify_all();
  // Work in flight may refer to objects of the owner; a thread in a dead mount is not waited for.
  state_->ready.wait_for(lock, std::chrono::milliseconds(200), [this] { return state_->threads == 0; });
}

uint64_t BlockingPool::Submit(const std::string& kind, std::function<void()> work) {
  std::lock_guard lock(state_->mutex);
  uint64_t ticket = ++state_->last_ticket;
  state_->queue.push_back({ticket, kind, std::move(work)});
  // A thread that was woken counts as idle until it runs: it cannot take two, and the first may hang.
  if (state_->Runnable() > state_->idle && state_->threads < state_->options.threads) {
    ++state_->threads;
    std::thread(&State::Loop, state_).detach();
  } else {
    state_->ready.notify_one();
  }
  return ticket;
}

void BlockingPool::Withdraw(const std::weak_ptr<State>& state, uint64_t ticket) {
  auto self = state.lock();
  if (!self) return;
  std::function<void()> dropped;  // what it owns goes without the lock
  std::lock_guard lock(self->mutex);
  auto it = std::find_if(self->queue.begin(), self->queue.end(),
                         [ticket](const State::Piece& piece) { return piece.ticket == ticket; });
  if (it == self->queue.end()) return;
  dropped = std::move(it->work);
  self->queue.erase(it);
}

bool BlockingPool::Quiet() const {
  std::lock_guard lock(state_->mutex);
  return state_->queue.empty() && std::all_of(state_->running.begin(), state_->running.end(),
                                              [](const auto& kind) { return kind.second == 0; });
}

Task<absl::Status> BlockingPool::RunStatus(std::string kind, Nanos timeout, std::function<absl::Status()> work) {
  std::function<absl::StatusOr<bool>()> wrapped = [work = std::move(work)]() -> absl::StatusOr<bool> {
    auto status = work();
    if (!status.ok()) return status;
    return true;
  };
  auto result = co_await Run<bool>(std::move(kind), timeout, std::move(wrapped));
  co_return result.status();
}

}  // namespace kubelet::base
