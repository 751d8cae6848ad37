#include "conformance/room.h"

#include <boost/asio/io_context.hpp>

#include "catch.h"

namespace kubelet::conformance {
namespace {

Case Read(const std::string& steps) {
  auto cases = ParseCases("some.yaml", R"(
- name: one
  requirement: Something.
  field: spec
  steps:
)" + steps);
  REQUIRE(cases.ok());
  return cases->front();
}

TEST_CASE("a case asks for what its pods ask for, and for what they are resized to",
          "[conformance]") {
  CHECK(MilliCpusOf(Read("  - until: [phase == Running]\n")) == 0);
  CHECK(MilliCpusOf(Read(R"(
  - pod: {containers: [{sh: a, resources: {limits: {cpu: 300m}}}, {name: b, sh: b, resources: {requests: {cpu: 1}}}]}
  - static: {name: s, spec: {containers: [{sh: a, resources: {requests: {cpu: 50m}}}]}}
  - patch: {subresource: resize, with: {spec: {containers: [{name: main, resources: {requests: {cpu: 7m}}}]}}}
)")) == 1357);
  CHECK(MilliCpusOf(Read("  - pod: {containers: nonsense}\n")) == 0);
}

TEST_CASE("a case waits until its pods fit beside those of others", "[conformance]") {
  boost::asio::io_context io(1);
  base::RealClock clock(io);
  Room room(io.get_executor(), clock, 1000);
  std::string order;
  base::TaskScope tasks(io.get_executor());
  auto begin = [&](char name, int64_t milli) -> base::Task<void> {
    co_await room.Take(milli);
    order += name;
  };
  auto turn = [&] {
    io.restart();
    io.poll();
    return order;
  };
  tasks.Spawn("a", begin('a', 600));
  tasks.Spawn("b", begin('b', 500));
  tasks.Spawn("c", begin('c', 100));
  CHECK(turn() == "a");  // c would fit, but b is before it
  room.Return(600);
  CHECK(turn() == "abc");
  tasks.Spawn("d", begin('d', 401));
  tasks.Spawn("e", begin('e', 1001));
  CHECK(turn() == "abc");
  room.Return(500);
  CHECK(turn() == "abcde");  // e never fits: its pod is meant to be refused
  room.Return(1001);
  tasks.Spawn("f", begin('f', 500));
  CHECK(turn() == "abcde");
  room.Return(401);
  CHECK(turn() == "abcdef");
}

}  // namespace
}  // namespace kubelet::conformance
