#include "kubelet/node/pressure.h"

#include "catch.h"

namespace kubelet::node {
namespace {

using namespace std::chrono_literals;

constexpr Pressures kNone{}, kMemory{true, false, false}, kDisk{false, true, false},
    kPid{false, false, true};

base::MonoTime At(base::Nanos since_start) { return base::MonoTime() + 1h + since_start; }

TEST_CASE("each signal has its condition, below the threshold and not at it") {
  struct Row {
    const char *signal, *value;
    int64_t available;
    Pressures want;
  };
  auto row = GENERATE(values<Row>({
      {"memory.available", "100", 99, kMemory},
      {"memory.available", "100", 100, kNone},
      {"memory.available", "10%", 99, kMemory},
      {"memory.available", "10%", 100, kNone},
      {"nodefs.available", "1Ki", 1023, kDisk},
      {"nodefs.inodesFree", "5%", 49, kDisk},
      {"imagefs.available", "15%", 149, kDisk},
      {"imagefs.inodesFree", "5%", 50, kNone},
      {"pid.available", "100", 99, kPid},
      {"pid.available", "0%", -1, kNone},
      {"pid.available", "100%", 0, kNone},
      {"containerfs.available", "50%", 0, kNone},
  }));
  INFO(row.signal << " " << row.value << " " << row.available);
  PressureOptions options;
  options.hard[row.signal] = row.value;
  options.allocatable_memory = false;
  Pressure pressure(options);
  CHECK(pressure.Update({{row.signal, {row.available, 1000}}}, At(0s)) == row.want);
}

TEST_CASE("without thresholds there is nothing to watch") {
  CHECK(Pressure({}).Idle());
  PressureOptions options;
  options.hard["pid.available"] = "0%";
  CHECK(Pressure(options).Idle());
  options.soft["pid.available"] = "1";
  CHECK_FALSE(Pressure(options).Idle());
  CHECK(Pressure(options).Watches("pid.available"));
  CHECK_FALSE(Pressure(options).Watches("memory.available"));
}

TEST_CASE(
    "the hard threshold of memory holds for all pods together, when their cgroup is limited") {
  PressureOptions options;
  options.hard["memory.available"] = "100";
  options.soft["memory.available"] = "500";
  Signals signals = {{"memory.available", {600, 1000}}, {"allocatableMemory.available", {99, 400}}};
  CHECK(Pressure(options).Update(signals, At(0s)) == kMemory);
  signals["allocatableMemory.available"].available = 200;  // the soft one is not for them
  CHECK(Pressure(options).Update(signals, At(0s)) == kNone);
  signals["allocatableMemory.available"].available = 99;
  options.allocatable_memory = false;
  CHECK(Pressure(options).Update(signals, At(0s)) == kNone);
}

TEST_CASE("a condition stays for the transition period after the last observation") {
  PressureOptions options;
  options.hard["memory.available"] = "100";
  options.transition = 60s;
  Pressure pressure(options);
  Signals low = {{"memory.available", {50, 1000}}}, enough = {{"memory.available", {500, 1000}}};
  CHECK(pressure.Update(enough, At(0s)) == kNone);
  CHECK(pressure.Update(low, At(10s)) == kMemory);
  CHECK(pressure.Update(low, At(20s)) == kMemory);
  CHECK(pressure.Update(enough, At(30s)) == kMemory);
  CHECK(pressure.Update({}, At(79s)) == kMemory);
  CHECK(pressure.Update(enough, At(80s)) == kNone);
  CHECK(pressure.Update(low, At(90s)) == kMemory);
}

TEST_CASE(
    "a threshold that was met for its grace period counts until the minimum reclaim is back") {
  bool soft = GENERATE(false, true);
  PressureOptions options;
  (soft ? options.soft : options.hard)["nodefs.available"] = "100";
  options.soft_grace["nodefs.available"] = 30s;
  options.minimum_reclaim["nodefs.available"] = "50";
  options.transition = 1ns;
  Pressure pressure(options);
  auto update = [&](int64_t available, base::Nanos at) {
    return pressure.Update({{"nodefs.available", {available, 1000}}}, At(at));
  };
  CHECK(update(99, 0s) == kDisk);
  CHECK(update(120, 10s) == (soft ? kNone : kDisk));
  CHECK(update(99, 20s) == kDisk);
  CHECK(update(99, 50s) == kDisk);
  CHECK(update(149, 60s) == kDisk);
  CHECK(update(150, 70s) == kNone);
  CHECK(update(120, 80s) == kNone);
}

}  // namespace
}  // namespace kubelet::node
