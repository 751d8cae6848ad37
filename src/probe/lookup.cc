#include "probe/lookup.h"

#include "kubelet/base/status.h"

namespace kubelet::probe {

base::Task<absl::StatusOr<Endpoints>> Lookup(Names& names, std::string host, uint16_t port,
                                             base::Nanos timeout) {
  Endpoints endpoints;
  boost::system::error_code is_name;
  auto address = boost::asio::ip::make_address(host, is_name);
  if (!is_name) {
    endpoints.emplace_back(address, port);
    co_return endpoints;
  }
  if (host.empty()) co_return absl::UnavailableError("dial tcp: missing address");
  auto found = co_await names.Find(host, timeout);
  if (found.ok()) {
    for (const auto& each : *found) endpoints.emplace_back(each, port);
    co_return endpoints;
  }
  std::string why = "i/o timeout";
  if (absl::IsUnavailable(found.status())) why = base::Message(found.status());
  co_return absl::UnavailableError("dial tcp: lookup " + host + ": " + why);
}

}  // namespace kubelet::probe
