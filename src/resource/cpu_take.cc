#include "resource/cpu_take.h"

#include <algorithm>
#include <utility>

#include "resource/cpu_distribute.h"

namespace kubelet::resource {
namespace {

struct Group {
  int id;
  CpuSet free;
};

class Taker {
 public:
  Taker(const CpuLayout& layout, CpuSet available, int need, const TakeOptions& options)
      : layout_(layout), free_(std::move(available)), need_(need), options_(options) {
    if (layout.Count(CpuLevel::kSocket) >= layout.Count(CpuLevel::kNuma)) {
      to_numa_ = {CpuLevel::kNuma};
      to_socket_ = {CpuLevel::kNuma, CpuLevel::kSocket};
      inner_ = to_socket_;
    } else {
      to_socket_ = {CpuLevel::kSocket};
      to_numa_ = {CpuLevel::kSocket, CpuLevel::kNuma};
      inner_ = to_numa_;
    }
  }

  CpuSet Run() {
    bool numa_is_outer = to_numa_.size() == 1;
    TakeWhole(numa_is_outer ? to_numa_ : to_socket_);
    TakeWhole(numa_is_outer ? to_socket_ : to_numa_);
    if (options_.uncore) TakeByUncore();
    if (!options_.spread) TakeWhole(With(inner_, CpuLevel::kCore));
    TakeSingle();
    return taken_;
  }

 private:
  using Chain = std::vector<CpuLevel>;

  static Chain With(Chain chain, CpuLevel level) {
    chain.push_back(level);
    return chain;
  }

  // What has free CPUs at the last level of the chain, in the order in which it is used up: inside
  // each group of the level above those of which the least is free come first.
  std::vector<Group> Ordered(const Chain& chain) const {
    std::vector<Group> groups = {{0, free_}};
    for (CpuLevel level : chain) {
      std::vector<Group> next;
      for (const auto& outer : groups) {
        auto first = next.size();
        for (int id : layout_.Ids(level, outer.free))
          next.push_back({id, layout_.In(level, id, free_)});
        std::stable_sort(
            next.begin() + static_cast<long>(first), next.end(),
            [](const Group& a, const Group& b) { return a.free.size() < b.free.size(); });
      }
      groups = std::move(next);
    }
    return groups;
  }

  void Take(const CpuSet& cpus) {
    taken_ = taken_ | cpus;
    free_ = free_ - cpus;
    need_ -= cpus.size();
  }

  void TakeWhole(const Chain& chain) {
    for (const auto& group : Ordered(chain)) {
      if (need_ == 0) return;
      if (group.free.size() <= need_ && group.free == layout_.In(chain.back(), group.id))
        Take(group.free);
    }
  }

  void TakeByUncore() {
    Chain chain = With(to_numa_, CpuLevel::kUncore);
    for (const auto& cache : Ordered(chain)) {
      if (need_ >= layout_.CpusPer(CpuLevel::kUncore)) TakeWhole(chain);
      if (need_ > 0) TakePartOf(cache.id);
      if (need_ == 0) return;
    }
  }

  // Only when it has enough: of its first cores, the last CPU left out when one too many.
  void TakePartOf(int uncore) {
    int threads = layout_.CpusPer(CpuLevel::kCore);
    size_t cores = static_cast<size_t>((need_ + threads - 1) / threads);
    std::vector<int> cpus;
    for (int core : layout_.Ids(CpuLevel::kCore, layout_.In(CpuLevel::kUncore, uncore, free_))) {
      if (cores-- == 0) break;
      for (int cpu : layout_.In(CpuLevel::kCore, core, free_)) cpus.push_back(cpu);
    }
    std::sort(cpus.begin(), cpus.end());
    if (need_ % 2 != 0 && threads > 1 && static_cast<int>(cpus.size()) > need_) cpus.pop_back();
    if (static_cast<int>(cpus.size()) == need_) Take(CpuSet(std::move(cpus)));
  }

  void TakeSingle() {
    std::vector<int> cpus;
    for (const auto& group :
         Ordered(options_.spread ? to_socket_ : With(inner_, CpuLevel::kCore))) {
      cpus.insert(cpus.end(), group.free.begin(), group.free.end());
    }
    cpus.resize(std::min(cpus.size(), static_cast<size_t>(need_)));
    Take(CpuSet(std::move(cpus)));
  }

  const CpuLayout& layout_;
  CpuSet free_, taken_;
  int need_;
  TakeOptions options_;
  Chain to_numa_, to_socket_, inner_;
};

}  // namespace

absl::StatusOr<CpuSet> TakeCpus(const CpuLayout& layout, const CpuSet& available, int count,
                                const TakeOptions& options) {
  if (count <= 0) return CpuSet();
  if (available.size() < count) {
    return absl::FailedPreconditionError(
        "not enough cpus available to satisfy request: requested=" + std::to_string(count) +
        ", available=" + std::to_string(available.size()));
  }
  TakeOptions packed = options;
  packed.distribute = false;
  if (options.distribute) {
    packed.uncore = false;
    CpuSet taken;
    for (const auto& share : DistributeCpus(layout, available, count, options.group)) {
      CpuSet there = layout.In(CpuLevel::kNuma, share.node, available) - taken;
      taken = taken | Taker(layout, std::move(there), share.cpus, packed).Run();
    }
    if (!taken.empty()) return taken;
  }
  return Taker(layout, available, count, packed).Run();
}

}  // namespace kubelet::resource
