// Whom a critical pod drives out. Pure. Facts: pkg/kubelet/preemption, Kubernetes 1.36.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kubelet/admission/admission.h"

namespace kubelet::admission {

// A critical pod may preempt one that is not; otherwise the priority decides, when both have one.
bool MayPreempt(const PodUse& preemptor, const PodUse& victim);

// uids of the pods whose end frees what is `missing`: as few as can be found of the guaranteed
// ones, then of the burstable, then of the best effort ones; of two that serve equally well the
// smaller, the less important, the younger. No pod of the set is superfluous (upstream's choice may
// hold some that are). FailedPrecondition, in upstream's words: all preemptable pods together are
// not enough.
absl::StatusOr<std::vector<std::string>> ChooseVictims(const PodUse& preemptor,
                                                       const std::vector<const PodUse*>& others,
                                                       const std::vector<Insufficient>& missing);

}  // namespace kubelet::admission
