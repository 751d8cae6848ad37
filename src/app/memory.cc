#include "app/memory.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

namespace kubelet::app {
namespace {

constexpr size_t kBurst = 4 << 20, kWorthwhile = 1 << 20;
constexpr base::Nanos kPause = std::chrono::minutes(1), kLongestPause = std::chrono::minutes(16);

size_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  size_t all = 0, resident = 0;
  statm >> all >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// One mapping of /proc/self/smaps (Documentation/filesystems/proc.rst).
struct Mapping {
  uintptr_t begin = 0, end = 0;
  bool read_only_file = false;
};

bool ParseHead(const std::string& line, Mapping& mapping) {
  unsigned long begin = 0, end = 0, offset = 0, inode = 0;
  char permissions[8] = {}, device[16] = {};
  int fields = std::sscanf(line.c_str(), "%lx-%lx %7s %lx %15s %lu", &begin, &end, permissions,
                           &offset, device, &inode);
  if (fields != 6) return false;
  mapping.begin = begin;
  mapping.end = end;
  mapping.read_only_file =
      inode != 0 && permissions[0] == 'r' && permissions[1] == '-' && permissions[3] == 'p';
  return true;
}

// Only pages that were never written: relocated constants are read-only too, but hold what the
// linker put there.
void DropCleanText() {
  std::ifstream smaps("/proc/self/smaps");
  Mapping mapping;
  for (std::string line; std::getline(smaps, line);) {
    if (line.rfind("Anonymous:", 0) == 0) {
      bool clean = std::strtoul(line.c_str() + 10, nullptr, 10) == 0;
      if (mapping.read_only_file && clean) {
        madvise(reinterpret_cast<void*>(mapping.begin), mapping.end - mapping.begin, MADV_DONTNEED);
      }
      mapping = {};
    } else if (line.find("kB") == std::string::npos) {
      ParseHead(line, mapping);
    }
  }
}

}  // namespace

bool GivingBack::Due(base::MonoTime now, size_t resident) {
  if (any_ && !judged_) {
    judged_ = true;
    bool in_vain = resident + kWorthwhile > before_;
    pause_ = in_vain ? std::min(2 * pause_, kLongestPause) : kPause;
  }
  bool due = !any_ || resident > before_ + kBurst ||
             (now - last_ >= pause_ && resident > left_ + kWorthwhile);
  if (due) before_ = resident;
  return due;
}

void GivingBack::Done(base::MonoTime now, size_t left) {
  if (!any_) pause_ = kPause;
  any_ = true;
  left_ = left;
  judged_ = false;
  last_ = now;
}

void GiveBackMemory(GivingBack& when, base::MonoTime now) {
  if (!when.Due(now, ResidentBytes())) return;
  malloc_trim(0);
  DropCleanText();
  when.Done(now, ResidentBytes());
}

}  // namespace kubelet::app
