// CPUs and memory that containers have to themselves.
#include "app/kubelet.h"
#include "kubelet/api/pod.h"

namespace kubelet::app {

absl::Status Kubelet::MakeResources() {
  NodeResources::Deps deps{io_.get_executor(), clock_,    pool_, config_, node_,
                           metrics_,           *runtime_, {},    {},      {}};
  deps.observed = [this] {
    return pleg_ ? pleg_->All() : std::vector<runtime::ObservedPodPtr>();
  };
  deps.live = [this] { return LivePods(); };
  deps.gives_way = [this](const std::string& uid, const api::core::Pod& to) {
    return GivesWay(uid, to);
  };
  auto made = NodeResources::Create(std::move(deps));
  if (!made.ok()) return made.status();
  resources_ = *std::move(made);
  return absl::OkStatus();
}

// It is ending, and not by the API's leave, which waits for it: nobody wants it any more, or it is
// a static pod that was edited, and this is what became of it.
bool Kubelet::GivesWay(const std::string& uid, const api::core::Pod& to) const {
  if (store_->AllComplete() && !store_->Wanted(uid)) return true;
  auto view = workers_->View(uid);
  return view && view->over() && api::IsStatic(to) && view->name == to.metadata().name() &&
         view->namespace_ == to.metadata().namespace_();
}

}  // namespace kubelet::app
