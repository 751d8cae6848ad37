// Addresses of a host.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"

namespace kubelet::probe {

// An address is taken as it is; a name is looked up on the pool, and its first address is meant.
// Unavailable: the message names the host.
base::Task<absl::StatusOr<boost::asio::ip::tcp::endpoint>> Lookup(base::BlockingPool& pool,
                                                                  std::string host, uint16_t port,
                                                                  base::Nanos timeout);

}  // namespace kubelet::probe
