// What the kubelet does for its volumes besides mounting them.
#include <stdlib.h>

#include "app/kubelet.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/os/mount.h"

namespace kubelet::app {

// What is mounted below it later shows in containers that ask for propagation. Upstream does not
// start without; here only they do without.
void Kubelet::ShareRoot() {
  char* real = realpath(config_.flags.root_dir.c_str(), nullptr);
  std::string root = real == nullptr ? config_.flags.root_dir : real;
  free(real);
  auto shared = os::MakeShared(root);
  if (!shared.ok())
    LOG_WARNING("The root directory is no shared mount; mountPropagation will not reach it", "dir",
                root, "err", shared.status());
  else if (*shared)
    LOG_INFO("The root directory was made a shared mount", "dir", root);
}

VolumeHooks Kubelet::HooksOfVolumes() {
  VolumeHooks hooks;
  hooks.metrics = &metrics_;
  hooks.on_event = [this](const std::string& uid, const api::core::Pod* pod,
                          const std::string& reason, const std::string& message) {
    runtime::PodEvent event;
    event.warning = true;
    event.reason = reason;
    event.message = message;
    api::PodPtr known;
    if (pod == nullptr) {
      if (auto view = workers_->View(uid)) known = view->pod;
      pod = known.get();
    }
    if (pod != nullptr) OnEvent(*pod, event);
  };
  hooks.on_ready = [this](const std::string& uid) { workers_->Wake(uid); };
  hooks.node_labels = [this]() -> absl::StatusOr<std::map<std::string, std::string>> {
    auto node = cluster_ ? cluster_->KnownNode() : nullptr;
    if (!node) return absl::UnavailableError("error retrieving node: it is not known yet");
    const auto& labels = node->metadata().labels();
    return std::map<std::string, std::string>(labels.begin(), labels.end());
  };
  return hooks;
}

base::Task<std::vector<stats::OwnVolume>> Kubelet::OwnVolumes(api::PodPtr pod) {
  std::vector<stats::OwnVolume> out;
  auto rooms = co_await adapters_->pod_volumes().Rooms(pod);
  for (auto& one : rooms) {
    stats::OwnVolume volume;
    volume.name = one.volume;
    volume.claim = one.claim;
    volume.claim_namespace = one.claim.empty() ? "" : pod->metadata().namespace_();
    volume.room = one.room;
    volume.device = one.device;
    volume.took = one.took;
    out.push_back(std::move(volume));
  }
  co_return out;
}

std::vector<std::string> Kubelet::ExplainVolumes(const std::string& uid) const {
  const auto& volumes = adapters_->pod_volumes();
  if (!uid.empty()) return volumes.Explain(uid);
  return volumes.ExplainNode(
      [this](const std::string& one) { return workers_->View(one).has_value(); });
}

}  // namespace kubelet::app
