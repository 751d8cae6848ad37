#include "kubelet/eviction/thresholds.h"

#include "catch.h"

namespace kubelet::eviction {
namespace {

using namespace std::chrono_literals;

constexpr Pressures kNone{}, kMemory{true, false, false}, kDisk{false, true, false},
    kPid{false, false, true};

base::MonoTime At(base::Nanos since_start) { return base::MonoTime() + 1h + since_start; }

ThresholdWatch Watch(const Config& config) {
  return ThresholdWatch(MakeThresholds(config), config.transition);
}

std::vector<std::string> NamesOf(const std::vector<Threshold>& thresholds) {
  std::vector<std::string> out;
  for (const auto& t : thresholds)
    out.push_back(std::string(SignalName(t.signal)) + "<" + t.value.text() +
                  (t.hard() ? "" : " soft"));
  return out;
}

TEST_CASE("every signal has a name, and is found by it") {
  for (int i = 0; i <= static_cast<int>(Signal::kPidAvailable); ++i) {
    auto signal = static_cast<Signal>(i);
    CHECK(SignalOf(SignalName(signal)) == signal);
  }
  CHECK_FALSE(SignalOf("nodefs.free"));
}

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
  Config config;
  config.hard[row.signal] = row.value;
  config.allocatable_memory = false;
  auto turn = Watch(config).Update({{*SignalOf(row.signal), {row.available, 1000}}}, At(0s));
  CHECK(turn.pressures == row.want);
  CHECK(turn.due.size() == (row.want.Any() ? 1 : 0));
}

TEST_CASE("without thresholds there is nothing to watch") {
  CHECK(Watch({}).Idle());
  Config config;
  config.hard["pid.available"] = "0%";
  CHECK(Watch(config).Idle());
  config.soft["pid.available"] = "1";
  CHECK_FALSE(Watch(config).Idle());
  CHECK(Watch(config).Watches(Signal::kPidAvailable));
  CHECK_FALSE(Watch(config).Watches(Signal::kMemoryAvailable));
}

TEST_CASE("the hard threshold of memory holds for all pods together, when they are limited") {
  Config config;
  config.hard["memory.available"] = "100";
  config.soft["memory.available"] = "500";
  config.soft_grace["memory.available"] = 1s;
  Observations seen = {{Signal::kMemoryAvailable, {600, 1000}},
                       {Signal::kAllocatableMemoryAvailable, {99, 400}}};
  CHECK(Watch(config).Update(seen, At(0s)).pressures == kMemory);
  seen[Signal::kAllocatableMemoryAvailable].available = 200;  // the soft one is not for them
  CHECK(Watch(config).Update(seen, At(0s)).pressures == kNone);
  seen[Signal::kAllocatableMemoryAvailable].available = 99;
  config.allocatable_memory = false;
  CHECK(Watch(config).Update(seen, At(0s)).pressures == kNone);
}

TEST_CASE("a condition stays for the transition period after the last observation") {
  Config config;
  config.hard["memory.available"] = "100";
  config.transition = 60s;
  auto watch = Watch(config);
  Observations low = {{Signal::kMemoryAvailable, {50, 1000}}},
               enough = {{Signal::kMemoryAvailable, {500, 1000}}};
  auto pressures = [&](const Observations& seen, base::Nanos at) {
    return watch.Update(seen, At(at)).pressures;
  };
  CHECK(pressures(enough, 0s) == kNone);
  CHECK(pressures(low, 10s) == kMemory);
  CHECK(pressures(low, 20s) == kMemory);
  auto turn = watch.Update(enough, At(30s));
  CHECK(turn.pressures == kMemory);
  CHECK(turn.due.empty());  // nobody is evicted for a shortage that is over
  CHECK(pressures({}, 79s) == kMemory);
  CHECK(pressures(enough, 80s) == kNone);
  CHECK(pressures(low, 90s) == kMemory);
}

TEST_CASE("what was due counts until the minimum reclaim is back") {
  bool soft = GENERATE(false, true);
  Config config;
  (soft ? config.soft : config.hard)["nodefs.available"] = "100";
  config.soft_grace["nodefs.available"] = 30s;
  config.minimum_reclaim["nodefs.available"] = "50";
  config.transition = 1ns;
  auto watch = Watch(config);
  auto due = [&](int64_t available, base::Nanos at) {
    auto turn = watch.Update({{Signal::kNodeFsAvailable, {available, 1000}}}, At(at));
    return std::make_pair(turn.pressures.disk, !turn.due.empty());
  };
  using P = std::pair<bool, bool>;
  CHECK(due(99, 0s) == P(true, !soft));
  CHECK(due(120, 10s) == P(!soft, !soft));
  CHECK(due(99, 20s) == P(true, !soft));
  CHECK(due(99, 49s) == P(true, !soft));
  CHECK(watch.met().size() == 1);
  CHECK(watch.met()[0].due == !soft);
  CHECK(due(99, 50s) == P(true, true));
  CHECK(due(149, 60s) == P(true, true));
  CHECK(due(150, 70s) == P(false, false));
  CHECK(due(120, 80s) == P(false, false));
  CHECK(watch.met().empty());
}

TEST_CASE("a grace period counts from the first observation and begins anew after relief") {
  Config config;
  config.soft["pid.available"] = "10";
  config.soft_grace["pid.available"] = 30s;
  auto watch = Watch(config);
  auto due = [&](int64_t available, base::Nanos at) {
    return !watch.Update({{Signal::kPidAvailable, {available, 1000}}}, At(at)).due.empty();
  };
  CHECK_FALSE(due(9, 0s));
  CHECK_FALSE(due(9, 29s));
  CHECK_FALSE(due(10, 30s));
  CHECK_FALSE(due(9, 40s));
  CHECK_FALSE(due(9, 69s));
  CHECK(due(9, 70s));
}

TEST_CASE("what is due is in order: memory, then hard before soft") {
  Config config;
  config.hard = {{"imagefs.available", "90%"}, {"nodefs.available", "90%"}};
  config.soft = {{"memory.available", "90%"}, {"nodefs.inodesFree", "90%"}};
  config.soft_grace = {{"memory.available", 1s}, {"nodefs.inodesFree", 1s}};
  Observations seen;
  for (auto signal : {Signal::kMemoryAvailable, Signal::kNodeFsAvailable, Signal::kNodeFsInodesFree,
                      Signal::kImageFsAvailable})
    seen[signal] = {1, 100};
  auto watch = Watch(config);
  watch.Update(seen, At(0s));
  CHECK(NamesOf(watch.Update(seen, At(2s)).due) ==
        std::vector<std::string>{"memory.available<90% soft", "nodefs.available<90%",
                                 "imagefs.available<90%", "nodefs.inodesFree<90% soft"});
}

TEST_CASE("containerfs has the thresholds of the filesystem that it is") {
  Config config;
  config.hard = {{"nodefs.available", "10%"},
                 {"imagefs.available", "15%"},
                 {"imagefs.inodesFree", "5%"},
                 {"containerfs.available", "77%"}};
  auto plain = MakeThresholds(config);
  std::vector<std::string> base = {"imagefs.available<15%", "imagefs.inodesFree<5%",
                                   "nodefs.available<10%"};
  CHECK(NamesOf(plain) == base);
  auto with = [&](FsLayout layout) {
    auto names = NamesOf(WithContainerFs(WithContainerFs(plain, layout), layout));
    CHECK(std::vector(names.begin(), names.begin() + 3) == base);
    return std::vector(names.begin() + 3, names.end());
  };
  using Strings = std::vector<std::string>;
  CHECK(with({false, false}) == Strings{"containerfs.available<10%"});
  CHECK(with({true, false}) == Strings{"containerfs.available<15%", "containerfs.inodesFree<5%"});
  CHECK(with({true, true}) == Strings{"containerfs.available<10%"});
}

TEST_CASE("relieved: every threshold and its minimum reclaim") {
  Config config;
  config.hard = {{"nodefs.available", "10%"}, {"pid.available", "5"}};
  config.minimum_reclaim = {{"nodefs.available", "10%"}};
  auto watch = Watch(config);
  auto relieved = [&](int64_t disk, int64_t pids) {
    return watch.Relieved(
        {{Signal::kNodeFsAvailable, {disk, 100}}, {Signal::kPidAvailable, {pids, 100}}});
  };
  CHECK(relieved(20, 5));
  CHECK_FALSE(relieved(19, 5));
  CHECK_FALSE(relieved(20, 4));
  CHECK(watch.Relieved({}));
}

}  // namespace
}  // namespace kubelet::eviction
