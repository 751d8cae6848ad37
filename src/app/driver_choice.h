// Which cgroup driver this node uses: what the container runtime says, asked until it has said so.
// A runtime that does not know the question leaves the configured one. Core loop; no retry of its
// own. (Facts: getCgroupDriverFromCRI, cmd/kubelet/app/server.go of 1.36. Upstream ends after three
// tries; here the node is not ready and its pods wait until the runtime answers.)
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/base/metrics.h"
#include "kubelet/runtime/container_runtime.h"

namespace kubelet::app {

class DriverChoice {
 public:
  DriverChoice(runtime::ContainerRuntime& runtime, runtime::CgroupDriver configured,
               base::Registry& metrics)
      : runtime_(runtime), configured_(configured), metrics_(metrics) {}

  // The driver; once it is known the runtime is not asked again. An error: what the runtime
  // answered; ask again later, a driver that is guessed wrong would give pods groups where their
  // containers are not.
  base::Task<absl::StatusOr<runtime::CgroupDriver>> Find();

  bool known() const { return known_.has_value(); }
  // Of the last Find; OK before the first.
  const absl::Status& trouble() const { return trouble_; }

 private:
  void TellOld();

  runtime::ContainerRuntime& runtime_;
  runtime::CgroupDriver configured_;
  base::Registry& metrics_;
  std::optional<runtime::CgroupDriver> known_;
  absl::Status trouble_;
};

}  // namespace kubelet::app
