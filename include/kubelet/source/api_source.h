// Pods that the API server has bound to this node.
//
// Lists and watches pods with spec.nodeName of this node through client::Reflector and delivers
// them as snapshots, one per turn of the loop however many events came in it. Nothing is delivered
// before the first list has come, so no running pod is judged an orphan by a server that did not
// answer; later outages change nothing. Objects are shared, never copied: an event costs its own
// pod. managedFields are dropped on arrival. Core loop only.
//
// Pods with the annotation config.mirror are not run (pkg/kubelet/pod/pod_manager.go); they go to
// on_mirrors. A full name may be both a static pod's and an API pod's: they have uids of their own
// and run beside one another.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kubelet/api/types.h"
#include "kubelet/client/api.h"
#include "kubelet/client/reflector.h"
#include "kubelet/source/source.h"

namespace kubelet::source {

inline constexpr char kApiSource[] = "api";

struct ApiSourceDeps {
  base::Executor executor;
  base::Clock& clock;
  client::Api& api;
  // Called together, on_mirrors first, once per turn of the loop, each when its set has changed and
  // once after the first list.
  std::function<void(const Snapshot&)> on_snapshot;
  std::function<void(const std::vector<api::PodPtr>&)> on_mirrors;  // may be empty
  // Every pod, mirrors too, the moment the server shows it, before the snapshot that has it: for
  // the status writer. May be empty.
  struct Tap {
    std::function<void(const std::vector<api::PodPtr>&)> on_list;
    std::function<void(const api::PodPtr&)> on_set;
    std::function<void(const api::PodPtr&)> on_removed;  // as it was last seen
  };
  Tap tap;
  // OK again after an outage, or not OK. May be empty.
  std::function<void(const absl::Status&)> on_health;
  client::ServerTraits* traits = nullptr;  // shared with other reflectors; may be null
};

std::unique_ptr<PodSource> MakeApiSource(const std::string& node_name, ApiSourceDeps deps);

}  // namespace kubelet::source
