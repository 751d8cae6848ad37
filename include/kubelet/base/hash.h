// The hashes upstream uses where a value leaves the process: FNV-1 and FNV-1a, CRC-32 comes from zlib.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kubelet::base {

uint32_t Fnv1a32(std::string_view data);
uint64_t Fnv1a64(std::string_view data);

// 128-bit FNV-1a as 32 lower-case hex digits (hash/fnv New128a): the uid of static pods.
std::string Fnv1a128Hex(std::string_view data);

// SHA-256 (FIPS 180-4) as 64 lower-case hex digits: names of files, fingerprints of credentials.
std::string Sha256Hex(std::string_view data);

// Lower-case hex without leading zeros ("0" for zero), as strconv.FormatUint(v, 16).
std::string Hex(uint64_t value);

}  // namespace kubelet::base
