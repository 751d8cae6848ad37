// IP addresses as values. Internal to the room.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace kubelet::os {

struct Ip {
  bool v6 = false;
  std::array<uint8_t, 16> bytes{};  // the first four for v4
  bool operator==(const Ip&) const = default;

  // A v4 address in v6 form is v4.
  static std::optional<Ip> Parse(const std::string& text);
  std::string Text() const;
  bool IsUnspecified() const;
  bool IsLoopback() const;
  bool IsMulticast() const;
  bool IsLinkLocal() const;
  // Not unspecified, loopback, multicast, link local or broadcast; private ranges count.
  bool IsGlobalUnicast() const;
};

}  // namespace kubelet::os
