// HTTP/1.1 of one connection, by Boost.Beast's parser: one request at a time, kept alive between
// them. No pings; a slow reader stops the reading of the socket.
#pragma once

#include <memory>
#include <string>

#include "client/session.h"

namespace kubelet::client {

std::unique_ptr<Session> MakeHttp1Session(std::string authority);

}  // namespace kubelet::client
