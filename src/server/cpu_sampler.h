// Where the process spends its CPU time: a hundred samples of the stack for each second of it.
// SIGPROF of ITIMER_PROF (setitimer(2)) comes to whatever thread runs; its handler counts the stack
// in a table of fixed size, without allocating. Stacks that find no place are counted as lost.
//
// One at a time in a process. Start and Stop on any one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace kubelet::server {

class CpuSampler {
 public:
  static constexpr int kHertz = 100, kDepth = 48, kStacks = 4096;

  struct Stack {
    std::vector<uint64_t> addresses;  // innermost first; those of callers point into the call
    int64_t count = 0;
  };
  // Null: another one is at work, or the kernel refuses.
  static std::unique_ptr<CpuSampler> Start();
  // Ends it.
  ~CpuSampler();
  CpuSampler(const CpuSampler&) = delete;
  CpuSampler& operator=(const CpuSampler&) = delete;

  // Ends it and tells what was seen.
  std::vector<Stack> Stop();
  int64_t lost() const { return lost_; }

 private:
  CpuSampler() = default;
  bool running_ = true;
  int64_t lost_ = 0;
};

}  // namespace kubelet::server
