#include "app/node_resources.h"

#include "app/node_options.h"
#include "kubelet/api/quantity.h"
#include "kubelet/base/log.h"
#include "kubelet/base/status.h"
#include "kubelet/node/node_status.h"

namespace kubelet::app {

using base::Task;

namespace {

template <typename Map>
bool IsOn(const Map& options, const char* name) {
  auto option = options.find(name);
  if (option == options.end()) return false;
  // What the check of the configuration takes for true.
  static const std::set<std::string> kTrue = {"1", "t", "T", "true", "TRUE", "True"};
  return kTrue.contains(option->second);
}

resource::CpuManagerOptions CpuOptions(const config::LoadedConfig& config) {
  const auto& kc = config.kubelet;
  const auto& given = kc.cpu_manager_policy_options();
  resource::CpuManagerOptions options;
  options.static_policy = kc.cpu_manager_policy() == "static";
  options.full_pcpus_only = IsOn(given, "full-pcpus-only");
  options.strict_reservation = IsOn(given, "strict-cpu-reservation");
  options.distribute_across_numa = IsOn(given, "distribute-cpus-across-numa");
  options.distribute_across_cores = IsOn(given, "distribute-cpus-across-cores");
  options.align_by_socket = IsOn(given, "align-by-socket");
  options.prefer_uncore = IsOn(given, "prefer-align-cpus-by-uncorecache");
  options.single_numa_node = kc.topology_manager_policy() == "single-numa-node";
  return options;
}

resource::TopologyManagerOptions TopologyOptions(const config::LoadedConfig& config) {
  const auto& kc = config.kubelet;
  resource::TopologyManagerOptions options;
  const std::string& policy = kc.topology_manager_policy();
  if (policy == "best-effort") options.policy = resource::TopologyPolicy::kBestEffort;
  if (policy == "restricted") options.policy = resource::TopologyPolicy::kRestricted;
  if (policy == "single-numa-node") options.policy = resource::TopologyPolicy::kSingleNumaNode;
  options.pod_scope = kc.topology_manager_scope() == "pod";
  const auto& given = kc.topology_manager_policy_options();
  options.prefer_closest = IsOn(given, "prefer-closest-numa-nodes");
  if (auto most = given.find("max-allowable-numa-nodes"); most != given.end())
    options.max_nodes = std::atoi(most->second.c_str());
  return options;
}

// Of a resource, by kubeReserved, systemReserved and evictionHard.
api::Quantity ReservedOf(const NodeResources::Deps& deps, const std::string& resource) {
  auto all = node::AllocatableReservation(MachineFacts(deps.config, deps.node),
                                          MakeNodeOptions(deps.config, deps.node));
  auto quantity = api::Quantity::Parse(all[resource]);
  return quantity.ok() ? *quantity : api::Quantity();
}

resource::Checkpoint::Deps FileDeps(const NodeResources::Deps& deps) {
  return {deps.executor, deps.clock, resource::WriteOn(deps.pool)};
}

}  // namespace

absl::StatusOr<std::unique_ptr<NodeResources>> NodeResources::Create(Deps deps) {
  std::unique_ptr<NodeResources> made(new NodeResources(std::move(deps)));
  RETURN_IF_ERROR(made->Make());
  return made;
}

NodeResources::NodeResources(Deps deps)
    : deps_(std::move(deps)),
      disable_quota_(deps_.config.gates.Enabled("DisableCPUQuotaWithExclusiveCPUs")),
      alignment_(deps_.metrics),
      cpu_file_(FileDeps(deps_), deps_.config.flags.root_dir + "/cpu_manager_state"),
      memory_file_(FileDeps(deps_), deps_.config.flags.root_dir + "/memory_manager_state") {}

absl::Status NodeResources::Make() {
  const auto& kc = deps_.config.kubelet;
  auto topology_options = TopologyOptions(deps_.config);
  os::CpuTopology topology;
  bool binds_cpus = kc.cpu_manager_policy() == "static";
  binds_ = binds_cpus || kc.memory_manager_policy() == "Static";
  if (binds_ || topology_options.policy != resource::TopologyPolicy::kNone) {
    ASSIGN_OR_RETURN(topology, os::ReadCpuTopology());
    // A kernel without NUMA tells of no memory of nodes.
    auto& nodes = topology.nodes;
    if (nodes.size() == 1 && nodes[0].memory_bytes == 0) {
      nodes[0].memory_bytes = deps_.node.machine.memory_bytes;
      nodes[0].huge_pages = deps_.node.machine.huge_pages;
    }
  }
  ASSIGN_OR_RETURN(topology_,
                   resource::TopologyManager::Create(topology_options, topology.nodes,
                                                     {deps_.clock, &deps_.metrics, &alignment_}));
  RETURN_IF_ERROR(MakeCpus(topology, kc.reserved_system_cpus()));
  RETURN_IF_ERROR(MakeMemory(topology.nodes));
  topology_->Add(*cpus_);
  topology_->Add(*memory_);
  if (!binds_cpus) return absl::OkStatus();
  pins_ = std::make_unique<runtime::PinUpdater>(
      runtime::PinUpdater::Deps{deps_.executor, deps_.clock, deps_.runtime, *this, deps_.observed},
      base::Nanos(kc.cpu_manager_reconcile_period().duration()));
  pins_->Start();
  return absl::OkStatus();
}

absl::Status NodeResources::MakeCpus(const os::CpuTopology& topology, const std::string& reserved) {
  auto options = CpuOptions(deps_.config);
  ASSIGN_OR_RETURN(options.reserved, resource::CpuSet::Parse(reserved));
  ASSIGN_OR_RETURN(auto online, resource::CpuSet::Parse(deps_.node.machine.cpu_list));
  if (auto absent = options.reserved - online; !absent.empty()) {
    return absl::FailedPreconditionError("reservedSystemCPUs: " + absent.ToString() +
                                         " is not among the online CPUs " + online.ToString());
  }
  options.reserved_milli = ReservedOf(deps_, "cpu").MilliValue();
  ASSIGN_OR_RETURN(auto saved, cpu_file_.Load());
  resource::CpuManager::Deps deps{cpu_file_.path(), std::move(saved), {}, {},
                                  &deps_.metrics,   &alignment_};
  deps.save = [this](std::string text) { cpu_file_.Set(std::move(text)); };
  deps.on_change = [this] {
    if (pins_) pins_->Look();
  };
  ASSIGN_OR_RETURN(cpus_, resource::CpuManager::Create(options, topology, std::move(deps)));
  return absl::OkStatus();
}

absl::Status NodeResources::MakeMemory(const std::vector<os::NumaNode>& nodes) {
  const auto& kc = deps_.config.kubelet;
  resource::MemoryManagerOptions options;
  options.static_policy = kc.memory_manager_policy() == "Static";
  for (const auto& reservation : kc.reserved_memory()) {
    for (const auto& [type, quantity] : reservation.limits())
      options.reserved[reservation.numa_node()][type] =
          static_cast<uint64_t>(api::Quantity::From(quantity).Value());
  }
  options.node_reserved["memory"] = static_cast<uint64_t>(ReservedOf(deps_, "memory").Value());
  ASSIGN_OR_RETURN(auto saved, memory_file_.Load());
  resource::MemoryManager::Deps deps{memory_file_.path(), std::move(saved), {}, &deps_.metrics};
  deps.save = [this](std::string text) { memory_file_.Set(std::move(text)); };
  ASSIGN_OR_RETURN(memory_, resource::MemoryManager::Create(options, nodes, std::move(deps)));
  return absl::OkStatus();
}

std::set<std::string> NodeResources::Holders() const {
  auto holders = cpus_->Pods();
  holders.merge(memory_->Pods());
  return holders;
}

void NodeResources::LetGo() {
  auto holders = Holders();
  if (holders.empty()) return;
  auto live = deps_.live();
  for (const auto& uid : holders) {
    if (live && !live->contains(uid)) Release(uid);
  }
}

// False: nobody does.
bool NodeResources::MakeWay(const api::core::Pod& to) {
  for (const auto& uid : Holders()) {
    if (uid == to.metadata().uid() || !deps_.gives_way(uid, to)) continue;
    follows_.insert(uid);
    topology_->Release(uid);
  }
  return !follows_.empty();
}

std::optional<admission::Rejection> NodeResources::Assign(const api::core::Pod& pod) {
  const std::string& uid = pod.metadata().uid();
  last_ = uid;
  follows_.clear();
  fresh_ = assigned_.insert(uid).second;
  if (!fresh_) return std::nullopt;
  LetGo();
  auto refusal = topology_->Admit(pod);
  if (refusal && MakeWay(pod)) refusal = topology_->Admit(pod);
  if (!refusal) return std::nullopt;
  assigned_.erase(uid);
  return admission::Rejection{refusal->reason, refusal->message};
}

void NodeResources::Unassign(const std::string& uid) {
  if (last_ == uid && fresh_) Release(uid);
}

std::set<std::string> NodeResources::Follows(const std::string& uid) const {
  return last_ == uid ? follows_ : std::set<std::string>();
}

void NodeResources::Admitted(const api::core::Pod& pod) {
  if (assigned_.insert(pod.metadata().uid()).second) topology_->Restore(pod);
}

void NodeResources::Release(const std::string& uid) {
  assigned_.erase(uid);
  topology_->Release(uid);
}

void NodeResources::Look() {
  LetGo();
  if (pins_) pins_->Look();
}

runtime::Pins NodeResources::Of(const std::string& uid, const std::string& container) {
  runtime::Pins pins;
  pins.cpus = cpus_->CpusOf(uid, container).ToString();
  pins.mems = memory_->NodesOf(uid, container);
  pins.no_cpu_quota = disable_quota_ && !cpus_->ExclusiveCpus(uid, container).empty();
  return pins;
}

bool NodeResources::NoCpuQuota(const std::string& uid) {
  return disable_quota_ && cpus_->HasExclusiveCpus(uid);
}

Task<void> NodeResources::Settled() {
  co_await cpu_file_.Flushed();
  co_await memory_file_.Flushed();
}

void NodeResources::Created(const runtime::ContainerId& id, const runtime::Pins& pins) {
  if (pins_) pins_->Created(id, pins.cpus);
}

resource::CpuSet NodeResources::ExclusiveCpus(const std::string& uid,
                                              const std::string& container) const {
  return cpus_->ExclusiveCpus(uid, container);
}

std::vector<resource::MemoryBlock> NodeResources::ExclusiveMemory(
    const std::string& uid, const std::string& container) const {
  return memory_->BlocksOf(uid, container);
}

resource::CpuSet NodeResources::AllocatableCpus() const { return cpus_->Allocatable(); }

std::vector<resource::MemoryBlock> NodeResources::AllocatableMemory() const {
  return memory_->Allocatable();
}

}  // namespace kubelet::app
