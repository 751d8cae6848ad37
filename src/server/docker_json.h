// Docker's json-file log: one flat JSON object a line,
// `{"log":"...","stream":"stdout","time":"..."}`. Pure.
#pragma once

#include <string>
#include <string_view>

namespace kubelet::server {

struct DockerEntry {
  std::string log, stream, time;
};

// False: no such object. Other members are passed over, and may nest; the last of a repeated one
// counts. What is not Unicode becomes U+FFFD.
bool ParseDockerJson(std::string_view line, DockerEntry& entry);

}  // namespace kubelet::server
