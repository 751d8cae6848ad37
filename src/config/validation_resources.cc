// Reservations, allocatable enforcement, resource managers.
#include <map>
#include <set>

#include "config/field_path.h"
#include "config/text.h"
#include "config/validation.h"
#include "kubelet/api/quantity.h"

namespace kubelet::config {
namespace {

template <typename StringMap>
std::map<std::string, std::string> Sorted(const StringMap& map) {
  return {map.begin(), map.end()};
}

// The cgroup field an enforcement needs; nullptr for pods.
struct Enforcement {
  const char* cgroup_field;
};
const std::map<std::string, Enforcement>& Enforcements() {
  static const auto* known = new std::map<std::string, Enforcement>{
      {"pods", {nullptr}},
      {"system-reserved", {"systemReservedCgroup"}},
      {"system-reserved-compressible", {"systemReservedCgroup"}},
      {"kube-reserved", {"kubeReservedCgroup"}},
      {"kube-reserved-compressible", {"kubeReservedCgroup"}},
  };
  return *known;
}

constexpr char kEnforce[] = "enforceNodeAllocatable";

void CheckEnforcement(const RuleContext& rules, const std::string& name) {
  auto known = Enforcements().find(name);
  if (known == Enforcements().end()) {
    rules.Add(kEnforce,
              Quote(name) +
                  " is unknown, must be pods, system-reserved, system-reserved-compressible, "
                  "kube-reserved, kube-reserved-compressible or none");
    return;
  }
  const char* cgroup = known->second.cgroup_field;
  if (cgroup != nullptr && IsUnset(FindField(rules.config, cgroup))) {
    rules.Add(cgroup, "must be set for " + Quote(name) + " in enforceNodeAllocatable");
  }
  if (!rules.config.cgroups_per_qos()) {
    rules.Add("cgroupsPerQOS", "must be true for " + Quote(name) + " in enforceNodeAllocatable");
  }
}

void CheckEnforcements(const RuleContext& rules) {
  std::set<std::string> seen;
  for (const std::string& name : rules.config.enforce_node_allocatable()) {
    if (!seen.insert(name).second) {
      rules.Add(kEnforce, "has " + Quote(name) + " twice");
    } else if (name != "none") {
      CheckEnforcement(rules, name);
    } else if (rules.config.enforce_node_allocatable_size() > 1) {
      rules.Add(kEnforce, "\"none\" must stand alone");
    }
  }
  for (const char* name : {"system-reserved", "kube-reserved"}) {
    std::string compressible = std::string(name) + "-compressible";
    if (seen.count(name) && seen.count(compressible)) {
      rules.Add(kEnforce, Quote(name) + " and " + Quote(compressible) + " exclude one another");
    }
  }
}

template <typename StringMap>
void CheckReservation(const RuleContext& rules, const std::string& path, const StringMap& map) {
  static const std::set<std::string> kResources = {"cpu", "memory", "ephemeral-storage", "pid"};
  for (const auto& [name, value] : Sorted(map)) {
    absl::StatusOr<api::Quantity> quantity = api::Quantity::Parse(value);
    if (!kResources.count(name)) {
      rules.Add(path, Quote(name) +
                          " cannot be reserved, only cpu, memory, ephemeral-storage and pid can");
    } else if (!quantity.ok()) {
      rules.Add(path, name + " is " + Quote(value) + ", must be a quantity");
    } else if (quantity->Sign() < 0) {
      rules.Add(path, name + " is " + Quote(value) + ", must not be negative");
    }
  }
}

void CheckReservedCpus(const RuleContext& rules) {
  const auto& config = rules.config;
  if (config.reserved_system_cpus().empty()) return;
  if (!config.system_reserved_cgroup().empty() || !config.kube_reserved_cgroup().empty()) {
    rules.Add("reservedSystemCPUs",
              "must not be set together with systemReservedCgroup or kubeReservedCgroup");
  }
  if (std::string problem = CpuListProblem(config.reserved_system_cpus()); !problem.empty()) {
    rules.Add("reservedSystemCPUs", problem);
  }
}

void CheckReservedMemory(const RuleContext& rules) {
  std::set<std::pair<int32_t, std::string>> seen;
  for (int i = 0; i < rules.config.reserved_memory_size(); ++i) {
    const v1beta1::MemoryReservation& reservation = rules.config.reserved_memory(i);
    std::map<std::string, api::resource::Quantity> limits(reservation.limits().begin(),
                                                          reservation.limits().end());
    for (const auto& [name, quantity] : limits) {
      std::string path = "reservedMemory[" + std::to_string(i) + "].limits." + name;
      if (name != "memory" && name.rfind("hugepages-", 0) != 0) {
        rules.Add(path, "is unknown, must be memory or hugepages-<size>");
      }
      if (api::Quantity::From(quantity).IsZero()) rules.Add(path, "must not be zero");
      if (!seen.insert({reservation.numa_node(), name}).second) {
        rules.Add(path, "stands twice for NUMA node " + std::to_string(reservation.numa_node()));
      }
    }
  }
}

// Gate of an option's stage; empty for stable ones.
const std::map<std::string, std::string>& CpuOptions() {
  static const auto* options = new std::map<std::string, std::string>{
      {"full-pcpus-only", ""},
      {"strict-cpu-reservation", ""},
      {"prefer-align-cpus-by-uncorecache", ""},
      {"distribute-cpus-across-numa", "CPUManagerPolicyBetaOptions"},
      {"align-by-socket", "CPUManagerPolicyAlphaOptions"},
      {"distribute-cpus-across-cores", "CPUManagerPolicyAlphaOptions"},
  };
  return *options;
}

void CheckCpuOptions(const RuleContext& rules) {
  const char* path = "cpuManagerPolicyOptions";
  std::map<std::string, std::string> given = Sorted(rules.config.cpu_manager_policy_options());
  if (!given.empty() && rules.config.cpu_manager_policy() != "static") {
    rules.Add(path, "works with cpuManagerPolicy static only");
    return;
  }
  std::set<std::string> on;
  for (const auto& [name, value] : given) {
    auto known = CpuOptions().find(name);
    absl::StatusOr<bool> parsed = ParseBool(value);
    if (known == CpuOptions().end()) {
      rules.Add(path, Quote(name) + " is no known option");
    } else if (!known->second.empty() && !rules.gates.Enabled(known->second)) {
      rules.Add(path, Quote(name) + " needs the feature gate " + known->second);
    } else if (!parsed.ok()) {
      rules.Add(path, name + " is " + Quote(value) + ", must be true or false");
    } else if (*parsed) {
      on.insert(name);
    }
  }
  static const std::vector<std::pair<std::string, std::string>> kExclusive = {
      {"full-pcpus-only", "distribute-cpus-across-cores"},
      {"distribute-cpus-across-numa", "distribute-cpus-across-cores"},
      {"prefer-align-cpus-by-uncorecache", "distribute-cpus-across-cores"},
      {"prefer-align-cpus-by-uncorecache", "distribute-cpus-across-numa"}};
  for (const auto& [a, b] : kExclusive) {
    if (on.count(a) && on.count(b))
      rules.Add(path, Quote(a) + " and " + Quote(b) + " exclude one another");
  }
  if (on.count("align-by-socket") && rules.config.topology_manager_policy() == "single-numa-node") {
    rules.Add(path, "\"align-by-socket\" does not go with topologyManagerPolicy single-numa-node");
  }
}

void CheckTopologyOptions(const RuleContext& rules) {
  constexpr int64_t kFewestNumaNodes = 8;
  const char* path = "topologyManagerPolicyOptions";
  for (const auto& [name, value] : Sorted(rules.config.topology_manager_policy_options())) {
    if (name == "prefer-closest-numa-nodes") {
      if (!ParseBool(value).ok())
        rules.Add(path, name + " is " + Quote(value) + ", must be true or false");
    } else if (name == "max-allowable-numa-nodes") {
      absl::StatusOr<int64_t> number = ParseInt(value, 64);
      if (!number.ok() || *number < kFewestNumaNodes) {
        rules.Add(path, name + " is " + Quote(value) + ", must be a number of at least 8");
      }
    } else {
      rules.Add(path, Quote(name) + " is no known option");
    }
  }
}

}  // namespace

void CheckAllocatable(const RuleContext& rules) {
  const auto& config = rules.config;
  if (!config.system_cgroups().empty() && config.cgroup_root().empty()) {
    rules.Add("systemCgroups", "needs cgroupRoot");
  }
  CheckEnforcements(rules);
  CheckReservation(rules, "systemReserved", config.system_reserved());
  CheckReservation(rules, "kubeReserved", config.kube_reserved());
  CheckReservedCpus(rules);
  CheckReservedMemory(rules);
}

void CheckManagers(const RuleContext& rules) {
  CheckCpuOptions(rules);
  CheckTopologyOptions(rules);
  for (const auto& [name, value] : Sorted(rules.config.qos_reserved())) {
    absl::StatusOr<double> percent = ParsePercent(value);
    if (name != "memory") {
      rules.Add("qosReserved", Quote(name) + " cannot be reserved, only memory can");
    } else if (!percent.ok() || *percent < 0 || *percent > 100 ||
               *percent != static_cast<int>(*percent)) {
      rules.Add("qosReserved", "memory is " + Quote(value) + ", must be 0% to 100%");
    }
  }
}

}  // namespace kubelet::config
