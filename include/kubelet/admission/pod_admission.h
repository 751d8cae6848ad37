// Judges pods one after the other against those that take up room now; remembers what each of them
// uses.
//
// One thread (the core loop). Holds a few numbers for each pod of the last call, no more.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "kubelet/admission/admission.h"

namespace kubelet::admission {

class PodAdmission {
 public:
  struct Other {
    api::PodPtr pod;       // with its allocated resources, when a resize is under way
    bool leaving = false;  // it is being preempted: its room is promised, but not free yet
  };
  struct Result {
    Decision decision;
    // Admitted into room that these pods have still to leave: it has to start after them.
    std::set<std::string> after;
  };
  // `others` may hold the pod itself; it is passed over.
  // `assign` is called once at most.
  Result Judge(const api::core::Pod& pod, const NodeFacts& node, const std::vector<Other>& others,
               const Assign& assign = {});

 private:
  struct Known {
    api::PodPtr pod;
    PodUse use;
  };
  void Learn(const std::vector<Other>& others, bool pod_level);
  std::map<std::string, Known> known_;
};

}  // namespace kubelet::admission
