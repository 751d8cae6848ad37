// Randomness for jitter, where a test does not bring its own.
#pragma once

#include <functional>
#include <memory>
#include <random>

namespace kubelet::client {

// [0, 1); not thread safe.
inline std::function<double()> OwnRandom() {
  auto engine = std::make_shared<std::minstd_rand>(std::random_device{}());
  return [engine] { return std::uniform_real_distribution<double>(0, 1)(*engine); };
}

}  // namespace kubelet::client
