#include "probe/lookup.h"

#include <netdb.h>

#include <cstring>
#include <memory>

namespace kubelet::probe {

using Endpoint = boost::asio::ip::tcp::endpoint;

base::Task<absl::StatusOr<Endpoint>> Lookup(base::BlockingPool& pool, std::string host,
                                            uint16_t port, base::Nanos timeout) {
  boost::system::error_code is_name;
  auto address = boost::asio::ip::make_address(host, is_name);
  if (!is_name) co_return Endpoint(address, port);
  if (host.empty()) co_return absl::UnavailableError("dial tcp: missing address");
  std::function<absl::StatusOr<Endpoint>()> work = [host, port]() -> absl::StatusOr<Endpoint> {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    if (error != 0 || found == nullptr) {
      return absl::UnavailableError("dial tcp: lookup " + host + ": " + ::gai_strerror(error));
    }
    Endpoint endpoint;
    endpoint.resize(found->ai_addrlen);
    std::memcpy(endpoint.data(), found->ai_addr, found->ai_addrlen);
    return endpoint;
  };
  auto found = co_await pool.Run<Endpoint>("probe lookup", timeout, std::move(work));
  if (found.ok() || absl::IsUnavailable(found.status())) co_return found;
  co_return absl::UnavailableError("dial tcp: lookup " + host + ": i/o timeout");
}

}  // namespace kubelet::probe
