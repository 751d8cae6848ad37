#include "kubelet/eviction/thresholds.h"

#include <algorithm>
#include <cstdlib>

namespace kubelet::eviction {
namespace {

const std::string& Find(const std::map<std::string, std::string>& map, const std::string& key) {
  static const std::string kNone;
  auto it = map.find(key);
  return it == map.end() ? kNone : it->second;
}

bool IsContainerFs(Signal signal) {
  return signal == Signal::kContainerFsAvailable || signal == Signal::kContainerFsInodesFree;
}

bool IsMet(const Threshold& threshold, const Left& left, bool with_reclaim) {
  auto wanted = threshold.value.Of(left.capacity);
  if (with_reclaim && threshold.reclaim) wanted = wanted + threshold.reclaim->Of(left.capacity);
  return api::Quantity::FromInt(left.available) < wanted;
}

// Memory first, hard before soft.
bool MoreUrgent(const Threshold& a, const Threshold& b) {
  auto rank = [](const Threshold& t) {
    return std::make_tuple(ResourceOf(t.signal) != Resource::kMemory, !t.hard(), t.signal);
  };
  return rank(a) < rank(b);
}

}  // namespace

std::optional<Amount> Amount::Parse(const std::string& text) {
  if (text.empty() || text == "0%" || text == "100%") return std::nullopt;
  Amount out;
  out.text_ = text;
  if (text.back() == '%') {
    out.share_ = std::strtof(text.c_str(), nullptr) / 100;
    return out;
  }
  auto value = api::Quantity::Parse(text);
  if (!value.ok()) return std::nullopt;
  out.quantity_ = *value;
  return out;
}

api::Quantity Amount::Of(int64_t capacity) const {
  if (share_ == 0) return quantity_;
  double value = static_cast<double>(capacity) * static_cast<double>(share_);
  return api::Quantity::FromBytes(static_cast<int64_t>(value));
}

std::vector<Threshold> MakeThresholds(const Config& config) {
  std::vector<Threshold> out;
  auto add = [&](const std::map<std::string, std::string>& values, bool soft) {
    for (const auto& [name, text] : values) {
      auto signal = SignalOf(name);
      auto value = Amount::Parse(text);
      if (!signal || !value || IsContainerFs(*signal)) continue;
      Threshold threshold{*signal, *value, Amount::Parse(Find(config.minimum_reclaim, name)), {}};
      auto grace = config.soft_grace.find(name);
      if (soft && grace != config.soft_grace.end()) threshold.grace = grace->second;
      out.push_back(std::move(threshold));
    }
  };
  add(config.hard, false);
  add(config.soft, true);
  for (size_t i = 0, count = out.size(); config.allocatable_memory && i < count; ++i) {
    if (out[i].signal != Signal::kMemoryAvailable || !out[i].hard()) continue;
    Threshold all_pods = out[i];
    all_pods.signal = Signal::kAllocatableMemoryAvailable;
    out.push_back(std::move(all_pods));
  }
  return out;
}

std::vector<Threshold> WithContainerFs(std::vector<Threshold> thresholds, const FsLayout& layout) {
  bool image = ContainerFsIsImageFs(layout);
  Signal room = image ? Signal::kImageFsAvailable : Signal::kNodeFsAvailable;
  Signal inodes = image ? Signal::kImageFsInodesFree : Signal::kNodeFsInodesFree;
  std::erase_if(thresholds, [](const auto& t) { return IsContainerFs(t.signal); });
  for (size_t i = 0, count = thresholds.size(); i < count; ++i) {
    Threshold copy = thresholds[i];
    if (copy.signal != room && copy.signal != inodes) continue;
    copy.signal =
        copy.signal == room ? Signal::kContainerFsAvailable : Signal::kContainerFsInodesFree;
    thresholds.push_back(std::move(copy));
  }
  return thresholds;
}

ThresholdWatch::ThresholdWatch(std::vector<Threshold> thresholds, base::Nanos transition)
    : thresholds_(std::move(thresholds)), transition_(transition) {}

ThresholdWatch::Key ThresholdWatch::KeyOf(const Threshold& threshold) {
  return {threshold.signal, threshold.grace, threshold.value.text()};
}

bool ThresholdWatch::Watches(Signal signal) const {
  return std::any_of(thresholds_.begin(), thresholds_.end(),
                     [&](const auto& t) { return t.signal == signal; });
}

ThresholdWatch::Turn ThresholdWatch::Update(const Observations& observations, base::MonoTime now) {
  Turn turn;
  for (const auto& threshold : thresholds_) {
    Key key = KeyOf(threshold);
    auto left = observations.find(threshold.signal);
    auto seen = seen_.find(key);
    bool was_due = seen != seen_.end() && seen->second.due;
    if (left == observations.end() || !IsMet(threshold, left->second, was_due)) {
      if (seen != seen_.end()) seen_.erase(seen);
      continue;
    }
    if (seen == seen_.end()) seen = seen_.insert({key, {now, false}}).first;
    seen->second.due = was_due || now - seen->second.since >= threshold.grace;
    if (seen->second.due) turn.due.push_back(threshold);
    Resource resource = ResourceOf(threshold.signal);
    (resource == Resource::kMemory ? memory_at_
     : resource == Resource::kPids ? pid_at_
                                   : disk_at_) = now;
  }
  auto recent = [&](const auto& at) { return at && now - *at < transition_; };
  turn.pressures = {recent(memory_at_), recent(disk_at_), recent(pid_at_)};
  std::stable_sort(turn.due.begin(), turn.due.end(), MoreUrgent);
  return turn;
}

bool ThresholdWatch::Relieved(const Observations& observations) const {
  return std::none_of(thresholds_.begin(), thresholds_.end(), [&](const auto& threshold) {
    auto left = observations.find(threshold.signal);
    return left != observations.end() && IsMet(threshold, left->second, true);
  });
}

std::vector<ThresholdWatch::Met> ThresholdWatch::met() const {
  std::vector<Met> out;
  for (const auto& threshold : thresholds_) {
    auto seen = seen_.find(KeyOf(threshold));
    if (seen != seen_.end()) out.push_back({threshold, seen->second.since, seen->second.due});
  }
  return out;
}

}  // namespace kubelet::eviction
