// A node in memory: the world (clock, loop, runtime, disk) and the pod half of a kubelet wired as in app/kubelet.cc.
// Several kubelets may follow one another on one world: that is a crash and a restart.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "fakes/fake_ports.h"
#include "fakes/fake_runtime.h"
#include "kubelet/image/image_manager.h"
#include "kubelet/pleg/pleg.h"
#include "kubelet/podstore/pod_store.h"
#include "kubelet/runtime/pod_syncer.h"
#include "kubelet/worker/pod_manager.h"
#include "kubelet/worker/pod_workers.h"

namespace kubelet::test {

struct World {
  boost::asio::io_context io{1};
  base::ManualClock clock;
  FakeRuntime runtime{io.get_executor(), clock};
  FakeNode node;

  World() {
    node.on_logs_gone = [this](const std::string& uid) { runtime.ForgetAttempts(uid); };
    for (const char* image : {"image:1", "image:2", "image:3"}) runtime.images.insert(image);
  }
  void Run() {
    if (busy) return;
    io.restart();
    // A loop that never rests is a bug of its own; it must not hang the tests.
    for (int i = 0; i < 50'000; ++i) {
      if (io.poll_one() == 0) return;
    }
    busy = true;
  }
  void Advance(Nanos d) {
    clock.Advance(d, [this] { Run(); });
  }
  bool busy = false;
};

class Kubelet : public worker::PodRuntime {
 public:
  struct Options {
    std::set<std::string> sources = {"file"};
    std::function<bool()> network_ready;
    std::function<worker::Judgement(const api::core::Pod&)> admit;
    // Called at each change of a worker, and when its pod may be deleted from the API.
    std::function<void(const std::string& uid)> on_change, on_finished;
    runtime::Health* health = nullptr;
    runtime::HookHttp* hook_http = nullptr;
    base::Registry* metrics = nullptr;
  };
  explicit Kubelet(World& world, Options options);
  explicit Kubelet(World& world);
  ~Kubelet() override;

  void Snapshot(const std::vector<api::PodPtr>& pods, bool complete = true, const std::string& source = "file") {
    manager->OnSnapshot(source, pods, complete);
    world_.Run();
  }
  bool alive() const { return !client.cut(); }
  // The reason a container waits for, empty when it does not.
  std::string Waits(const std::string& uid, const std::string& container) const;
  std::string StateOf(const std::string& uid) const;

  base::Task<runtime::SyncResult> Sync(api::PodPtr pod, std::shared_ptr<runtime::Progress> progress,
                                       std::function<bool()> wanted) override {
    ++syncs;
    return syncer->Sync(std::move(pod), std::move(progress), std::move(wanted));
  }
  base::Task<absl::Status> Kill(std::string uid, api::PodPtr pod, std::chrono::seconds grace,
                                std::shared_ptr<runtime::Progress> progress) override {
    return syncer->Kill(std::move(uid), std::move(pod), grace, std::move(progress));
  }
  base::Task<absl::Status> Remove(std::string uid, std::string name, std::string namespace_,
                                  std::shared_ptr<runtime::Progress> progress) override {
    return syncer->Remove(std::move(uid), std::move(name), std::move(namespace_), std::move(progress));
  }
  base::Task<absl::Status> Retire(std::string uid, std::shared_ptr<runtime::Progress> progress) override {
    return syncer->Retire(std::move(uid), std::move(progress));
  }
  void Forget(const std::string& uid) override {
    syncer->Forget(uid);
    images->ForgetPod(uid);
  }

 private:
  World& world_;

 public:
  FakeRuntimeClient client;
  FakeVolumes volumes;
  FakeCgroups cgroups;
  FakePodFiles files;
  runtime::NodeContext context;
  std::vector<std::string> events;  // `pod reason`
  std::vector<std::string> messages;  // `reason container: message`
  std::vector<std::string> finished;  // uids, as their objects might be deleted
  int syncs = 0;
  std::unique_ptr<pleg::Pleg> pleg;
  std::unique_ptr<image::ImageManager> images;
  std::unique_ptr<runtime::PodSyncer> syncer;
  std::unique_ptr<podstore::PodStore> store;
  std::unique_ptr<worker::PodWorkers> workers;
  std::unique_ptr<worker::PodManager> manager;
};

}  // namespace kubelet::test
