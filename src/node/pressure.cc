#include "kubelet/node/pressure.h"

#include <algorithm>

#include "node/parts.h"

namespace kubelet::node {
namespace {

constexpr char kMemoryAvailable[] = "memory.available";
constexpr char kAllocatableMemory[] = "allocatableMemory.available";

bool IsOff(const std::string& value) { return value.empty() || value == "0%" || value == "100%"; }

bool StartsWith(const std::string& text, const char* prefix) { return text.rfind(prefix, 0) == 0; }

}  // namespace

Pressure::Pressure(PressureOptions options) : options_(std::move(options)) {
  Add(options_.hard, false);
  Add(options_.soft, true);
  auto hard = options_.hard.find(kMemoryAvailable);
  if (!options_.allocatable_memory || hard == options_.hard.end() || IsOff(hard->second)) return;
  thresholds_.push_back(
      {kAllocatableMemory, hard->second, options_.minimum_reclaim[kMemoryAvailable], {}});
}

void Pressure::Add(const std::map<std::string, std::string>& values, bool soft) {
  for (const auto& [signal, value] : values) {
    if (IsOff(value) || StartsWith(signal, "containerfs.")) continue;
    Threshold threshold{signal, value, options_.minimum_reclaim[signal], {}};
    if (soft) threshold.grace = options_.soft_grace[signal];
    thresholds_.push_back(std::move(threshold));
  }
}

bool Pressure::Watches(const std::string& signal) const {
  return std::any_of(thresholds_.begin(), thresholds_.end(),
                     [&](const auto& t) { return t.signal == signal; });
}

bool Pressure::IsMet(const Threshold& threshold, const SignalLeft& left, bool with_reclaim) {
  auto capacity = api::Quantity::FromInt(left.capacity);
  auto value = node::Threshold(threshold.value, capacity);
  if (with_reclaim && !threshold.reclaim.empty())
    value = value + node::Threshold(threshold.reclaim, capacity);
  return api::Quantity::FromInt(left.available) < value;
}

Pressures Pressure::Update(const Signals& signals, base::MonoTime now) {
  for (size_t i = 0; i < thresholds_.size(); ++i) {
    const Threshold& threshold = thresholds_[i];
    auto left = signals.find(threshold.signal);
    auto seen = met_.find(i);
    bool held = seen != met_.end() && seen->second.held;
    if (left == signals.end() || !IsMet(threshold, left->second, held)) {
      if (seen != met_.end()) met_.erase(seen);
      continue;
    }
    if (seen == met_.end()) seen = met_.insert({i, {now, false}}).first;
    seen->second.held = seen->second.held || now - seen->second.since >= threshold.grace;
    bool memory = threshold.signal == kMemoryAvailable || threshold.signal == kAllocatableMemory;
    (memory ? memory_at_ : threshold.signal == "pid.available" ? pid_at_ : disk_at_) = now;
  }
  auto recent = [&](const auto& at) { return at && now - *at < options_.transition; };
  return {recent(memory_at_), recent(disk_at_), recent(pid_at_)};
}

}  // namespace kubelet::node
