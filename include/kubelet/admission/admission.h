// May this pod run on this node? Pure predicates over a snapshot of the node.
//
// Built so far: the operating system, node name, node selector and required node affinity, in
// upstream's order and words (pkg/kubelet/lifecycle/predicate.go, 1.36). Resources, ports, taints
// and what the other handlers ask for come later.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "kubelet/api/types.h"

namespace kubelet::admission {

struct Rejection {
  std::string reason;   // `NodeAffinity`, as shown in the pod's status and counted in metrics
  std::string message;  // without the prefix "Pod was rejected: "
};

struct NodeFacts {
  std::string name;
  std::map<std::string, std::string> labels;  // of the node's object
};

// nullopt: admitted.
std::optional<Rejection> Admit(const api::core::Pod& pod, const NodeFacts& node);

// Whether the labels satisfy spec.nodeSelector and the required node affinity. A term or
// requirement that says nothing, or something malformed, matches nothing.
bool MatchesNode(const api::core::Pod& pod, const NodeFacts& node);

}  // namespace kubelet::admission
