#include "app/memory.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

namespace kubelet::app {
namespace {

// Some of what is given back comes in again with the next pod that is looked at: a process that has
// grown by no more than that is left alone for a while.
constexpr size_t kBurst = 4 << 20, kWorthwhile = 1 << 20;
constexpr base::Nanos kWhile = std::chrono::minutes(1);

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

void GiveBackMemory(base::MonoTime now) {
  static size_t left = 0;  // the last time
  static base::MonoTime last;
  size_t most = left + (now - last < kWhile ? kBurst : kWorthwhile);
  if (left != 0 && ResidentBytes() < most) return;
  malloc_trim(0);
  DropCleanText();
  left = ResidentBytes();
  last = now;
}

}  // namespace kubelet::app
