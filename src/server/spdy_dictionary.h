// The dictionary of SPDY/3 header compression: a constant of the protocol, 1423 bytes, Adler-32
// e3c6a7c2.
#pragma once

#include <string>

namespace kubelet::server {

const std::string& SpdyDictionary();

}  // namespace kubelet::server
