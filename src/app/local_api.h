// What is seen from outside, out of snapshots: the pod list, health, and the texts of
// `kubelet pods` and `kubelet explain`. Core loop only; every answer is immediate.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "app/status_cache.h"
#include "kubelet/pleg/pleg.h"
#include "kubelet/podstore/pod_store.h"
#include "kubelet/server/http_server.h"
#include "kubelet/worker/pod_workers.h"

namespace kubelet::app {

// A manifest that was refused, or that is kept in its last good form.
struct SourceProblem {
  std::string origin;  // file or URL
  std::string pod;     // namespace/name when known
  std::string error;
  base::WallTime since;
  bool last_good_kept = false;
  bool warning = false;  // accepted nevertheless
};

class LocalApi {
 public:
  struct Deps {
    base::Clock& clock;
    podstore::PodStore& store;
    worker::PodWorkers& workers;
    pleg::Pleg& pleg;
    StatusCache& statuses;
    std::function<std::vector<SourceProblem>()> problems;
    std::function<absl::Status()> runtime_health;
    std::function<std::string()> cluster_problems;  // lines of text; empty as a rule
    std::function<std::string()> configuration;     // JSON
    // Lines about the volumes of a pod; empty uid: about those of nobody else.
    std::function<std::vector<std::string>(const std::string& uid)> volume_problems = {};
  };
  explicit LocalApi(Deps deps) : deps_(std::move(deps)) {}

  // readOnlyPort: /pods.
  server::Response ReadOnly(const server::Request& request) const;
  // port, behind authentication: those of the read-only port, /configz and /runningpods.
  server::Response Secure(const server::Request& request) const;
  // The local socket: the above, and /local/pods, /local/explain?pod=NAME.
  server::Response Local(const server::Request& request) const;

 private:
  std::string PodList() const;
  std::string RunningPods() const;
  std::string PodTable() const;
  server::Response Explain(const std::string& which) const;
  void ExplainPod(const std::string& uid, std::string& out) const;
  void ExplainContainers(const std::string& uid, std::string& out) const;
  std::string Ago(base::WallTime t) const;
  std::vector<std::string> Find(const std::string& which) const;

  Deps deps_;
};

}  // namespace kubelet::app
