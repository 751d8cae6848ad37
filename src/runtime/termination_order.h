// Which containers of a pod that ends wait for which: a sidecar for all regular containers and for
// the sidecars after it (pkg/kubelet/kuberuntime/kuberuntime_termination_order.go). Core loop only;
// shared by the stops of one pod.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kubelet/api/types.h"
#include "kubelet/base/async.h"
#include "kubelet/runtime/observed.h"

namespace kubelet::runtime {

// The names of the containers that have to end before `name`, of those that the pod has.
std::set<std::string> EndsBefore(const api::core::Pod& pod, const std::string& name);

class TerminationOrder {
 public:
  // `running`: names of the containers that are being stopped; nobody waits for others.
  TerminationOrder(base::Executor executor, base::Clock& clock, api::PodPtr pod, std::set<std::string> running);

  // Returns when all before `name` have ended, or at `until`.
  base::Task<void> WaitForTurn(std::string name, base::MonoTime until);
  void Ended(const std::string& name);

 private:
  bool Turn(const std::set<std::string>& before) const;

  base::Executor executor_;
  base::Clock& clock_;
  api::PodPtr pod_;
  std::set<std::string> running_;
  std::vector<std::weak_ptr<base::WakeEvent>> waiting_;
};

}  // namespace kubelet::runtime
