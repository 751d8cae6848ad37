// Probes for real: over sockets, and through the runtime for exec. Core loop only, no threads but
// the blocking pool's for names of hosts (names.h).
#pragma once

#include <memory>
#include <string>

#include "kubelet/base/blocking_pool.h"
#include "kubelet/base/clock.h"
#include "kubelet/probe/action.h"
#include "kubelet/probe/exec_leftovers.h"
#include "kubelet/probe/names.h"
#include "kubelet/runtime/container_runtime.h"
#include "kubelet/runtime/health.h"

namespace kubelet::probe {

// Deviations from upstream, all towards fewer false failures:
//   http  HTTP/1.1 only, where Go offers h2 as well
//   grpc  a refused connection fails at once, where grpc-go would try on until the timeout
//   exec  at most `parallel_execs` at a time, the others wait for their turn; one that takes longer
//         than `slow_exec` gives its place up. The timeout is the runtime's and begins when the
//         process runs, so neither our queue nor a slow start counts. What one that ran out of its
//         time has forked is ended with it (exec_leftovers.h).
class NetworkProber : public Prober {
 public:
  struct Options {
    std::string user_agent = "kube-probe/1.36";
    int parallel_execs = 8;
    base::Nanos slow_exec = std::chrono::seconds(2);
    Names::Options names = {};
  };
  struct Deps {
    base::Executor executor;
    base::Clock& clock;
    base::BlockingPool& pool;
    runtime::ContainerRuntime& runtime;
    ContainerProcesses* processes = nullptr;  // null: what an exec leaves behind stays
  };
  NetworkProber(Deps deps, Options options);
  ~NetworkProber() override;
  base::Task<Outcome> Run(Action action, std::chrono::seconds timeout) override;
  // For whoever else asks hosts of pods.
  Names& names() { return names_; }

 private:
  base::Task<Outcome> Http(HttpAction action, std::chrono::seconds timeout);
  base::Task<Outcome> Tcp(TcpAction action, std::chrono::seconds timeout);
  base::Task<Outcome> Grpc(GrpcAction action, std::chrono::seconds timeout);
  base::Task<Outcome> Exec(ExecAction action, std::chrono::seconds timeout);
  Deps deps_;
  Options options_;
  Names names_;
  base::Semaphore execs_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // timers may outlive us
  base::TaskScope scope_;                                       // watches over execs
};

// The requests of lifecycle hooks, with `kube-lifecycle/1.36` as user agent. Errors are
// Unavailable, in Go's words.
std::unique_ptr<runtime::HookHttp> MakeHookHttp(base::Executor executor, base::Clock& clock,
                                                Names& names);

}  // namespace kubelet::probe
