// All that the API server tells of the run's pods and their events: every version, in order. Core
// loop only.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "conformance/value.h"
#include "kubelet/base/async.h"
#include "kubelet/client/reflector.h"

namespace kubelet::conformance {

struct PodHistory {
  std::vector<Json> versions;  // as the watch told them
  bool there = false;          // false: never seen, or removed
  const Json* Now() const { return there ? &versions.back() : nullptr; }
};

class Observer {
 public:
  // Looks only at namespaces that begin with `prefix`, and at pods of `node`.
  Observer(client::Reflector::Deps deps, std::string node, std::string prefix);
  void Start();
  base::Task<void> Stop();

  // `wake` is told of every change in the namespace, until Forget.
  void Subscribe(const std::string& ns, base::WakeEvent* wake);
  // Drops what is known of the namespace.
  void Forget(const std::string& ns);

  const PodHistory& Pod(const std::string& ns, const std::string& name) const;
  // Whether pods of the namespace are there, also after Forget.
  bool HasPods(const std::string& ns) const;
  // Events about the object of that name: `core/v1 Event`.
  std::vector<Json> Events(const std::string& ns, const std::string& name) const;

 private:
  void SetPod(const client::MessagePtr& message, bool there);
  void SetEvent(const client::MessagePtr& message);
  bool Ours(const std::string& ns) const { return ns.rfind(prefix_, 0) == 0; }
  void Wake(const std::string& ns);

  struct Space {
    std::map<std::string, PodHistory> pods;
    std::map<std::string, Json> events;
    base::WakeEvent* wake = nullptr;
  };
  std::string prefix_;
  std::map<std::string, Space> spaces_;
  std::map<std::string, std::set<std::string>> there_;  // names of pods, by namespace
  client::Reflector pods_, events_;
};

}  // namespace kubelet::conformance
