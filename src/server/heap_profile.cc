#include "server/heap_profile.h"

#include <malloc.h>

#include <cstdio>
#include <cstdlib>

namespace kubelet::server {
namespace {

constexpr char kHonest[] =
    "From glibc's mallinfo2: sizes of the parts of the heap. The allocator does not record who "
    "allocated what, so there are no call stacks.";

}  // namespace

Profile HeapProfile(int64_t now_nanos) {
  struct mallinfo2 info = mallinfo2();
  Profile out;
  out.types = {{"inuse_space", "bytes"}, {"reserved_space", "bytes"}};
  out.period_type = {"space", "bytes"};
  out.period = 1;
  out.time_nanos = now_nanos;
  out.comments = {kHonest};
  auto add = [&](const char* name, size_t used, size_t reserved) {
    ProfileSample sample;
    sample.stack.push_back({0, name});
    sample.stack.push_back({0, "heap of the process (glibc malloc)"});
    sample.values = {static_cast<int64_t>(used), static_cast<int64_t>(reserved)};
    out.samples.push_back(std::move(sample));
  };
  add("allocated, in arenas", info.uordblks, info.uordblks);
  add("allocated, mapped one by one (large blocks)", info.hblkhd, info.hblkhd);
  add("free, kept in arenas", 0, info.fordblks);
  return out;
}

std::string HeapText() {
  struct mallinfo2 info = mallinfo2();
  std::string out = std::string("# ") + kHonest + "\n";
  out += "allocated_in_arenas " + std::to_string(info.uordblks) + "\n";
  out += "allocated_mapped " + std::to_string(info.hblkhd) + "\n";
  out += "free_in_arenas " + std::to_string(info.fordblks) + "\n";
  out += "could_be_trimmed " + std::to_string(info.keepcost) + "\n";
  char* text = nullptr;
  size_t size = 0;
  if (FILE* file = open_memstream(&text, &size)) {
    malloc_info(0, file);
    fclose(file);
    out.append(text, size);
    free(text);
  }
  return out;
}

}  // namespace kubelet::server
