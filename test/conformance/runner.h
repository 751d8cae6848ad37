// A whole run: sets the world up, runs cases side by side and then the serial ones, and takes
// everything away again.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "conformance/case.h"
#include "conformance/report.h"
#include "conformance/world.h"

namespace kubelet::conformance {

struct RunOptions {
  std::string kubelet;     // program under test; empty with a kubeconfig
  std::string endpoint;    // of the runtime
  std::string kubeconfig;  // a cluster with a kubelet that runs already
  std::string node;        // its node
  std::string image_tar;   // OCI layout; empty: busybox of this machine
  std::string busybox = "/bin/busybox";
  std::string work_dir;         // of the run; made and removed
  std::string kubelet_log;      // where the kubelet's log is kept
  bool end_other_pods = false;  // start the kubelet though the runtime has pods of others
  int parallel = 8;
  int verbosity = 2;  // of the kubelet
  double patience = 1;
  std::chrono::seconds time_limit{15 * 60};
};

// Called after each case; `done` of `all`.
using Progress = std::function<void(const CaseResult&, size_t done, size_t all)>;

// Blocking: has a loop of its own. SIGINT and SIGTERM end it early but in good order. Not OK: the
// run could not begin, or left something behind (then `result` is full).
absl::Status RunCases(const RunOptions& options, const std::vector<Case>& cases,
                      const Progress& progress, RunResult& result);

}  // namespace kubelet::conformance
