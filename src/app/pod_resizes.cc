#include "app/pod_resizes.h"

#include "kubelet/runtime/swap.h"

namespace kubelet::app {

namespace {

resource::AllocationFile::Deps FileDeps(const PodResizes::Deps& deps) {
  return {deps.executor, deps.clock, resource::WriteOn(deps.pool)};
}

std::string PathOf(const PodResizes::Deps& deps, const char* name) {
  return deps.config.flags.root_dir + "/" + name;
}

runtime::ResizeOptions OptionsOf(const config::LoadedConfig& config) {
  runtime::ResizeOptions options;
  options.init_containers = config.gates.Enabled("InPlacePodVerticalScalingInitContainers");
  options.pod_level = config.gates.Enabled("InPlacePodLevelResourcesVerticalScaling");
  return options;
}

resource::ResizeRules RulesOf(const config::LoadedConfig& config, bool limited_swap) {
  const auto& kc = config.kubelet;
  resource::ResizeRules rules;
  rules.init_containers = OptionsOf(config).init_containers;
  rules.pod_level = OptionsOf(config).pod_level;
  // Also with the gates InPlacePodVerticalScalingExclusive{CPUs,Memory}: what a container has to
  // itself is given at admission, and a resize that left it as it is would be none.
  rules.static_cpu = kc.cpu_manager_policy() == "static";
  rules.static_memory = kc.memory_manager_policy() == "Static";
  if (limited_swap) rules.may_swap = runtime::MaySwap;
  return rules;
}

}  // namespace

PodResizes::PodResizes(Deps deps)
    : allocated_(FileDeps(deps), PathOf(deps, "allocated_pods_state")),
      actuated_(FileDeps(deps), PathOf(deps, "actuated_pods_state")),
      options_(OptionsOf(deps.config)),
      allocations_(
          [&] {
            resource::Allocations::Deps out{
                deps.executor,      deps.clock, allocated_,     actuated_, deps.active,  deps.find,
                deps.sources_ready, nullptr,    deps.on_change, nullptr,   &deps.metrics};
            out.fits = deps.fits;
            out.on_event = [tell = deps.on_event](const api::core::Pod& pod, bool warning,
                                                  const std::string& reason,
                                                  const std::string& message) {
              runtime::PodEvent event;
              event.warning = warning;
              event.reason = reason;
              event.message = message;
              tell(pod, event);
            };
            return out;
          }(),
          RulesOf(deps.config, deps.limited_swap)) {
  allocated_.Load();
  actuated_.Load();
}

const std::map<std::string, PodResizes::Resources>* PodResizes::Actuated(
    const std::string& uid) const {
  const auto* pod = actuated_.Get(uid);
  return pod == nullptr ? nullptr : &pod->containers;
}

void PodResizes::Synced(const api::core::Pod& allocated, const runtime::SyncResult& result) {
  if (result.resizing) allocations_.Synced(allocated, *result.resizing, result.resize_error);
}

void PodResizes::Forget(const std::string& uid) {
  allocations_.Forget(uid);
  actuated_.Remove(uid);
}

const PodResizes::Resources* PodResizes::Container(const std::string& uid,
                                                   const std::string& name) const {
  const auto* all = Actuated(uid);
  if (all == nullptr) return nullptr;
  auto it = all->find(name);
  return it == all->end() ? nullptr : &it->second;
}

const PodResizes::Resources* PodResizes::PodLevel(const std::string& uid) const {
  const auto* pod = actuated_.Get(uid);
  return pod == nullptr || !pod->pod_level ? nullptr : &*pod->pod_level;
}

void PodResizes::SetContainer(const std::string& uid, const std::string& name,
                              Resources resources) {
  actuated_.SetContainer(uid, name, std::move(resources));
}

void PodResizes::SetPodLevel(const std::string& uid, Resources resources) {
  actuated_.SetPodLevel(uid, std::move(resources));
}

base::Task<void> PodResizes::Flushed() { return actuated_.Flushed(); }

}  // namespace kubelet::app
