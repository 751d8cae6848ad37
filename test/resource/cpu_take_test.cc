// What is expected are the choices of the Go kubelet (cpu_assignment_test.go of 1.36).
#include "resource/cpu_take.h"

#include "catch.h"
#include "kubelet/base/status.h"
#include "resource/machines.h"

namespace kubelet::resource {
namespace {

using test::Cpus;

struct Case {
  std::string available;
  int count;
  std::string taken;  // empty: there are too few
};

void Check(const os::CpuTopology& machine, const TakeOptions& options,
           const std::vector<Case>& cases) {
  CpuLayout layout(machine);
  for (const auto& c : cases) {
    INFO(c.count << " of " << c.available);
    auto taken = TakeCpus(layout, Cpus(c.available), c.count, options);
    if (c.taken.empty() && c.count > 0) {
      CHECK_FALSE(taken.ok());
      continue;
    }
    REQUIRE(taken.ok());
    CHECK(taken->ToString() == Cpus(c.taken).ToString());
  }
}

TEST_CASE("packed: whole cores before single threads, and what is begun before what is whole") {
  Check(test::OneSocket(), {},
        {{"0-7", 0, ""},
         {"0-7", 1, "0"},
         {"1,3,5-7", 1, "6"},
         {"0-7", 2, "0,4"},
         {"0-7", 8, "0-7"},
         {"0-3,6", 2, "2,6"},
         {"0,2,4,6", 5, ""}});
}

TEST_CASE("packed: whole sockets of a machine with two") {
  Check(test::TwoSockets(), {},
        {{"0-11", 6, "0,2,4,6,8,10"}, {"1-5,7-11", 1, "2"}, {"0-11", 8, "0,6,2,8,4,10,1,7"}});
}

TEST_CASE("packed: whole NUMA nodes inside of sockets") {
  Check(test::FourNodes(), {},
        {{"0-79", 40, "0-19,40-59"},
         {"0-79", 20, "0-9,40-49"},
         {"10-39,50-79", 20, "10-19,50-59"},
         {"0-79", 60, "0-29,40-69"},
         {"1-39,41-79", 60, "10-39,50-79"},
         {"0-79", 64, "0-29,40-69,30-31,70-71"}});
}

TEST_CASE("spread: no two threads of a core while there are others") {
  TakeOptions spread;
  spread.spread = true;
  Check(test::OneSocket(), spread, {{"0-7", 3, "0-2"}});
  Check(test::TwoSockets(), spread,
        {{"0-11", 2, "0,2"}, {"0-11", 6, "0,2,4,6,8,10"}, {"0-11", 8, "0,2,4,6,8,10,1,3"}});
  Check(test::FourNodes(), spread, {{"0-79", 8, "0-7"}});
}

TEST_CASE("distributed: even shares of as few nodes as will do") {
  TakeOptions even;
  even.distribute = true;
  Check(test::TwoSockets(), even, {{"0-11", 8, "0,6,2,8,1,7,3,9"}, {"1-5,7-11", 1, "1"}});
  Check(test::FourNodes(), even,
        {{"0-79", 64, "0-7,10-17,20-27,30-37,40-47,50-57,60-67,70-77"},
         {"0-79", 48, "0-7,10-17,20-27,40-47,50-57,60-67"},
         {"1-29,32-39,41-69,72-79", 48, "1-8,10-17,20-27,41-48,50-57,60-67"},
         {"2-29,31-39,42-69,71-79", 48, "10-17,20-27,31-38,50-57,60-67,71-78"},
         {"0-2,10-12,20-22,30-32,40-41,50-51,60-61,70-71", 16,
          "0-1,10-11,20-21,30-31,40-41,50-51,60-61,70-71"},
         {"0-79", 26, "0-6,10-16,40-45,50-55"}});
}

TEST_CASE("distributed: what does not divide goes where it leaves the nodes alike") {
  TakeOptions even;
  even.distribute = true;
  Check(test::FourNodes(), even,
        {{"0-79", 62, "0-7,10-17,20-27,30-37,40-47,50-57,60-66,70-76"},
         {"0-8,10-18,20-39,40-48,50-58,60-79", 62, "0-7,10-17,20-27,30-37,40-46,50-56,60-67,70-77"},
         {"0-3,10-13,20-23,30-36,40-43,50-53,60-63,70-76", 34,
          "0-3,10-13,20-23,30-34,40-43,50-53,60-63,70-74"}});
  even.group = 2;
  Check(test::TwoSockets(), even, {{"1-5,7-11", 1, "2"}});
  Check(
      test::FourNodes(), even,
      {{"0-79", 26, "0-6,10-15,40-46,50-55"},
       {"0-79", 62, "0-7,10-17,20-27,30-36,40-47,50-57,60-67,70-76"},
       {"0-8,10-18,20-39,40-48,50-58,60-79", 62, "0-7,10-16,20-27,30-37,40-47,50-56,60-67,70-77"}});
}

TEST_CASE("uncore caches: whole ones, then part of one that has enough") {
  TakeOptions uncore;
  uncore.uncore = true;
  auto no_threads = test::MachineOf(16, [](int c) { return os::CpuPlace{0, c, 0, 0, c / 4}; });
  Check(no_threads, uncore, {{"1-15", 10, "1-2,4-11"}});
  auto two_sockets = test::MachineOf(16, [](int c) {
    return os::CpuPlace{0, c, c / 8, c / 8, c / 4};
  });
  Check(two_sockets, uncore, {{"0-15", 4, "0-3"}, {"2-15", 6, "2-7"}, {"8-15", 4, "8-11"}});
  auto two_nodes = test::MachineOf(16, [](int c) { return os::CpuPlace{0, c, 0, c / 8, c / 4}; });
  // Here the node of which the least is free comes first, as it does for cores.
  Check(two_nodes, uncore, {{"3,4-8,12", 2, "4-5"}});
  auto threads = test::MachineOf(16, [](int c) { return os::CpuPlace{0, c % 8, 0, 0, c % 8 / 4}; });
  Check(threads, uncore,
        {{"2-3,10-11,4-7,12-15", 6, "4-6,12-14"}, {"1-7,9-15", 10, "4-7,12-15,1,9"}});
}

TEST_CASE("too few CPUs are told by number") {
  CpuLayout layout(test::OneSocket());
  auto taken = TakeCpus(layout, {0, 2, 4, 6}, 5, {});
  CHECK(base::Message(taken.status()) ==
        "not enough cpus available to satisfy request: requested=5, available=4");
}

}  // namespace
}  // namespace kubelet::resource
