// Where a probe is sent.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/probe/names.h"

namespace kubelet::probe {

using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;

// An address is taken as it is; of a name all addresses are meant, in their order (Dialog::Connect
// tries them in turn). Unavailable: the message names the host.
base::Task<absl::StatusOr<Endpoints>> Lookup(Names& names, std::string host, uint16_t port,
                                             base::Nanos timeout);

}  // namespace kubelet::probe
