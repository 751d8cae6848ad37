// The pods of this node as the API server shows them: what ApiSource keeps, without its client.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kubelet/api/types.h"
#include "kubelet/base/clock.h"
#include "kubelet/source/api_source.h"

namespace kubelet::source {

// Core loop only. Objects handed in belong to nobody else: they are completed (config.source,
// config.seen) and freed of managedFields in place, once, before anybody sees them.
class ApiPods {
 public:
  using MutablePod = std::shared_ptr<api::core::Pod>;

  explicit ApiPods(base::Clock& clock) : clock_(clock) {}

  // Everything there is; returns it as it is kept.
  std::vector<api::PodPtr> Replace(const std::vector<MutablePod>& pods);
  api::PodPtr Set(const MutablePod& pod);
  // The pod as it was last kept; null when it is not there (or is another one of that name by now).
  api::PodPtr Remove(const api::core::Pod& pod);

  bool listed() const { return listed_; }
  // Whether that has changed since the last call; both after the first list.
  bool TakePodsChanged() { return std::exchange(pods_changed_, false); }
  bool TakeMirrorsChanged() { return std::exchange(mirrors_changed_, false); }
  // Whether a pod was Set since the last call that is to end sooner than it would have been. Such a
  // pod may be gone with the next event, and what it said of its end with it.
  bool TakeSooner() { return std::exchange(sooner_, false); }
  std::vector<api::PodPtr> Pods() const { return Of(false); }
  std::vector<api::PodPtr> Mirrors() const { return Of(true); }

 private:
  using ByName = std::map<std::string, api::PodPtr>;
  api::PodPtr Complete(const MutablePod& pod) const;
  std::vector<api::PodPtr> Of(bool mirrors) const;
  void Changed(const api::core::Pod& pod);

  base::Clock& clock_;
  ByName pods_;  // by full name
  bool listed_ = false, pods_changed_ = false, mirrors_changed_ = false, sooner_ = false;
};

}  // namespace kubelet::source
