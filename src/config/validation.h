// What a configuration and a command line must satisfy, without looking at the host. (Swap and
// cgroup version are checked where the kernel is asked.) All problems at once, in the order of the
// rules. Pure; thread safe.
#pragma once

#include <string>
#include <vector>

#include "kubelet/config/feature_gates.h"
#include "kubelet/config/flags.h"
#include "kubelet/config/v1beta1/config.pb.h"

namespace kubelet::config {

struct Problem {
  std::string field;  // JSON path, --flag, or empty
  std::string message;
  // `port (--port): is 70000, must be 1 to 65535`; the flag is added for fields that have one.
  std::string ToString() const;
};

// For a configuration with its defaults. `gates` are those it will run with.
std::vector<Problem> ValidateConfiguration(const v1beta1::KubeletConfiguration& config,
                                           const FeatureGates& gates);
std::vector<Problem> ValidateFlags(const Flags& flags);

// What the tables behind CheckRanges allow at a path, in words (`1 to 65535`); empty without a
// rule.
std::string AllowedText(const std::string& path);

// What works but hardly as meant.
std::vector<std::string> ConfigurationWarnings(const v1beta1::KubeletConfiguration& config,
                                               const Flags& flags, const FeatureGates& gates);

// The parts of ValidateConfiguration.
struct RuleContext {
  const v1beta1::KubeletConfiguration& config;
  const FeatureGates& gates;
  std::vector<Problem>& problems;
  void Add(const std::string& field, const std::string& message) const {
    problems.push_back({field, message});
  }
};
void CheckRanges(const RuleContext& rules);   // numbers, periods and enumerations, by table
void CheckGated(const RuleContext& rules);    // fields that need a gate
void CheckServing(const RuleContext& rules);  // TLS, logging, tracing, log query, metrics
void CheckImages(const RuleContext& rules);   // pulls, garbage collection, container logs
void CheckAllocatable(
    const RuleContext& rules);  // enforcement, reservations, CPU sets, reserved memory
void CheckManagers(
    const RuleContext& rules);  // CPU, memory and topology manager options, qosReserved
void CheckEviction(const RuleContext& rules);
void CheckNode(const RuleContext& rules);  // taints, shutdown, user namespaces, paths, sysctls

}  // namespace kubelet::config
