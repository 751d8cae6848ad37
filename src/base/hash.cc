#include "kubelet/base/hash.h"

#include <array>

namespace kubelet::base {

uint32_t Fnv1a32(std::string_view data) {
  uint32_t hash = 2166136261u;
  for (unsigned char c : data) hash = (hash ^ c) * 16777619u;
  return hash;
}

uint64_t Fnv1a64(std::string_view data) {
  uint64_t hash = 14695981039346656037ull;
  for (unsigned char c : data) hash = (hash ^ c) * 1099511628211ull;
  return hash;
}

std::string Fnv1a128Hex(std::string_view data) {
  // Offset basis and prime 2^88 + 2^8 + 0x3b of the 128-bit variant.
  unsigned __int128 hash = (static_cast<unsigned __int128>(0x6c62272e07bb0142ull) << 64) | 0x62b821756295c58dull;
  const unsigned __int128 prime = (static_cast<unsigned __int128>(1) << 88) | 0x13b;
  for (unsigned char c : data) hash = (hash ^ c) * prime;
  std::string text(32, '0');
  for (int i = 31; i >= 0; --i, hash >>= 4) text[i] = "0123456789abcdef"[static_cast<int>(hash & 15)];
  return text;
}

std::string Hex(uint64_t value) {
  std::string text;
  do text.insert(text.begin(), "0123456789abcdef"[value & 15]);
  while ((value >>= 4) != 0);
  return text;
}

}  // namespace kubelet::base
