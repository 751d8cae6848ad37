// Statistics: where they get their pods from.
#include "app/kubelet.h"

namespace kubelet::app {

void Kubelet::MakeStats() {
  stats_ = std::make_unique<NodeStats>(
      NodeStats::Deps{io_.get_executor(), clock_, pool_, config_, node_, metrics_, *connection_,
                      *images_, *image_list_, *pleg_, *store_, *workers_,
                      [this] { return adapters_->node_cgroups().PodsPath(); },
                      [this](api::PodPtr pod) { return OwnVolumes(std::move(pod)); }});
}

}  // namespace kubelet::app
