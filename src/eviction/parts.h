// Internal to the room: the words of an eviction.
#pragma once

#include "kubelet/eviction/choice.h"

namespace kubelet::eviction {

inline constexpr char kReason[] = "Evicted";
inline constexpr std::chrono::seconds kImmediate{1};

// Message and annotations of a victim of a shortage.
void Explain(const Shortage& shortage, const runtime::PodUsages& usages, Victim& victim);

// Bytes as upstream prints them: `12Mi`, `4097`.
std::string BytesText(uint64_t bytes);

}  // namespace kubelet::eviction
