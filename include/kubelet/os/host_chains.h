// Chains of the node's packet filter that others count on, for makeIPTablesUtilChains:
// KUBE-IPTABLES-HINT (mangle, both families), whose mere existence says which kind of iptables this
// node uses, and KUBE-FIREWALL (filter, IPv4), which keeps packets from outside from what listens
// on 127.0.0.0/8 where kube-proxy has set route_localnet. Facts:
// pkg/kubelet/kubelet_network_linux.go and pkg/util/iptables Monitor of 1.36.
//
// KUBE-KUBELET-CANARY, empty, in mangle, nat and filter: when it is gone from mangle, somebody has
// flushed the rules, and all is made again. That look is one run of iptables per family and minute.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/process.h"

namespace kubelet::os {

// One run of iptables or ip6tables. NotFound: there is no such program.
using RunIptables =
    std::function<absl::StatusOr<base::ProcessResult>(const std::vector<std::string>& args)>;
// `program` through $PATH, with a time limit for each run. Blocking.
RunIptables IptablesProgram(std::string program);

enum class IpFamily { kV4, kV6 };

// Makes what is not there; chains and rules that are there stay as they are. Blocking. NotFound: no
// iptables here; Internal names the run that failed, with what it printed.
absl::Status SyncHostChains(IpFamily family, const RunIptables& run);
// Whether the canary of the mangle table is there.
absl::StatusOr<bool> CanaryAlive(const RunIptables& run);

// Keeps both families so for as long as it runs. A family without a program is given up; one whose
// rules cannot be made is tried again each minute. Core loop; iptables runs on the BlockingPool
// (kind `iptables`).
class HostChains {
 public:
  struct Options {
    RunIptables v4, v6;  // empty: the programs of this machine
    base::Nanos period = std::chrono::minutes(1);
    std::function<void()> on_round = {};  // both families were looked at; tests
  };
  HostChains(base::Clock& clock, base::BlockingPool& pool, Options options);
  base::Task<void> Run();

 private:
  struct Family {
    const char* name;
    IpFamily family;
    RunIptables run;
    bool given_up = false, made = false;
    std::string trouble;  // as it was last told
  };
  base::Task<void> Look(Family& family);

  base::Clock& clock_;
  base::BlockingPool& pool_;
  Options options_;
  std::vector<Family> families_;
};

}  // namespace kubelet::os
