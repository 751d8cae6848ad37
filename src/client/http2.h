// HTTP/2 of one connection, by nghttp2. The stream window bounds what a slow reader holds in memory
// (256 KiB) and holds the server back for that stream alone; the connection's window is given back
// at once. Facts: RFC 9113; nghttp2 1.52.
#pragma once

#include <memory>
#include <string>

#include "client/session.h"

namespace kubelet::client {

inline constexpr int kStreamWindow = 256 * 1024;
inline constexpr int kConnectionWindow = 4 * 1024 * 1024;

// `authority` and `https` are what every request says of the server. The preface and the settings
// wait in Send.
std::unique_ptr<Session> MakeHttp2Session(std::string authority, bool https);

}  // namespace kubelet::client
