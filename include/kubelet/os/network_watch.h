// Tells that the addresses of this machine, or the ways out of it, have changed: rtnetlink(7), so
// nothing runs while nothing changes.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "kubelet/base/async.h"

namespace kubelet::os {

// Core loop only.
class NetworkWatch {
 public:
  // `on_change` may come once for several changes, and now and then for none: after the kernel
  // dropped news that were not read in time.
  NetworkWatch(base::Executor executor, std::function<void()> on_change);
  ~NetworkWatch();

  // Changes after this are told. Again when it runs: nothing. Unavailable: no such news here; a
  // caller looks now and then instead.
  absl::Status Start();
  void Stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Whether one of these messages of a read is of an address that others can reach, of a default
// route, or of a link that goes up or down (which takes its routes along without a word). Not so
// for what each start of a pod brings: the link-local address of its link, a route to it. Pure.
bool MattersToAddresses(std::string_view messages);

}  // namespace kubelet::os
