// What the runtime was last seen to hold of one pod, and the port through which others read and refresh it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/base/async.h"
#include "kubelet/runtime/model.h"

namespace kubelet::runtime {

// Immutable once published. Newest first in both lists (attempt, then creation time).
struct ObservedPod {
  std::string uid, name, namespace_;
  std::vector<Sandbox> sandboxes;
  std::vector<std::string> ips;            // of the newest ready sandbox; empty with host network
  NamespaceMode network = NamespaceMode::kPod;  // of that sandbox
  std::vector<ContainerStatus> containers;
  std::map<ContainerId, SandboxId> sandbox_of;  // of every container above
  base::MonoTime observed_at;              // when the question was asked, not when the answer came
  // Out of lists only: which containers there are and whether they run. Exit codes, times and IPs are not known yet.
  bool provisional = false;

  // Newest sandbox if it is ready, else nullptr.
  const Sandbox* ReadySandbox() const;
  // Newest container of that name, else nullptr.
  const ContainerStatus* Newest(const std::string& container_name) const;
  bool AnyRunning() const;  // a container is running, created or unknown
};
using ObservedPodPtr = std::shared_ptr<const ObservedPod>;

// Implemented by pleg. Core loop only.
class PodObserver {
 public:
  virtual ~PodObserver() = default;
  // Latest knowledge; nullptr when the runtime holds nothing of the pod, or when nothing is known (see Known).
  virtual ObservedPodPtr Get(const std::string& uid) const = 0;
  // Get is up to date. False: events are unanswered or the last question failed; Refresh before acting.
  virtual bool Known(const std::string& uid) const = 0;
  // Asks the runtime now and returns the answer (never null). Unavailable or DeadlineExceeded: retry later.
  virtual base::Task<absl::StatusOr<ObservedPodPtr>> Refresh(std::string uid) = 0;
  // Running containers of the pod were changed (resized): what is known of them is asked anew with the next question.
  virtual void Distrust(const std::string&) {}
  // While a pod is held, events about it do not cause extra questions: its worker is acting and asks itself.
  virtual void Hold(const std::string& uid, bool held) = 0;
};

}  // namespace kubelet::runtime
