// May this pod run on this node? The kubelet's admission handlers as one pure function over a
// snapshot.
//
//   pod + NodeFacts + what the other admitted pods use -> admitted | rejected (reason, message) |
//                                                         admitted once these pods have been
//                                                         preempted
//
// Handlers in upstream's order (pkg/kubelet/kubelet.go, 1.36), the first rejection counts:
// pressure, sysctls, the managers of CPU and memory (`assign`) and of devices, predicates (OS,
// supplemental groups policy, resources, affinity, node name, host ports, NoExecute taints),
// AppArmor, pod features, declared features, shutdown. Only
// pods that are new to the node are judged: what was admitted once stays, whatever becomes of the
// node. Thread safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "k8s/core/v1/node.pb.h"
#include "kubelet/admission/resources.h"
#include "kubelet/admission/sysctls.h"
#include "kubelet/api/pod.h"
#include "kubelet/api/types.h"

namespace kubelet::admission {

struct Rejection {
  std::string reason;   // `NodeAffinity`, as shown in the pod's status
  std::string message;  // without the prefix "Pod was rejected: "
};
// How kubelet_admission_rejections_total names a reason: those upstream does not know are `Other`
// or `OutOfExtendedResources`.
std::string MetricReason(const std::string& reason);

struct NodeFacts {
  std::string name;
  std::map<std::string, std::string> labels;  // of the node's object
  // False: the object was not seen yet; a static pod is not judged by labels, it does not wait for
  // the server.
  bool labels_known = true;
  std::vector<api::core::Taint> taints;
  Amounts allocatable;
  bool supplemental_groups_policy = false;  // the runtime applies Strict
  bool memory_pressure = false, disk_pressure = false, pid_pressure = false;
  bool shutting_down = false;
  bool apparmor = false;  // enabled on this host
  SysctlAllowlist sysctls;
  // status.declaredFeatures; nullopt: gate NodeDeclaredFeatures is off, nothing is asked for.
  std::optional<std::set<std::string>> declared_features;
  bool pod_level_resources = true;   // gate PodLevelResources
  bool numeric_tolerations = false;  // gate TaintTolerationComparisonOperators
  // Reserves devices of plugins for the pod, or says why not; `allocatable` is raised to what is
  // given already, so that a plugin that is away makes no difference to its pods. Asked again, it
  // changes nothing. May be empty.
  std::function<std::optional<Rejection>(const api::core::Pod&, Amounts& allocatable)> devices = {};
};

struct HostPort {
  std::string ip, protocol;
  int32_t port = 0;
};

// What an admitted pod takes of the node, and what makes it a victim or not. Computed once for a
// pod.
struct PodUse {
  std::string uid;
  Amounts requests;
  std::vector<HostPort> ports;  // of containers and sidecars
  api::QosClass qos = api::QosClass::kBestEffort;
  bool critical = false;
  std::optional<int32_t> priority;
  int64_t created = 0;  // seconds since the epoch
};
PodUse UseOf(const api::core::Pod& pod, bool pod_level_resources = true);

struct Decision {
  std::optional<Rejection> rejection;
  // Admitted only when these pods have ended; empty as a rule. `preempt_for` is the first resource
  // that lacks, as kubelet_preemptions counts it.
  std::vector<std::string> preempt;
  std::string preempt_for;
};

// Gives the pod CPUs, memory and devices of its own. A later handler may still reject it: the
// caller takes them back then.
using Assign = std::function<std::optional<Rejection>(const api::core::Pod&)>;

// `others`: the pods that were admitted here and have not ended, without this one. `assign` may be
// empty.
Decision Judge(const api::core::Pod& pod, const NodeFacts& node,
               const std::vector<const PodUse*>& others, const Assign& assign = {});

// Whether the labels satisfy spec.nodeSelector and the required node affinity. A term or
// requirement that says nothing, or something malformed, matches nothing.
bool MatchesNode(const api::core::Pod& pod, const NodeFacts& node);

bool Tolerates(const api::core::PodSpec& spec, const api::core::Taint& taint, bool numeric);

// Names of node features that the pod cannot do without, sorted
// (component-helpers/nodedeclaredfeatures).
std::vector<std::string> RequiredFeatures(const api::core::Pod& pod);

}  // namespace kubelet::admission
