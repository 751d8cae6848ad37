// Keeps the lease kube-node-lease/<node> fresh: the heartbeat of the node. Core loop only.
//
// Renews every quarter of the duration with 4 % jitter, by PUT of the last known lease. A conflict
// reads it anew; a lease that is gone is made again, owned by the Node, so not before the Node is
// known. Does not give up: tries again after 200 ms doubling to 7 s.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "k8s/coordination/v1/coordination.pb.h"
#include "kubelet/base/async.h"
#include "kubelet/client/api.h"

namespace kubelet::node {

namespace coordination = ::k8s::io::api::coordination::v1;

class LeaseKeeper {
 public:
  struct Options {
    std::string node_name;
    base::Nanos duration;
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    client::Api& api;
    std::function<double()> random;
    std::function<std::string()> node_uid;  // empty: the Node is not known
    std::function<void()> on_unreachable;   // may be empty
  };
  LeaseKeeper(Deps deps, Options options);

  void Start();
  base::Task<void> Stop();
  // The Node became known, or is another one.
  void NodeKnown();
  // The server answers again: does not wait for the next try.
  void ServerBack();

 private:
  enum class Outcome { kRenewed, kMissing, kFailed };

  base::Task<void> Run();
  base::Task<void> Sync();
  // Tries a few times in a row; kMissing: there is no lease to be renewed.
  base::Task<Outcome> Renew();
  // Reads or makes the lease, for as long as it takes; false: there is none and no Node yet to own
  // one. `created` is set when it needs no renewal.
  base::Task<bool> Ensure(bool& created);
  base::Task<absl::Status> GetOrCreate(bool& created);
  client::Call MakeCall(client::Call::Verb verb) const;
  coordination::Lease Renewed(const coordination::Lease& base) const;
  base::Nanos interval() const { return options_.duration / 4; }

  Deps deps_;
  Options options_;
  std::optional<coordination::Lease> latest_;
  bool waits_for_node_ = false;
  bool backs_off_ = false;
  base::WakeEvent wake_;
  base::TaskScope scope_;
};

}  // namespace kubelet::node
