#include "node/startup_times.h"

#include <algorithm>

namespace kubelet::node {
namespace {

bool Ready(const core::Node& node) {
  const auto& conditions = node.status().conditions();
  return std::any_of(conditions.begin(), conditions.end(), [](const auto& condition) {
    return condition.type() == "Ready" && condition.status() == "True";
  });
}

double Seconds(base::Nanos d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

StartupTimes::StartupTimes(base::Clock& clock, base::Registry* metrics,
                           std::optional<base::WallTime> booted)
    : clock_(clock), booted_(booted), started_(clock.Now()) {
  if (metrics == nullptr) return;
  auto add = [metrics](const char* part, const char* help) {
    return &metrics
                ->AddGauge(std::string("kubelet_node_startup_") + part + "duration_seconds",
                           std::string("Duration in seconds of node startup ") + help)
                .Only();
  };
  pre_kubelet_ = add("pre_kubelet_", "before kubelet starts.");
  pre_registration_ = add("pre_registration_", "before registration.");
  registration_ = add("registration_", "during registration.");
  post_registration_ = add("post_registration_", "after registration.");
  total_ = add("", "in total.");
}

void StartupTimes::Attempt() {
  if (!attempt_) attempt_ = clock_.Now();
}

void StartupTimes::Registered() {
  if (!attempt_ || registered_) return;
  registered_ = clock_.Now();
  if (total_ == nullptr) return;
  if (booted_) pre_kubelet_->Set(Seconds(started_ - *booted_));
  pre_registration_->Set(Seconds(*attempt_ - started_));
  registration_->Set(Seconds(*registered_ - *attempt_));
}

void StartupTimes::Known(const core::Node& node) {
  if (!registered_ || ready_ || !Ready(node)) return;
  ready_ = clock_.Now();
  if (total_ == nullptr) return;
  post_registration_->Set(Seconds(*ready_ - *registered_));
  if (booted_) total_->Set(Seconds(*ready_ - *booted_));
}

}  // namespace kubelet::node
