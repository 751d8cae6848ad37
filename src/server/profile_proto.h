// Profiles as Go's pprof reads them: profile.proto (github.com/google/pprof/proto), gzipped. Our
// own writer, since the message is small. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace kubelet::server {

struct ProfileMapping {
  uint64_t start = 0, limit = 0, offset = 0;
  std::string file, build_id;
};
// The executable parts of this process. Blocking (reads /proc/self/maps).
std::vector<ProfileMapping> ProcessMappings();

// One line of a stack: an address of code, or a name where there is none.
struct ProfileFrame {
  uint64_t address = 0;
  std::string name;
};
struct ProfileSample {
  std::vector<ProfileFrame> stack;  // innermost first
  std::vector<int64_t> values;      // one per type
};
struct Profile {
  std::vector<std::pair<std::string, std::string>> types;  // {"cpu", "nanoseconds"}
  std::pair<std::string, std::string> period_type;
  int64_t period = 0, time_nanos = 0, duration_nanos = 0;
  std::vector<ProfileMapping> mappings;
  std::vector<ProfileSample> samples;
  std::vector<std::string> comments;
};

// The message. Addresses get their mapping; the names of functions too where `names` finds one.
std::string EncodeProfile(const Profile& profile, std::string (*names)(uint64_t));
// The nearest dynamic symbol, readable; empty: none (the executable's own are looked up by pprof).
std::string SymbolName(uint64_t address);
std::string Gzip(const std::string& data);

}  // namespace kubelet::server
