// Addresses behind the names of hosts that probes and hooks are sent to (nearly all are addresses,
// and need none of this).
//
// One name is looked up at a time, and all who ask for it wait for the same answer. One that takes
// long gives its turn to the next, so there are two at most, each on a thread of the pool. A name
// server that does not answer so costs the pods that ask for that name a failure, and all others a
// little time: a wait for one's turn does not count against a timeout. Core loop only.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/base/blocking_pool.h"

namespace kubelet::probe {

class Names {
 public:
  using Addresses = std::vector<boost::asio::ip::address>;
  struct Options {
    // What was found, or not found, is told again for so long; what was not found for as long as
    // the look-up took, if that is longer.
    base::Nanos keep = std::chrono::seconds(1);
    base::Nanos slow = std::chrono::seconds(2);  // after this the next name has its turn
    // Blocking. Empty: the system's resolver.
    std::function<absl::StatusOr<Addresses>(const std::string& host)> resolve = {};
  };
  Names(base::Executor executor, base::Clock& clock, base::BlockingPool& pool, Options options);
  Names(base::Executor executor, base::Clock& clock, base::BlockingPool& pool)
      : Names(std::move(executor), clock, pool, Options()) {}
  ~Names();

  // All addresses of a name, in the order in which they are to be tried; at least one. `timeout`
  // begins when the lookup of this name does. Unavailable: in the resolver's words;
  // DeadlineExceeded: no answer in time, the lookup itself goes on.
  base::Task<absl::StatusOr<Addresses>> Find(std::string host, base::Nanos timeout);

 private:
  struct State;
  static base::Task<void> Run(std::weak_ptr<State> weak, std::string host);
  std::shared_ptr<State> state_;
  base::TaskScope scope_;
};

}  // namespace kubelet::probe
