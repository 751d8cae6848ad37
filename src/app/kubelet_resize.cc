// What pods were given, and what they may get.
#include "app/kubelet.h"
#include "kubelet/admission/resources.h"

namespace kubelet::app {

namespace {

// CPU is counted in thousandths.
std::string Words(const admission::Insufficient& lack) {
  return "Node didn't have enough resource: " + lack.resource +
         ", requested: " + std::to_string(lack.requested) + ", used: " + std::to_string(lack.used) +
         ", capacity: " + std::to_string(lack.capacity);
}

}  // namespace

void Kubelet::MakeResizes() {
  PodResizes::Deps deps{
      io_.get_executor(), clock_, pool_, config_, metrics_, {}, {}, {}, {}, {}, {}};
  deps.active = [this] {
    std::vector<api::PodPtr> pods;
    for (auto& active : workers_->Active()) pods.push_back(std::move(active.pod));
    return pods;
  };
  deps.find = [this](const std::string& uid) { return store_->Get(uid); };
  deps.sources_ready = [this] { return store_->AllComplete(); };
  deps.fits = [this](const api::core::Pod& pod, const std::vector<api::PodPtr>& others) {
    admission::Amounts used;
    for (const auto& other : others) admission::Add(admission::RequestsOf(*other), used);
    auto lacks =
        admission::FindInsufficient(admission::RequestsOf(pod), used, admission_->Allocatable());
    std::optional<resource::Refusal> refusal;
    if (!lacks.empty()) refusal = resource::Refusal{"OutOf" + lacks[0].resource, Words(lacks[0])};
    return refusal;
  };
  deps.on_change = [this](const std::string& uid) {
    workers_->Wake(uid);
    OnPodChange(uid);
  };
  deps.on_event = [this](const auto& pod, const auto& event) { OnEvent(pod, event); };
  deps.limited_swap = node_.context.swap.limited;
  resizes_ = std::make_unique<PodResizes>(std::move(deps));
}

// By what it was given, as a pod that ran before this kubelet did.
worker::Judgement Kubelet::Judge(const api::core::Pod& pod) {
  api::PodPtr wanted = store_->Get(pod.metadata().uid());
  if (wanted) wanted = resizes_->allocations().Allocated(wanted);
  auto judgement = admission_->Judge(wanted ? *wanted : pod);
  judgement.after.merge(resources_->Follows(pod.metadata().uid()));
  return judgement;
}

}  // namespace kubelet::app
