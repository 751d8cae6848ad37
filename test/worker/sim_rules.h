// What holds for one node in memory at the end of any test.
#pragma once

#include <string>
#include <vector>

#include "catch.h"
#include "fakes/node_sim.h"

namespace kubelet::test {

inline void CheckRules(const World& world) {
  CHECK(world.runtime.Breaches() == std::vector<std::string>{});
  CHECK_FALSE(world.busy);
}

}  // namespace kubelet::test
