// A node with pods of the API server: objects, a status cache and a status writer in their simplest form, around
// the kubelet of node_sim.h. What must never happen is collected in `breaches`.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fakes/node_sim.h"
#include "fakes/pods.h"
#include "kubelet/status/status.h"

namespace kubelet::test {

class ApiRig {
 public:
  explicit ApiRig(Kubelet::Options options = {}) : options_(std::move(options)) {
    options_.sources = {"file", "api"};
    options_.on_change = [this](const std::string& uid) { Generate(uid); };
    options_.on_finished = [this](const std::string& uid) { OnFinished(uid); };
    Restart();
  }

  ~ApiRig() {
    dead_ = true;
    kubelet.reset();
  }

  // A kubelet that knows nothing; the one before is dead at this point.
  void Restart() {
    if (kubelet) kubelet->client.CutAfter(0);
    dead_ = true;
    kubelet.reset();
    dead_ = false;
    statuses.clear();
    told_.clear();
    kubelet = std::make_unique<Kubelet>(world, options_);
    kubelet->Snapshot(statics);
  }

  using Edit = std::function<void(api::core::Pod&)>;
  void Create(PodSpec spec, const Edit& edit = nullptr) {
    spec.source = "api";
    auto pod = std::make_shared<api::core::Pod>(*MakePod(spec));
    pod->mutable_metadata()->mutable_annotations()->erase(api::kConfigHash);
    pod->mutable_metadata()->set_generation(1);
    pod->mutable_status()->set_phase("Pending");
    if (edit) edit(*pod);
    objects[spec.uid] = pod;
    Deliver();
  }
  void Change(const std::string& uid, const Edit& edit) {
    auto pod = std::make_shared<api::core::Pod>(*objects.at(uid));
    edit(*pod);
    objects[uid] = pod;
    Deliver();
  }
  void Delete(const std::string& uid, int64_t grace) {
    Change(uid, [&](api::core::Pod& pod) {
      if (!pod.metadata().has_deletion_timestamp()) {
        pod.mutable_metadata()->mutable_deletion_timestamp()->set_seconds(
            std::chrono::duration_cast<std::chrono::seconds>(world.clock.Now().time_since_epoch()).count());
      }
      pod.mutable_metadata()->set_deletion_grace_period_seconds(grace);
    });
  }
  void ForceDelete(const std::string& uid) {
    objects.erase(uid);
    Deliver();
  }
  void Deliver() {
    std::vector<api::PodPtr> pods;
    for (const auto& [uid, pod] : objects) pods.push_back(pod);
    kubelet->Snapshot(pods, true, "api");
    for (const auto& [uid, pod] : objects) Generate(uid);
  }
  void Static(const std::vector<api::PodPtr>& pods) {
    statics = pods;
    kubelet->Snapshot(pods);
  }

  // Time passes; statuses are written and finished pods deleted every quarter of a second.
  void Advance(Nanos d) {
    using namespace std::chrono_literals;
    for (Nanos left = d; left > 0ns; left -= 250ms) {
      world.Advance(std::min<Nanos>(left, 250ms));
      if (api_up && Write()) Deliver();
    }
  }

  std::string State(const std::string& uid) const { return kubelet->StateOf(uid); }
  int Told(const std::string& uid) const {
    auto it = told_.find(uid);
    return it == told_.end() ? 0 : it->second;
  }
  std::string Phase(const std::string& uid) const {
    auto it = objects.find(uid);
    return it == objects.end() ? "gone" : it->second->status().phase();
  }
  size_t Running(const std::string& uid) const {
    size_t running = 0;
    for (const auto* c : world.runtime.Running(names_.at(uid))) {
      running += c->status.labels.at(runtime::kPodUidLabel) == uid ? 1 : 0;
    }
    return running;
  }
  std::vector<std::string> Breaches() const {
    auto all = world.runtime.Breaches();
    all.insert(all.end(), breaches.begin(), breaches.end());
    return all;
  }

  World world;
  std::map<std::string, api::PodPtr> objects;           // in the API, by uid
  std::map<std::string, api::core::PodStatus> statuses;  // as this kubelet computes them
  std::vector<api::PodPtr> statics;
  std::vector<std::string> breaches;
  bool api_up = true;
  std::unique_ptr<Kubelet> kubelet;

 private:
  static bool Terminal(const std::string& phase) { return phase == "Succeeded" || phase == "Failed"; }

  void Generate(const std::string& uid) {
    auto it = objects.find(uid);
    if (it == objects.end() || dead_ || !kubelet) return;
    names_[uid] = it->second->metadata().name();
    auto observed = kubelet->pleg->Get(uid);
    if (!observed && !kubelet->pleg->Known(uid)) return;
    auto known = statuses.find(uid);
    status::Input input;
    input.pod = it->second.get();
    input.observed = observed.get();
    input.previous = known == statuses.end() ? &it->second->status() : &known->second;
    input.now = world.clock.Now();
    if (auto view = kubelet->workers->View(uid)) {
      input.waiting = view->waiting;
      input.terminating = view->over();
      input.stopped = !view->could_run();
      input.finished = view->finished;
      if (const auto& verdict = view->verdict) {
        input.verdict = {verdict->reason, verdict->message, verdict->rejected, verdict->disruption,
                         verdict->by_node};
      }
    }
    auto next = status::Generate(input);
    const std::string before = input.previous->phase();
    if (Terminal(before) && next.phase() != before) {
      breaches.push_back("phase of " + uid + " went from " + before + " to " + next.phase());
    }
    statuses[uid] = std::move(next);
  }

  bool Write() {
    std::vector<std::string> gone;
    bool wrote = false;
    for (auto& [uid, object] : objects) {
      Generate(uid);
      auto it = statuses.find(uid);
      auto view = kubelet->workers->View(uid);
      if (it == statuses.end() || !view) continue;
      bool finished = kubelet->workers->PodFinished(uid);
      if (finished && object->metadata().has_deletion_timestamp() && Terminal(object->status().phase())) {
        gone.push_back(uid);
        continue;
      }
      bool hold = view->could_run() && Terminal(it->second.phase());
      if (hold || it->second.SerializeAsString() == object->status().SerializeAsString()) continue;
      if (Terminal(it->second.phase()) && Running(uid) > 0) breaches.push_back(uid + " runs in a terminal phase");
      auto pod = std::make_shared<api::core::Pod>(*object);
      *pod->mutable_status() = it->second;
      object = pod;
      wrote = true;
    }
    for (const auto& uid : gone) objects.erase(uid);
    return wrote || !gone.empty();
  }

  void OnFinished(const std::string& uid) {
    if (dead_) return;
    if (++told_[uid] > 1 && objects.contains(uid)) breaches.push_back(uid + " was finished twice");
    if (world.node.mounts.contains(uid)) breaches.push_back(uid + " is finished and has mounts");
    if (world.node.cgroups.contains(uid)) breaches.push_back(uid + " is finished and has a cgroup");
    if (names_.contains(uid) && Running(uid) > 0) breaches.push_back(uid + " is finished and runs");
  }

  Kubelet::Options options_;
  std::map<std::string, int> told_;
  std::map<std::string, std::string> names_;  // uid -> pod name
  bool dead_ = true;
};

}  // namespace kubelet::test
