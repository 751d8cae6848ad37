#include "conformance/observer.h"

#include <utility>

#include "k8s/core/v1/event.pb.h"
#include "kubelet/api/codec.h"
#include "kubelet/api/types.h"

namespace kubelet::conformance {
namespace {

namespace core = api::core;

client::Reflector::Options PodOptions(const std::string& node) {
  client::Reflector::Options options;
  options.path.resource = client::kPods;
  options.field_selector = "spec.nodeName=" + node;
  options.item = &core::Pod::default_instance();
  options.list = &core::PodList::default_instance();
  return options;
}

client::Reflector::Options EventOptions() {
  client::Reflector::Options options;
  options.path.resource = client::kEvents;
  options.item = &core::Event::default_instance();
  options.list = &core::EventList::default_instance();
  return options;
}

template <typename Set, typename Removed>
client::Reflector::Sink SinkOf(Set set, Removed removed) {
  client::Reflector::Sink sink;
  sink.on_list = [set](std::vector<client::MessagePtr> all) {
    for (const auto& each : all) set(each);
  };
  sink.on_set = set;
  sink.on_removed = removed;
  return sink;
}

}  // namespace

Observer::Observer(client::Reflector::Deps deps, std::string node, std::string prefix)
    : prefix_(std::move(prefix)),
      pods_(deps, PodOptions(node),
            SinkOf([this](const client::MessagePtr& pod) { SetPod(pod, true); },
                   [this](const client::MessagePtr& pod) { SetPod(pod, false); })),
      events_(deps, EventOptions(),
              SinkOf([this](const client::MessagePtr& event) { SetEvent(event); },
                     [](const client::MessagePtr&) {})) {}

void Observer::Start() {
  pods_.Start();
  events_.Start();
}

base::Task<void> Observer::Stop() {
  co_await pods_.Stop();
  co_await events_.Stop();
}

void Observer::Subscribe(const std::string& ns, base::WakeEvent* wake) { spaces_[ns].wake = wake; }

void Observer::Forget(const std::string& ns) { spaces_.erase(ns); }

void Observer::Wake(const std::string& ns) {
  auto found = spaces_.find(ns);
  if (found != spaces_.end() && found->second.wake != nullptr) found->second.wake->Notify();
}

void Observer::SetPod(const client::MessagePtr& message, bool there) {
  const auto& pod = static_cast<const core::Pod&>(*message);
  const std::string& ns = pod.metadata().namespace_();
  if (!Ours(ns)) return;
  if (there) {
    there_[ns].insert(pod.metadata().name());
  } else {
    there_[ns].erase(pod.metadata().name());
  }
  auto space = spaces_.find(ns);
  if (space == spaces_.end()) return;
  auto parsed = ParseJson(api::EncodeJson(pod));
  if (!parsed.ok()) return;
  PodHistory& history = space->second.pods[pod.metadata().name()];
  history.versions.push_back(*std::move(parsed));
  history.there = there;
  Wake(ns);
}

bool Observer::HasPods(const std::string& ns) const {
  auto found = there_.find(ns);
  return found != there_.end() && !found->second.empty();
}

void Observer::SetEvent(const client::MessagePtr& message) {
  const auto& event = static_cast<const core::Event&>(*message);
  const std::string& ns = event.metadata().namespace_();
  auto space = spaces_.find(ns);
  if (!Ours(ns) || space == spaces_.end()) return;
  auto parsed = ParseJson(api::EncodeJson(event));
  if (!parsed.ok()) return;
  space->second.events[event.metadata().name()] = *std::move(parsed);
  Wake(ns);
}

const PodHistory& Observer::Pod(const std::string& ns, const std::string& name) const {
  static const auto& none = *new PodHistory;
  auto space = spaces_.find(ns);
  if (space == spaces_.end()) return none;
  auto pod = space->second.pods.find(name);
  return pod == space->second.pods.end() ? none : pod->second;
}

std::vector<Json> Observer::Events(const std::string& ns, const std::string& name) const {
  std::vector<Json> out;
  auto space = spaces_.find(ns);
  if (space == spaces_.end()) return out;
  for (const auto& [key, event] : space->second.events) {
    const Json* about = Find(event, "involvedObject.name");
    if (about != nullptr && TextOf(*about) == name) out.push_back(event);
  }
  return out;
}

}  // namespace kubelet::conformance
