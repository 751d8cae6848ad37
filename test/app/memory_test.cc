#include "app/memory.h"

#include "catch.h"

namespace kubelet::app {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
constexpr size_t kMb = 1 << 20;

struct Process {
  // Asked `after` the last time; true when memory was given back, down to `left` MB.
  bool Ask(base::Nanos after, size_t megabytes, size_t left = 8) {
    now += after;
    bool due = giving_back.Due(now, megabytes * kMb);
    if (due) giving_back.Done(now, left * kMb);
    return due;
  }
  GivingBack giving_back;
  base::MonoTime now = base::MonoTime(minutes(5));
};

TEST_CASE("memory is given back at once, and again after a burst", "[app]") {
  Process process;
  CHECK(process.Ask(seconds(4), 30));
  CHECK_FALSE(process.Ask(seconds(5), 17));
  CHECK_FALSE(process.Ask(seconds(5), 34));
  CHECK(process.Ask(seconds(5), 35));
  CHECK_FALSE(process.Ask(seconds(5), 26));
  CHECK(process.Ask(minutes(1), 26));
}

TEST_CASE("what a process needs all the time is not given back again and again", "[app]") {
  Process process;
  CHECK(process.Ask(seconds(4), 18));
  int times = 0;
  for (int i = 0; i < 12 * 60; ++i) times += process.Ask(seconds(5), 18) ? 1 : 0;
  CHECK(times == 5);  // after 2, 4, 8, 16 and 16 minutes
}

TEST_CASE("what comes and goes every few seconds is given back once a minute", "[app]") {
  Process process;
  CHECK(process.Ask(seconds(4), 24));
  int times = 0;
  for (int i = 0; i < 10 * 60 / 15; ++i) {
    times += process.Ask(seconds(5), 17) ? 1 : 0;
    times += process.Ask(seconds(10), 23) ? 1 : 0;
  }
  CHECK(times <= 10);
}

TEST_CASE("small growth is given back after a minute while that wins something", "[app]") {
  Process process;
  CHECK(process.Ask(seconds(4), 30));
  int times = 0;
  for (int i = 0; i < 10; ++i) {
    CHECK_FALSE(process.Ask(seconds(30), 8));
    times += process.Ask(seconds(31), 11) ? 1 : 0;
  }
  CHECK(times == 10);
}

}  // namespace
}  // namespace kubelet::app
