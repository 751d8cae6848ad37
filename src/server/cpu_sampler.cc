#include "server/cpu_sampler.h"

#include <sys/time.h>
#include <unwind.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>

namespace kubelet::server {
namespace {

struct Entry {
  int64_t count = 0;
  uint64_t hash = 0;
  int depth = 0;
  std::array<uint64_t, CpuSampler::kDepth> stack;
};

struct Table {
  // Held by a handler for as long as it looks; another thread's handler does not wait.
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
  std::atomic<int64_t> lost{0};
  std::array<Entry, CpuSampler::kStacks> entries;
};

std::atomic<bool> taken{false};
std::atomic<Table*> table{nullptr};
std::atomic<int> inside{0};
struct sigaction before;

struct Walk {
  uint64_t* out;
  int depth = 0, skip = 0;
};

_Unwind_Reason_Code Step(_Unwind_Context* context, void* data) {
  auto& walk = *static_cast<Walk*>(data);
  int exact = 0;
  uint64_t address = _Unwind_GetIPInfo(context, &exact);
  if (address == 0) return _URC_END_OF_STACK;
  if (walk.skip > 0) {
    --walk.skip;
    return _URC_NO_REASON;
  }
  // A return address may belong to the next line, or function.
  walk.out[walk.depth++] = exact != 0 ? address : address - 1;
  return walk.depth < CpuSampler::kDepth ? _URC_NO_REASON : _URC_END_OF_STACK;
}

void Count(Table& t, const uint64_t* stack, int depth) {
  uint64_t hash = 1469598103934665603u;
  for (int i = 0; i < depth; ++i) hash = (hash ^ stack[i]) * 1099511628211u;
  for (size_t i = 0; i < 16; ++i) {
    Entry& entry = t.entries[(hash + i) % t.entries.size()];
    bool same = entry.count > 0 && entry.hash == hash && entry.depth == depth;
    if (entry.count > 0 && !same) continue;
    if (!same) {
      entry.hash = hash;
      entry.depth = depth;
      std::copy(stack, stack + depth, entry.stack.begin());
    }
    ++entry.count;
    return;
  }
  ++t.lost;
}

// Frames of the handler itself, and of the kernel's way back.
constexpr int kOwnFrames = 2;

void OnSample(int) {
  int error = errno;
  ++inside;
  if (Table* t = table.load()) {
    uint64_t stack[CpuSampler::kDepth];
    Walk walk{stack, 0, kOwnFrames};
    _Unwind_Backtrace(Step, &walk);
    if (t->busy.test_and_set(std::memory_order_acquire)) {
      ++t->lost;
    } else {
      Count(*t, stack, walk.depth);
      t->busy.clear(std::memory_order_release);
    }
  }
  --inside;
  errno = error;
}

bool SetTimer(int hertz) {
  itimerval timer{};
  if (hertz > 0) timer.it_interval.tv_usec = timer.it_value.tv_usec = 1'000'000 / hertz;
  return setitimer(ITIMER_PROF, &timer, nullptr) == 0;
}

}  // namespace

std::unique_ptr<CpuSampler> CpuSampler::Start() {
  if (taken.exchange(true)) return nullptr;
  // The unwinder allocates and loads on its first use: not in the handler.
  uint64_t stack[kDepth];
  Walk walk{stack, 0, 0};
  _Unwind_Backtrace(Step, &walk);
  table = new Table;
  struct sigaction action {};
  action.sa_handler = OnSample;
  action.sa_flags = SA_RESTART;
  sigaction(SIGPROF, &action, &before);
  auto sampler = std::unique_ptr<CpuSampler>(new CpuSampler);
  if (!SetTimer(kHertz)) return nullptr;
  return sampler;
}

CpuSampler::~CpuSampler() { Stop(); }

std::vector<CpuSampler::Stack> CpuSampler::Stop() {
  if (!running_) return {};
  running_ = false;
  SetTimer(0);
  // A signal that is still on its way finds nothing to do, and must not end the process.
  struct sigaction ignore {};
  ignore.sa_handler = before.sa_handler == SIG_DFL ? SIG_IGN : before.sa_handler;
  sigaction(SIGPROF, &ignore, nullptr);
  std::unique_ptr<Table> seen(table.exchange(nullptr));
  while (inside != 0) {
  }
  std::vector<Stack> out;
  for (const auto& entry : seen->entries) {
    if (entry.count == 0) continue;
    Stack stack;
    stack.addresses.assign(entry.stack.begin(), entry.stack.begin() + entry.depth);
    stack.count = entry.count;
    out.push_back(std::move(stack));
  }
  lost_ = seen->lost;
  taken = false;
  return out;
}

}  // namespace kubelet::server
