#include "fakes/node_sim.h"

namespace kubelet::test {

Kubelet::Kubelet(World& world) : Kubelet(world, Options{}) {}

Kubelet::Kubelet(World& world, Options options)
    : world_(world),
      client(world.runtime),
      volumes({world.node, [this] { return alive(); }}),
      cgroups({world.node, [this] { return alive(); }}),
      files({world.node, [this] { return alive(); }}) {
  auto executor = world.io.get_executor();
  auto on_event = [this](const api::core::Pod& pod, const runtime::PodEvent& event) {
    events.push_back(pod.metadata().name() + " " + event.reason);
    messages.push_back(event.reason + " " + event.container + ": " + event.message);
  };
  context.node_name = "node";
  context.pod_logs_dir = "/logs";
  pleg = std::make_unique<pleg::Pleg>(
      pleg::Pleg::Deps{executor, world.clock, client, [this](const std::string& uid) { manager->OnObserved(uid); },
                       [this] { manager->OnSynced(); }, options.metrics},
      pleg::Pleg::Options{});
  images = std::make_unique<image::ImageManager>(
      image::ImageManager::Deps{executor, world.clock, client, [this](const std::string& uid) { workers->Wake(uid); },
                                on_event, nullptr},
      image::ImageManager::Options{});
  runtime::PodSyncer::Deps deps{executor, world.clock, client, *pleg, *images, volumes, cgroups, files, context,
                                options.network_ready, on_event, options.metrics};
  deps.health = options.health;
  deps.hook_http = options.hook_http;
  syncer = std::make_unique<runtime::PodSyncer>(std::move(deps), runtime::PodSyncer::Options{});
  store = std::make_unique<podstore::PodStore>(options.sources);
  worker::PodWorkers::Deps worker_deps{executor, world.clock, *this, nullptr, nullptr, nullptr, options.metrics};
  worker_deps.on_change = [change = options.on_change](const std::string& uid) {
    if (change) change(uid);
  };
  worker_deps.on_finished = [this, tell = options.on_finished](const std::string& uid) {
    finished.push_back(uid);
    if (tell) tell(uid);
  };
  worker_deps.on_forgotten = [this](const std::string& uid) { manager->OnWorkerForgotten(uid); };
  worker_deps.on_event = on_event;
  workers = std::make_unique<worker::PodWorkers>(std::move(worker_deps), worker::PodWorkers::Options{});
  manager = std::make_unique<worker::PodManager>(worker::PodManager::Deps{
      *store, *workers, [this] { return pleg->All(); }, on_event, options.admit});
  pleg->Start();
  world.Run();
}

// The program itself exits without unwinding; here every call comes back with an error first, so that no coroutine
// is left in the middle of an object that goes away.
Kubelet::~Kubelet() {
  client.Close();
  world_.Advance(std::chrono::seconds(60));
  workers.reset();
  pleg.reset();
  images.reset();
  world_.Run();
}

std::string Kubelet::Waits(const std::string& uid, const std::string& container) const {
  auto view = workers->View(uid);
  if (!view) return "no worker";
  auto it = view->waiting.find(container);
  return it == view->waiting.end() ? "" : runtime::WaitingReasonName(it->second.reason);
}

std::string Kubelet::StateOf(const std::string& uid) const {
  auto view = workers->View(uid);
  return view ? worker::Name(view->state) : "none";
}

}  // namespace kubelet::test
