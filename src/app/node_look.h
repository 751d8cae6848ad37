// A second look at the Node before a pod is refused for its labels: the watch may be behind what
// the scheduler saw, and a refusal is for good (pkg/kubelet/lifecycle/predicate.go generalFilter
// reads the Node anew, too). Core loop only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "k8s/core/v1/node.pb.h"
#include "kubelet/api/types.h"
#include "kubelet/base/async.h"
#include "kubelet/client/api.h"

namespace kubelet::app {

class NodeLook {
 public:
  using NodePtr = std::shared_ptr<const api::core::Node>;
  // `judge_again` is called when the Node was read, or could not be: the pods in doubt are to be
  // judged once more.
  NodeLook(base::Executor executor, client::Api& api, std::string node_name,
           std::function<void()> judge_again);

  // Whether a refusal of this pod for the node's labels has to wait for a look at the server. True
  // until the Node was read for it, false then, once.
  bool Doubts(const std::string& uid);
  // What was read here, when it is newer than what the watch knows (may be null).
  NodePtr Newest(NodePtr known) const;

 private:
  base::Task<void> Read();
  client::Api& api_;
  std::string node_name_;
  std::function<void()> judge_again_;
  std::map<std::string, bool> doubts_;  // uid -> the Node was read since it was asked
  bool reading_ = false;
  NodePtr read_;
  base::TaskScope scope_;
};

}  // namespace kubelet::app
