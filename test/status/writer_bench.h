// A StatusWriter, an API server in memory and the watch between them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "client/loop.h"
#include "fakes/memory_store.h"
#include "fakes/pod_feed.h"
#include "kubelet/api/pod.h"
#include "kubelet/api/time.h"
#include "kubelet/status/writer.h"

namespace kubelet::status {
using namespace std::chrono_literals;
using api::core::Pod;
using api::core::PodStatus;
using client::kPods;
using Flags = StatusWriter::Flags;

struct WriterBench : test::ApiLoop {
  std::vector<std::string> outlived;
  base::Registry metrics;
  StatusWriter writer;
  std::unique_ptr<test::PodFeed> feed;

  explicit WriterBench(StatusWriter::Options options = {})
      : writer({io.get_executor(), clock, api, [] { return 0.5; }, &metrics,
                [this](const std::string& uid) { outlived.push_back(uid); }},
               options) {
    Feed();
  }
  // The watch; without it (reset) nothing is shown.
  void Feed() {
    test::PodFeed::Sink sink;
    sink.on_list = [this](std::vector<api::PodPtr> pods) { writer.ObservedAll(pods); };
    sink.on_set = [this](api::PodPtr pod) { writer.Observed(pod); };
    sink.on_removed = [this](api::PodPtr pod) { writer.Removed(pod); };
    sink.on_back = [this] { writer.Wake(); };
    feed = std::make_unique<test::PodFeed>(io.get_executor(), clock, api, std::move(sink));
    Run();
  }
  api::PodPtr Put(const Pod& pod) {
    auto stored = api.Put({kPods, "default"}, pod);
    Run();
    return std::dynamic_pointer_cast<const Pod>(stored);
  }
  api::PodPtr Make(const std::string& name) { return Put(test::PodNamed(name, "n1")); }
  std::shared_ptr<const Pod> Stored(const std::string& name) {
    return api.Find<Pod>({kPods, "default", name});
  }
  PodStatus Status(const std::string& phase, bool ready, int restarts = 0) {
    PodStatus status;
    status.set_phase(phase);
    auto* condition = status.add_conditions();
    condition->set_type("Ready");
    condition->set_status(ready ? "True" : "False");
    *condition->mutable_last_transition_time() = api::ToTime(clock.Now());
    auto* container = status.add_container_statuses();
    container->set_name("c");
    container->set_restart_count(restarts);
    *status.mutable_start_time() = api::ToTime(clock.Now());
    return status;
  }
  void Set(const api::PodPtr& pod, const PodStatus& status, bool terminal = false) {
    Flags flags;
    flags.terminal_allowed = terminal;
    writer.Set(pod->metadata().uid(), pod, status, flags);
  }
  // Another client writes a status.
  void Meddle(const std::string& name, const std::string& status) {
    client::Call call;
    call.verb = client::Call::Verb::kPatch;
    call.path = {kPods, "default", name, "status"};
    call.patch = "{\"status\":" + status + "}";
    REQUIRE(Do(call).ok());
    api.log.pop_back();
  }
  int Patches() { return api.Count("PATCH", "/status"); }
  int Gets() { return api.Count("GET", ""); }
};

inline Pod StaticPod(const std::string& name, const std::string& uid) {
  Pod pod = test::PodNamed(name, "n1");
  pod.mutable_metadata()->set_uid(uid);
  auto& annotations = *pod.mutable_metadata()->mutable_annotations();
  annotations[api::kConfigSource] = "file";
  annotations[api::kConfigHash] = uid;
  return pod;
}

inline Pod MirrorPod(const std::string& name, const std::string& static_uid) {
  Pod pod = StaticPod(name, static_uid);
  pod.mutable_metadata()->clear_uid();
  (*pod.mutable_metadata()->mutable_annotations())[api::kConfigMirror] = static_uid;
  pod.mutable_status()->set_phase("Pending");
  return pod;
}

}  // namespace kubelet::status
